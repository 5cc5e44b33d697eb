//! The card writer as a whole program, on real loop devices and card files.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const ROOT: u64 = 2 << 20;

fn spinet(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spinet"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn messages(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A card image: a boot record and an ext4 partition with some content, `mib` in all.
fn image(dir: &Path, name: &str, mib: u64, byte: u8) -> Option<PathBuf> {
    let root = dir.join(format!("{name}.root"));
    fs::create_dir(&root).unwrap();
    fs::write(
        root.join("content"),
        vec![byte; usize::try_from(mib / 3).unwrap() << 20],
    )
    .unwrap();
    let path = dir.join(name);
    let file = File::create(&path).unwrap();
    file.set_len(mib << 20).unwrap();
    let made = Command::new("/usr/sbin/mke2fs")
        .args([
            "-q",
            "-F",
            "-t",
            "ext4",
            "-E",
            &format!("offset={ROOT}"),
            "-d",
        ])
        .args([&root, &path])
        .arg(format!("{}k", (mib << 10) - ROOT / 1024))
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no mke2fs");
        return None;
    }
    let mut record = [0; 512];
    record[510..].copy_from_slice(&[0x55, 0xaa]);
    record[450] = 0x83;
    record[454..458].copy_from_slice(&u32::try_from(ROOT / 512).unwrap().to_le_bytes());
    record[458..462].copy_from_slice(
        &u32::try_from(((mib << 20) - ROOT) / 512)
            .unwrap()
            .to_le_bytes(),
    );
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&record, 0).unwrap();
    Some(path)
}

fn boots(card: &Path) -> bool {
    let mut record = [0; 512];
    File::open(card).unwrap().read_exact(&mut record).unwrap();
    record[510..] == [0x55, 0xaa]
}

/// What counts of a card: its file system is whole and holds the content of the image.
fn holds(card: &Path, fill: u8) -> bool {
    let device = format!("{}?offset={ROOT}", card.display());
    let fsck = Command::new("/usr/sbin/e2fsck")
        .args(["-f", "-n", &device])
        .output()
        .unwrap();
    let cat = Command::new("/usr/sbin/debugfs")
        .args(["-R", "cat /content", &device])
        .output()
        .unwrap();
    fsck.status.success() && !cat.stdout.is_empty() && cat.stdout.iter().all(|b| *b == fill)
}

/// A loop device that goes with the test.
struct Loop(PathBuf);

impl Loop {
    fn new(file: &Path) -> Option<Self> {
        let output = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(file)
            .output()
            .ok()?;
        if !output.status.success() {
            println!("skipped: no loop devices ({})", messages(&output).trim());
            return None;
        }
        Some(Self(String::from_utf8_lossy(&output.stdout).trim().into()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.0)
            .status();
    }
}

fn dirty(path: &Path, mib: usize) {
    fs::write(path, vec![0xa5; mib << 20]).unwrap();
}

#[test]
fn a_used_card_holds_the_image_and_nothing_that_matters_of_before() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 60, 7) else {
        return;
    };
    let file = dir.path().join("card");
    dirty(&file, 80);
    let Some(device) = Loop::new(&file) else {
        return;
    };
    let card = device.0.to_str().unwrap();
    let refused = spinet(&["card", "write", image.to_str().unwrap(), card, "--yes"]);
    assert!(
        messages(&refused).contains("--allow-fixed-disk"),
        "{}",
        messages(&refused)
    );
    let written = spinet(&[
        "card",
        "write",
        image.to_str().unwrap(),
        card,
        "--yes",
        "--allow-fixed-disk",
    ]);
    assert!(written.status.success(), "{}", messages(&written));
    assert!(boots(&file) && holds(&file, 7));
}

