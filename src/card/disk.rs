//! The disks of this machine as `lsblk` tells them, and why each can or cannot be a card.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::uses::{self, Number};
use crate::process::{self, Cmd};
use crate::ui::{bytes, visible};

/// A block device with everything on it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Disk {
    #[serde(rename = "name")]
    pub path: PathBuf,
    #[serde(rename = "type")]
    kind: String,
    /// Bytes.
    pub size: u64,
    model: Option<String>,
    serial: Option<String>,
    tran: Option<String>,
    #[serde(rename = "rm", default)]
    removable: bool,
    #[serde(rename = "ro", default)]
    read_only: bool,
    #[serde(default)]
    mountpoints: Vec<Option<String>>,
    fstype: Option<String>,
    label: Option<String>,
    #[serde(default)]
    children: Vec<Disk>,
    /// For MMC devices, what the kernel calls it: SD or MMC (soldered).
    #[serde(skip)]
    mmc: Option<String>,
    /// What rests on it, as /proc and /sys tell.
    #[serde(skip)]
    used: Option<String>,
    /// The kernel's number of this very card.
    #[serde(skip)]
    pub sequence: Option<u64>,
}

#[derive(Deserialize)]
struct Listing {
    blockdevices: Vec<Disk>,
}

const COLUMNS: &str = "NAME,TYPE,SIZE,MODEL,SERIAL,TRAN,RM,RO,MOUNTPOINTS,FSTYPE,LABEL";

/// All disks, largest last.
pub async fn list() -> Result<Vec<Disk>> {
    lsblk(None).await
}

/// The disk at `path`, whatever name it goes by; `None` when no card is in it.
pub async fn at(path: &Path) -> Result<Option<Disk>> {
    Ok(lsblk(Some(path)).await?.pop())
}

/// The disk behind a card's path; `None` when that is a file, or not there.
pub async fn of(card: &Path) -> Result<Option<Disk>> {
    let is_device = |meta: std::fs::Metadata| meta.file_type().is_block_device();
    match card.canonicalize() {
        Ok(path) if path.metadata().is_ok_and(is_device) => at(&path).await,
        _ => Ok(None),
    }
}

async fn lsblk(path: Option<&Path>) -> Result<Vec<Disk>> {
    let mut cmd = Cmd::new(process::tool("lsblk"))
        .args(["--json", "--bytes", "--paths", "--output", COLUMNS])
        .or_install("Install util-linux.");
    if let Some(path) = path {
        cmd = cmd.arg(path);
    }
    let output = cmd.output().await?;
    // none of the devices named was found, or has a medium in it
    if path.is_some() && output.status.code() == Some(32) {
        return Ok(Vec::new());
    }
    if !output.status.success() {
        return Err(cmd.failed(&output));
    }
    let listing: Listing =
        serde_json::from_slice(&output.stdout).context("while reading what lsblk printed")?;
    let mut disks = listing.blockdevices;
    for disk in &mut disks {
        let name = disk.path.file_name().unwrap_or_default();
        let device = Path::new("/sys/block").join(name).join("device");
        let told = |file| std::fs::read_to_string(device.join(file)).ok();
        disk.mmc = told("type")
            .map(|t| t.trim().to_owned())
            .filter(|t| t == "SD" || t == "MMC");
        if disk.mmc.is_some() {
            // such a card has no vendor or model that lsblk knows of
            disk.model = disk.model.take().or_else(|| told("name"));
            disk.serial = disk.serial.take().or_else(|| told("serial"));
        }
        if let Ok(meta) = std::fs::metadata(&disk.path) {
            let number = Number::from_raw(meta.rdev());
            disk.sequence = number.sequence();
            disk.used = uses::of(number);
        }
    }
    disks.retain(|disk| disk.size > 0 || disk.kind != "loop");
    disks.sort_by_key(|disk| disk.size);
    Ok(disks)
}

impl Disk {
    /// Model, size, bus, serial and what is on it.
    pub fn describe(&self) -> String {
        let mut parts = vec![
            known(self.model.as_deref()).unwrap_or_else(|| "unnamed".into()),
            bytes(self.size),
        ];
        parts.extend(self.bus());
        parts.extend(known(self.serial.as_deref()).map(|s| format!("serial {s}")));
        parts.push(self.content());
        parts.join(", ")
    }

