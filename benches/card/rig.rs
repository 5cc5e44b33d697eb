//! A card in memory, an image for it, and what a command costs that writes it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::measure::{self, Cost};

/// Where the root file system begins, as in nixpkgs' images.
const ROOT: u64 = 38 << 20;
/// How much of the root file system is filled, in percent.
const FILLED: u64 = 39;

pub struct Rig {
    dir: TempDir,
    /// The loop device.
    card: PathBuf,
    mib: u64,
}

impl Rig {
    /// `mib`: the image's root file system.
    pub fn new(mib: u64) -> Option<Self> {
        let dir = TempDir::with_prefix_in("spinet-bench.", "/dev/shm").unwrap();
        let backing = dir.path().join("card");
        let file = File::create(&backing).unwrap();
        // memory that is taken for the first time costs more: not the first writer's fault
        for n in 0..ROOT / (1 << 20) + mib + 200 {
            file.write_all_at(&vec![0xa5; 1 << 20], n << 20).unwrap();
        }
        let made = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(&backing)
            .output()
            .ok()?;
        let card = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        if !made.status.success() {
            return None;
        }
        let rig = Self {
            dir,
            card: card.into(),
            mib,
        };
        rig.make_image();
        Some(rig)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn card(&self) -> &Path {
        &self.card
    }

    /// Bytes of the image.
    pub fn size(&self) -> u64 {
        ROOT + (self.mib << 20)
    }

    /// Bytes of the image that count: all before the root file system, and what that calls used.
    pub fn used(&self) -> u64 {
        let mut superblock = [0; 1024];
        let image = File::open(self.path("card.img")).unwrap();
        image.read_exact_at(&mut superblock, ROOT + 1024).unwrap();
        let number = |at: usize| {
            u64::from(u32::from_le_bytes(
                superblock[at..at + 4].try_into().unwrap(),
            ))
        };
        ROOT + (number(0x4) - number(0xc)) * (1024 << number(0x18))
    }

    pub fn spinet(&self, image: &str) -> Command {
        let mut spinet = Command::new(env!("CARGO_BIN_EXE_spinet"));
        spinet.args(["card", "write", "--yes", "--allow-fixed-disk"]);
        spinet.arg(self.path(image)).arg(&self.card);
        spinet
    }

    /// bmaptool's own map of the image.
    pub fn bmap(&self) -> PathBuf {
        let map = self.path("card.bmap");
        if !map.exists() {
            let mut create = Command::new("bmaptool");
            create
                .args(["--quiet", "create", "-o"])
                .arg(&map)
                .arg(self.path("card.img"));
            assert!(create.status().unwrap().success());
        }
        map
    }

    /// Fills the card's first part with what no image holds, as a used card.
    pub fn dirty(&self) {
        let file = File::options().write(true).open(self.path("card")).unwrap();
        for n in 0..64 {
            file.write_all_at(&vec![0xa5; 1 << 20], n * (48 << 20))
                .unwrap();
        }
    }

    /// Panics unless the card holds the image's content.
    pub fn check(&self, writer: &str) {
        let name = |file: &str| format!("{}?offset={ROOT}", self.path(file).display());
        let sum = |file: &str| {
            let list = Command::new("debugfs")
                .args(["-R", "cat /0", &name(file)])
                .output()
                .unwrap();
            list.stdout
        };
        assert_eq!(
            sum("card"),
            sum("card.img"),
            "{writer} wrote something else"
        );
        let fsck = Command::new("e2fsck")
            .args(["-fn", &name("card")])
            .output()
            .unwrap();
        assert!(fsck.status.success(), "{writer} left a damaged file system");
    }

    /// Runs the command, which must succeed.
    pub fn cost(&self, command: &Command, throttled: bool) -> Cost {
        let processes = group().map(|group| group.join("cgroup.procs"));
        let group = processes.filter(|_| throttled);
        measure::cost(command, &self.path("cost"), group.as_deref())
    }

    /// Limits the card to so many MB/s in each direction.
    pub fn throttle(&self, rate: Option<u64>) {
        let Some(group) = group() else { return };
        if fs::create_dir_all(&group).is_err() {
            return;
        }
        let name = self.card.file_name().unwrap().to_string_lossy();
        let number = fs::read_to_string(format!("/sys/block/{name}/dev")).unwrap();
        let bytes = rate.map_or(0, |rate| rate * 1_000_000);
        for file in ["write", "read"] {
            let file = group.join(format!("blkio.throttle.{file}_bps_device"));
            fs::write(file, format!("{} {bytes}", number.trim())).unwrap();
        }
    }

    /// Programs and libraries of this machine: as compressible as a system is.
    fn make_image(&self) {
        let (root, path) = (self.path("root"), self.path("card.img"));
        fs::create_dir(&root).unwrap();
        let mut left = (self.mib << 20) * FILLED / 100;
        let mut sources = vec![PathBuf::from("/usr/lib"), PathBuf::from("/usr/bin")];
        let mut count = 0;
        while let Some(source) = sources.pop() {
            for entry in fs::read_dir(source).into_iter().flatten().flatten() {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    sources.push(entry.path());
                } else if kind.is_file() && left > 0 {
                    let mut content = Vec::new();
                    let read =
                        File::open(entry.path()).and_then(|mut f| f.read_to_end(&mut content));
                    if read.is_ok() {
                        content.truncate(usize::try_from(left).unwrap());
                        left -= content.len() as u64;
                        fs::write(root.join(count.to_string()), content).unwrap();
                        count += 1;
                    }
                }
            }
        }
        File::create(&path).unwrap().set_len(self.size()).unwrap();
        let mut mke2fs = Command::new("mke2fs");
        mke2fs.args([
            "-q",
            "-F",
            "-t",
            "ext4",
            "-L",
            "NIXOS_SD",
            "-E",
            &format!("offset={ROOT}"),
            "-d",
        ]);
        mke2fs
            .args([&root, &path])
            .arg(format!("{}k", self.mib << 10));
        assert!(mke2fs.status().unwrap().success());
        fs::remove_dir_all(root).unwrap();
        let mut record = [0; 512];
        record[510..].copy_from_slice(&[0x55, 0xaa]);
        record[450] = 0x83;
        record[454..458].copy_from_slice(&u32::try_from(ROOT / 512).unwrap().to_le_bytes());
        record[458..462].copy_from_slice(&u32::try_from(self.mib << 11).unwrap().to_le_bytes());
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&record, 0).unwrap();
        // nixpkgs' images have no holes
        dense(&path);
        let packed = Command::new("zstd").args(["-q", "-T0"]).arg(&path).status();
        assert!(packed.unwrap().success());
        std::io::stdout().flush().unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.throttle(None);
        if let Some(group) = group() {
            let _ = fs::remove_dir(group);
        }
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.card)
            .status();
    }
}