#[test]
fn a_card_that_is_mounted_too_small_or_taken_is_not_touched() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 60, 7) else {
        return;
    };
    let image = image.to_str().unwrap();
    let file = dir.path().join("card");
    dirty(&file, 20);
    let Some(device) = Loop::new(&file) else {
        return;
    };
    let write = |card: &str| spinet(&["card", "write", image, card, "--yes", "--allow-fixed-disk"]);
    let small = write(device.0.to_str().unwrap());
    assert!(
        messages(&small).contains("too small"),
        "{}",
        messages(&small)
    );
    assert_eq!(small.status.code(), Some(1));
    assert!(
        fs::read(&file).unwrap().iter().all(|b| *b == 0xa5),
        "the card was touched"
    );

    let taken = dir.path().join("taken.img");
    let held = File::create(&taken).unwrap();
    let lock = Command::new("flock")
        .arg(&taken)
        .args(["sleep", "5"])
        .spawn();
    let Ok(mut lock) = lock else { return };
    std::thread::sleep(Duration::from_millis(300));
    let busy = write(taken.to_str().unwrap());
    lock.kill().unwrap();
    lock.wait().unwrap();
    assert!(
        messages(&busy).contains("being written already"),
        "{}",
        messages(&busy)
    );
    assert_eq!(held.metadata().unwrap().len(), 0);

    let mount = dir.path().join("mount");
    fs::create_dir(&mount).unwrap();
    let ext4 = dir.path().join("ext4");
    File::create(&ext4).unwrap().set_len(80 << 20).unwrap();
    assert!(
        Command::new("/usr/sbin/mke2fs")
            .args(["-q", "-F"])
            .arg(&ext4)
            .status()
            .unwrap()
            .success()
    );
    let Some(mounted) = Loop::new(&ext4) else {
        return;
    };
    if Command::new("mount")
        .args([&mounted.0, &mount])
        .status()
        .is_ok_and(|s| s.success())
    {
        let refused = write(mounted.0.to_str().unwrap());
        let _ = Command::new("umount").arg(&mount).status();
        assert!(
            messages(&refused).contains("in use: mounted at"),
            "{}",
            messages(&refused)
        );
    }
}

#[test]
fn killed_at_any_moment_a_reflashed_card_boots_the_new_system_or_nothing() {
    let dir = TempDir::new().unwrap();
    let Some(old) = image(dir.path(), "old.img", 120, 1) else {
        return;
    };
    let Some(new) = image(dir.path(), "new.img", 120, 2) else {
        return;
    };
    let card = dir.path().join("card.img");
    let (mut cut, mut whole) = (0, 0);
    for round in 0..20_u64 {
        fs::copy(&old, &card).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_spinet"))
            .args([
                "card",
                "write",
                new.to_str().unwrap(),
                card.to_str().unwrap(),
                "--yes",
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .process_group_of_its_own()
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(40 + round * 17));
        // the whole group: the process with rights as well
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", child.id())])
            .status();
        child.wait().unwrap();
        if boots(&card) {
            let is_new = holds(&card, 2);
            assert!(
                is_new || (holds(&card, 1) && round < 5),
                "round {round}: the card boots something half-written"
            );
            whole += u32::from(is_new);
        } else {
            cut += 1;
        }
    }
    println!("{cut} cut, {whole} whole");
    assert!(cut > 0, "no run was cut in the middle");
}

#[test]
fn a_card_file_is_private_and_never_lies_in_a_work_tree() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 30, 3) else {
        return;
    };
    let image = image.to_str().unwrap();
    let card = dir.path().join("card.img");
    let written = spinet(&["card", "write", image, card.to_str().unwrap(), "--yes"]);
    assert!(written.status.success(), "{}", messages(&written));
    assert_eq!(card.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(boots(&card) && holds(&card, 3));

    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join(".git")).unwrap();
    let refused = spinet(&[
        "card",
        "write",
        image,
        tree.join("card.img").to_str().unwrap(),
        "--yes",
    ]);
    assert!(
        messages(&refused).contains("git work tree"),
        "{}",
        messages(&refused)
    );
    assert!(!tree.join("card.img").exists());
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_that_boots() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 60, 3) else {
        return;
    };
    let small = dir.path().join("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=10m", "tmpfs"])
        .arg(&small)
        .status();
    if !mounted.is_ok_and(|s| s.success()) {
        println!("skipped: cannot mount");
        return;
    }
    let card = small.join("card.img");
    let full = spinet(&[
        "card",
        "write",
        image.to_str().unwrap(),
        card.to_str().unwrap(),
        "--yes",
    ]);
    let bootable = boots(&card);
    let _ = Command::new("umount").arg(&small).status();
    assert_eq!(full.status.code(), Some(1));
    assert!(
        messages(&full).contains("no room left"),
        "{}",
        messages(&full)
    );
    assert!(!bootable);
}

trait OwnGroup {
    fn process_group_of_its_own(&mut self) -> &mut Self;
}

impl OwnGroup for Command {
    fn process_group_of_its_own(&mut self) -> &mut Self {
        std::os::unix::process::CommandExt::process_group(self, 0)
    }
}