    /// The same, for programs.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "path": self.path,
            "model": known(self.model.as_deref()),
            "size": self.size,
            "bus": self.bus(),
            "serial": known(self.serial.as_deref()),
            "content": self.content(),
            "refused": self.refusal(false),
        })
    }

    fn bus(&self) -> Option<String> {
        self.mmc.clone().or_else(|| known(self.tran.as_deref()))
    }

    fn content(&self) -> String {
        let label = |d: &Disk| known(d.label.as_deref()).or_else(|| known(d.fstype.as_deref()));
        let labels: Vec<_> = self
            .children
            .iter()
            .chain([self])
            .filter_map(label)
            .collect();
        match (labels.as_slice(), self.children.len()) {
            ([], 0) => "nothing known on it".into(),
            ([], 1) => "holds a partition".into(),
            ([], count) => format!("holds {count} partitions"),
            (labels, _) => format!("holds {}", labels.join(", ")),
        }
    }

    /// A card reader without a card.
    pub fn is_empty_reader(&self) -> bool {
        self.size == 0 && (self.removable || self.tran.as_deref() == Some("usb"))
    }

    /// Why this must not be written, in one sentence; `None` for a card.
    pub fn refusal(&self, allow_fixed_disk: bool) -> Option<String> {
        if self.kind == "part" {
            return Some("It is a partition; name the whole disk.".into());
        }
        if let Some(place) = self.in_use() {
            return Some(format!("It is in use: {place}."));
        }
        if self.read_only {
            return Some("It is read-only; look at the card's lock switch.".into());
        }
        if self.size == 0 {
            return Some("There is no card in it.".into());
        }
        if allow_fixed_disk {
            return None;
        }
        match self.mmc.as_deref() {
            Some("SD") => None,
            Some(_) => Some("It is soldered (eMMC); --allow-fixed-disk insists.".into()),
            None if self.removable || self.tran.as_deref() == Some("usb") => None,
            None => Some(
                "It is neither removable nor USB nor an SD card; --allow-fixed-disk insists."
                    .into(),
            ),
        }
    }

    /// What of this machine depends on it.
    fn in_use(&self) -> Option<String> {
        // a disk can be mounted in many places; the shortest is the one people know
        let mounted = self
            .mountpoints
            .iter()
            .flatten()
            .min_by_key(|place| place.len());
        if let Some(place) = mounted {
            let shown = visible(place);
            return Some(if place == "[SWAP]" {
                "swap".into()
            } else {
                format!("mounted at {shown}")
            });
        }
        for child in &self.children {
            if child.kind != "part" {
                return Some(format!(
                    "{} ({}) is built on it",
                    child.path.display(),
                    child.kind
                ));
            }
            if let Some(place) = child.in_use() {
                return Some(format!(
                    "{} is {}",
                    child.path.display(),
                    place.trim_start_matches("is ")
                ));
            }
        }
        let member = self.fstype.as_deref().filter(|t| t.ends_with("_member"));
        let member = member.map(|t| format!("it belongs to a {}", t.trim_end_matches("_member")));
        member.or_else(|| self.used.clone())
    }
}

fn known(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|t| !t.is_empty()).map(visible)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn disk(value: &Value) -> Disk {
        let mut base = json!({ "name": "/dev/sdx", "type": "disk", "size": 31_914_983_424_u64, "model": "Reader", "serial": null,
            "tran": "usb", "rm": true, "ro": false, "mountpoints": [null], "fstype": null, "label": null });
        base.as_object_mut()
            .unwrap()
            .extend(value.as_object().unwrap().clone());
        serde_json::from_value(base).unwrap()
    }

    #[test]
    fn a_card_in_a_reader_is_accepted_and_described() {
        let part = json!({ "name": "/dev/sdx1", "type": "part", "size": 1, "mountpoints": [], "label": "NIXOS_SD" });
        let card = disk(&json!({ "children": [part] }));
        assert_eq!(card.refusal(false), None);
        assert_eq!(card.describe(), "Reader, 31.9 GB, usb, holds NIXOS_SD");
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let part = |more: Value| {
            let mut part =
                json!({ "name": "/dev/sdx2", "type": "part", "size": 1, "mountpoints": [] });
            part.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            json!({ "children": [part] })
        };
        let cases = [
            (json!({ "type": "part" }), "a partition"),
            (json!({ "mountpoints": ["/mnt"] }), "mounted at /mnt"),
            (
                part(json!({ "mountpoints": ["/"] })),
                "/dev/sdx2 is mounted at /",
            ),
            (
                part(json!({ "mountpoints": ["[SWAP]"] })),
                "/dev/sdx2 is swap",
            ),
            (
                part(json!({ "fstype": "LVM2_member" })),
                "belongs to a LVM2",
            ),
            (part(json!({ "fstype": "zfs_member" })), "belongs to a zfs"),
            (
                part(
                    json!({ "children": [{ "name": "/dev/mapper/root", "type": "crypt", "size": 1 }] }),
                ),
                "is built on it",
            ),
            (json!({ "ro": true }), "read-only"),
            (json!({ "size": 0 }), "no card"),
            (json!({ "tran": "nvme", "rm": false }), "neither removable"),
        ];
        for (change, reason) in cases {
            let refusal = disk(&change).refusal(false).unwrap_or_default();
            assert!(refusal.contains(reason), "{change}: {refusal}");
        }
    }

    #[test]
    fn no_flag_opens_a_disk_in_use() {
        let root = disk(&json!({ "mountpoints": ["/"], "tran": "nvme", "rm": false }));
        assert!(root.refusal(true).is_some());
        assert_eq!(
            disk(&json!({ "tran": "nvme", "rm": false })).refusal(true),
            None
        );
    }

    #[test]
    fn a_built_in_sd_slot_is_a_card_and_emmc_is_not() {
        let mut slot = disk(&json!({ "tran": "mmc", "rm": false }));
        slot.mmc = Some("SD".into());
        assert_eq!(slot.refusal(false), None);
        slot.mmc = Some("MMC".into());
        assert!(slot.refusal(false).unwrap().contains("soldered"));
    }
}
