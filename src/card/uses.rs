//! What of this machine rests on a disk: mounts, swap, and other devices built on it, followed down through partitions,
//! device mapper, RAID and loop devices by what the kernel tells in /proc and /sys. lsblk shows most of it; this is the
//! second look, by numbers instead of names, for the disk that is open already.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{major, minor};

use crate::ui::visible;

/// A device's number, as the kernel prints it: `8:0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    major: u32,
    minor: u32,
}

/// How deep devices may be stacked before looking further makes no sense.
const DEPTH: usize = 16;

impl Number {
    pub fn from_raw(dev: u64) -> Self {
        Self {
            major: major(dev),
            minor: minor(dev),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }

    /// The device's folder in /sys.
    pub fn sys(self) -> PathBuf {
        format!("/sys/dev/block/{}:{}", self.major, self.minor).into()
    }

    /// The kernel's count of disks and media seen; a new one when a card is replaced by another (Linux 5.15).
    pub fn sequence(self) -> Option<u64> {
        fs::read_to_string(self.sys().join("diskseq"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }
}

/// What rests on the disk, in a few words for a sentence; nothing for a disk that is free.
pub fn of(disk: Number) -> Option<String> {
    let rests = |(on, what): (Number, String)| below(on, DEPTH).contains(&disk).then_some(what);
    // a disk can be mounted in many places; the shortest is the one people know
    let used = users()
        .into_iter()
        .filter_map(rests)
        .min_by_key(String::len);
    used.or_else(|| {
        let built = parts(disk).find_map(|part| entries(&part.join("holders")).next());
        built.map(|holder| format!("{} is built on it", name(&holder)))
    })
}

/// Devices in use, and as what.
fn users() -> Vec<(Number, String)> {
    let mut users = Vec::new();
    for mounts in ["/proc/self/mountinfo", "/proc/1/mountinfo"] {
        let text = fs::read(mounts).unwrap_or_default();
        users.extend(String::from_utf8_lossy(&text).lines().filter_map(mount));
    }
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let swaps = swaps
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next());
    users.extend(swaps.filter_map(|path| Some((behind(Path::new(path))?, "swap".into()))));
    for block in entries(Path::new("/sys/block")) {
        let backing = fs::read_to_string(block.join("loop/backing_file")).unwrap_or_default();
        if let Some(number) = behind(Path::new(backing.trim_end())) {
            users.push((number, format!("{} is set up on it", name(&block))));
        }
    }
    users
}

/// A line of mountinfo (`proc_pid_mountinfo(5)`): device and mount point. File systems without a device of their own
/// (btrfs, say) tell by their source.
fn mount(line: &str) -> Option<(Number, String)> {
    let (fields, rest) = line.split_once(" - ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let number = Number::parse(fields.get(2)?)?;
    let source = rest.split(' ').nth(1)?;
    let number = match number.major {
        0 => behind(
            Path::new(source)
                .strip_prefix("/dev")
                .map(|_| Path::new(source))
                .ok()?,
        )?,
        _ => number,
    };
    Some((number, format!("mounted at {}", visible(fields.get(4)?))))
}

/// The block device at a path, or the one that the file there lies on.
fn behind(path: &Path) -> Option<Number> {
    let meta = fs::metadata(path).ok()?;
    let block = meta.file_type().is_block_device();
    Some(Number::from_raw(if block {
        meta.rdev()
    } else {
        meta.dev()
    }))
}

/// The whole disks a device rests on: itself if nothing is below.
fn below(device: Number, depth: usize) -> Vec<Number> {
    let number = |dir: &Path| Number::parse(&fs::read_to_string(dir.join("dev")).ok()?);
    let Some(sys) = fs::canonicalize(device.sys()).ok().filter(|_| depth > 0) else {
        return Vec::new();
    };
    let mut lower: Vec<Number> = entries(&sys.join("slaves"))
        .filter_map(|s| number(&s))
        .collect();
    if sys.join("partition").exists() {
        lower.extend(sys.parent().and_then(number));
    }
    let backing = fs::read_to_string(sys.join("loop/backing_file")).unwrap_or_default();
    lower.extend(behind(Path::new(backing.trim_end())));
    let mut all = vec![device];
    all.extend(
        lower
            .into_iter()
            .flat_map(|device| below(device, depth - 1)),
    );
    all
}

/// The disk's folder in /sys and those of its partitions.
fn parts(disk: Number) -> impl Iterator<Item = PathBuf> {
    let partitions: Vec<_> = entries(&disk.sys())
        .filter(|dir| dir.join("partition").exists())
        .collect();
    std::iter::once(disk.sys()).chain(partitions)
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

fn name(path: &Path) -> String {
    visible(&path.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_tell_their_device_by_number_or_by_source() {
        let line =
            "36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let expected = Number {
            major: 98,
            minor: 0,
        };
        assert_eq!(
            mount(line),
            Some((expected, "mounted at /mnt/a\\040b".into()))
        );
        assert_eq!(mount("22 1 0:20 / /proc rw - proc proc rw"), None);
        assert_eq!(mount("nonsense"), None);
    }

    #[test]
    fn the_disk_below_this_machines_root_is_in_use() {
        let root = behind(Path::new("/")).unwrap();
        if root.major == 0 {
            println!("skipped: / is on no disk here");
            return;
        }
        for disk in below(root, DEPTH) {
            assert!(
                of(disk).is_some_and(|what| what.starts_with("mounted at")),
                "{disk:?}"
            );
        }
    }
}
