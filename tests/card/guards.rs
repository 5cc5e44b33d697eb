//! Disks that are not written, whatever the flags.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::rig::{Loop, assert_failed, card, image, is_untouched, messages, set, write};

/// What `card list` says of a disk: why it is refused.
fn listed(card: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_spinet"))
        .args(["card", "list", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", messages(&output));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let row = rows
        .into_iter()
        .find(|row| row["path"] == card.to_str().unwrap());
    row.unwrap_or_else(|| panic!("{} is not listed", card.display()))
}

fn assert_refused(image: &Path, card: &Path, words: &str) {
    assert_failed(&write(image, card), words);
}

#[test]
fn a_disk_that_does_not_look_like_a_card_needs_a_flag() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 20, 7) else {
        return;
    };
    let file = dir.path().join("card");
    let Some(device) = card(&file, 30) else {
        return;
    };
    let output = Command::new(env!("CARGO_BIN_EXE_spinet"))
        .args(["card", "write", "--yes"])
        .args([&image, &device.0])
        .output()
        .unwrap();
    assert_failed(&output, "--allow-fixed-disk");
    // and what is on it is only given up by somebody who says so
    let output = Command::new(env!("CARGO_BIN_EXE_spinet"))
        .args(["card", "write", "--allow-fixed-disk"])
        .args([&image, &device.0])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_failed(&output, "--yes");
    assert!(is_untouched(&file));
}

#[test]
fn a_partition_that_is_mounted_or_swap_keeps_the_whole_disk() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 20, 7) else {
        return;
    };
    let file = dir.path().join("card");
    let table = "label: dos\nstart=1M,size=20M,type=83\nstart=22M,size=20M,type=82\n";
    File::create(&file).unwrap().set_len(50 << 20).unwrap();
    std::fs::write(dir.path().join("table"), table).unwrap();
    let script = format!(
        "sfdisk -q {} <{}",
        file.display(),
        dir.path().join("table").display()
    );
    if !set("sh", &["-c", &script]) {
        return;
    }
    let Some(device) = Loop::new(&file) else {
        return;
    };
    let disk = device.0.to_str().unwrap();
    if !set("partx", &["--add", disk]) {
        return;
    }
    let (first, second) = (format!("{disk}p1"), format!("{disk}p2"));
    let mount = dir.path().join("mount");
    std::fs::create_dir(&mount).unwrap();
    let before = std::fs::read(&file).unwrap();
    assert_refused(&image, Path::new(&first), "It is a partition");
    assert!(
        std::fs::read(&file).unwrap() == before,
        "the disk was touched"
    );
    if set("mkfs.ext4", &["-q", &first]) && set("mount", &[&first, mount.to_str().unwrap()]) {
        assert_refused(&image, &device.0, "p1 is mounted at");
        assert!(
            listed(&device.0)["refused"]
                .as_str()
                .unwrap()
                .contains("p1 is mounted at")
        );
        assert!(set("umount", &[&first]));
    }
    if set("mkswap", &["-q", &second]) && set("swapon", &[&second]) {
        assert_refused(&image, &device.0, "p2 is swap");
        assert!(set("swapoff", &[&second]));
    }
    // a mount that /proc of this process does not show: the kernel refuses it
    let script = format!(
        "mount {first} {m} && umount -l {m}; mount {first} {m} && exec sleep 60",
        m = mount.display()
    );
    let hidden = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script])
        .spawn();
    if let Ok(mut hidden) = hidden {
        std::thread::sleep(std::time::Duration::from_millis(700));
        let output = write(&image, &device.0);
        hidden.kill().unwrap();
        hidden.wait().unwrap();
        assert_failed(&output, "for this run alone");
    }
    assert!(set("partx", &["--delete", disk]));
}

#[test]
fn a_disk_that_another_device_is_built_on_is_in_use() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 20, 7) else {
        return;
    };
    let file = dir.path().join("card");
    let Some(lower) = card(&file, 30) else {
        return;
    };
    {
        let Some(upper) = Loop::new(&lower.0) else {
            return;
        };
        let words = format!("{} is set up on it", upper.name());
        assert_refused(&image, &lower.0, &words);
        assert!(
            listed(&lower.0)["refused"]
                .as_str()
                .unwrap()
                .contains(&words)
        );
        // the upper one's file lies on no mounted disk of its own: it may be written
        let refused = listed(&upper.0)["refused"].to_string();
        assert!(!refused.contains("in use"), "{refused}");
    }
    assert!(is_untouched(&file));
}