fn dense(path: &Path) {
    let status = Command::new("fallocate")
        .args(["-l", &fs::metadata(path).unwrap().len().to_string()])
        .arg(path)
        .status();
    assert!(status.unwrap().success());
}

/// The most memory that all processes of a command had at once, in MB.
pub fn peak_memory(command: &mut Command) -> f64 {
    let mut child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(resident(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    f64::from(peak) / 1000.0
}

pub fn can_throttle() -> bool {
    group().is_some_and(|group| fs::create_dir_all(group).is_ok())
}

/// The cgroup the throttled commands run in (cgroup v1: direct and synchronous writes are counted to their writer).
fn group() -> Option<PathBuf> {
    let base = Path::new("/sys/fs/cgroup/blkio");
    base.join("blkio.throttle.write_bps_device")
        .exists()
        .then(|| base.join("spinet-bench"))
}

/// Resident memory of all processes of a group, in kB.
fn resident(group: u32) -> u32 {
    let mut sum = 0;
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        if after_name.split_whitespace().nth(2) != Some(&group.to_string()) {
            continue;
        }
        let status = fs::read_to_string(process.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u32 = line
            .and_then(|l| l.split_whitespace().next())
            .map_or(0, |n| n.parse().unwrap());
        sum += kib;
    }
    sum
}

/// The median of each figure.
pub fn median(costs: &[Cost]) -> Cost {
    let of = |part: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(part).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Cost {
        cpu: of(|cost| cost.cpu),
        wall: of(|cost| cost.wall),
    }
}