#[test]
fn members_of_lvm_raid_and_zfs_are_in_use_even_when_idle() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 20, 7) else {
        return;
    };
    let file = dir.path().join("card");
    let Some(device) = card(&file, 30) else {
        return;
    };
    // there is no udev here to look at the disk: what it would have noted
    let number = std::fs::read_to_string(format!("/sys/block/{}/dev", device.name())).unwrap();
    let note = Path::new("/run/udev/data").join(format!("b{}", number.trim()));
    std::fs::create_dir_all("/run/udev/data").unwrap();
    for member in ["LVM2", "linux_raid", "zfs", "crypto_LUKS"] {
        let kind = if member == "crypto_LUKS" {
            member.into()
        } else {
            format!("{member}_member")
        };
        std::fs::write(
            &note,
            format!("I:1\nE:ID_FS_TYPE={kind}\nE:ID_FS_USAGE=raid\n"),
        )
        .unwrap();
        let refused = write(&image, &device.0);
        std::fs::remove_file(&note).unwrap();
        if member == "crypto_LUKS" {
            // closed, it is a card like any other
            assert!(refused.status.success(), "{}", messages(&refused));
        } else {
            assert_failed(&refused, &format!("belongs to a {member}"));
            assert!(is_untouched(&file));
        }
    }
}

/// Nothing is ever asked to write it: the listing alone must know.
#[test]
fn the_disk_this_machine_runs_from_is_in_use() {
    let source = Command::new("findmnt")
        .args(["-no", "SOURCE", "/"])
        .output()
        .unwrap();
    let source = String::from_utf8_lossy(&source.stdout).trim().to_owned();
    let parents = Command::new("lsblk")
        .args(["-snpo", "NAME,TYPE", &source])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&parents.stdout).into_owned();
    let Some(disk) = text.lines().find_map(|line| line.strip_suffix(" disk")) else {
        println!("skipped: / lies on no disk here");
        return;
    };
    let disk = disk
        .trim_start_matches(|c: char| !c.is_ascii() || " `-|".contains(c))
        .trim();
    let refused = listed(Path::new(disk))["refused"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(refused.contains("It is in use"), "{refused}");
}

#[test]
fn a_disk_that_is_read_only_or_too_small_or_held_is_not_touched() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 20, 7) else {
        return;
    };
    let file = dir.path().join("card");
    {
        let Some(_) = card(&file, 10) else {
            return;
        };
        let locked = Loop::with(&file, &["--read-only"]).unwrap();
        assert_refused(&image, &locked.0, "lock switch");
        let small = Loop::new(&file).unwrap();
        assert_refused(
            &image,
            &small.0,
            "too small: it holds 10.4 MB, the image needs 20.9 MB",
        );
        assert!(is_untouched(&file));
    }
    let Some(device) = card(&file, 30) else {
        return;
    };
    let held = File::options()
        .read(true)
        .custom_flags(O_EXCL)
        .open(&device.0)
        .unwrap();
    assert_refused(&image, &device.0, "could not be opened for this run alone");
    drop(held);
    let lock = File::open(&device.0).unwrap();
    lock.lock().unwrap();
    assert_refused(&image, &device.0, "is being written already");
    drop(lock);
    assert!(is_untouched(&file));
    // by another of its names
    let link = dir.path().join("by-id");
    std::os::unix::fs::symlink(&device.0, &link).unwrap();
    assert!(write(&image, &link).status.success());
}

const O_EXCL: i32 = 0o200;

#[test]
fn what_is_no_card_is_named() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 20, 7) else {
        return;
    };
    assert_refused(
        &image,
        Path::new("/dev/no-such-card"),
        "There is no card /dev/no-such-card",
    );
    assert_refused(&image, Path::new("/dev/null"), "neither a disk nor a file");
    assert_refused(&image, dir.path(), "neither a disk nor a file");
    assert_refused(&image, &dir.path().join("none/card.img"), "does not exist");
    // what `dd of=/dev/sdx` leaves behind when there is no sdx
    let left = Path::new("/dev/spinet-test-left");
    std::fs::write(left, "").unwrap();
    let output = write(&image, left);
    std::fs::remove_file(left).unwrap();
    assert_failed(&output, "an ordinary file where a device should be");
    // a reader whose card was taken out after it was listed: the name stays, without a size
    let Some(reader) = card(&dir.path().join("card"), 0) else {
        return;
    };
    assert_refused(&image, &reader.0, "There is no card in");
}
