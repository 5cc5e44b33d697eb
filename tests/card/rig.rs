//! Images, cards, and what is on them.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Where the root file system begins.
pub const ROOT: u64 = 2 << 20;

/// `spinet card write --yes` with everything else allowed.
pub fn write_command(image: &Path, card: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spinet"));
    command
        .args(["card", "write", "--yes", "--allow-fixed-disk"])
        .args([image, card])
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

pub fn write(image: &Path, card: &Path) -> Output {
    write_command(image, card).output().unwrap()
}

pub fn messages(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The run failed, and said so with these words.
pub fn assert_failed(output: &Output, words: &str) {
    let said = messages(output);
    assert!(said.contains(words), "{words:?} is not in: {said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

pub fn assert_written(output: &Output) {
    assert!(output.status.success(), "{}", messages(output));
}

/// A card image: a boot record and an ext4 partition with some content, `mib` in all.
pub fn image(dir: &Path, name: &str, mib: u64, byte: u8) -> Option<PathBuf> {
    let root = dir.join(format!("{name}.root"));
    fs::create_dir(&root).unwrap();
    fs::write(
        root.join("content"),
        vec![byte; usize::try_from(mib / 3).unwrap() << 20],
    )
    .unwrap();
    let path = dir.join(name);
    File::create(&path).unwrap().set_len(mib << 20).unwrap();
    let made = Command::new(tool("mke2fs"))
        .args(["-q", "-F", "-t", "ext4", "-E"])
        .arg(format!("offset={ROOT}"))
        .arg("-d")
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
    let sectors = |bytes: u64| u32::try_from(bytes / 512).unwrap().to_le_bytes();
    record[454..458].copy_from_slice(&sectors(ROOT));
    record[458..462].copy_from_slice(&sectors((mib << 20) - ROOT));
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&record, 0).unwrap();
    Some(path)
}

/// The image as nixpkgs compresses it, beside it.
pub fn compressed(image: &Path) -> PathBuf {
    let path = image.with_extension("img.zst");
    let mut encoder = zstd::Encoder::new(File::create(&path).unwrap(), 3).unwrap();
    encoder
        .set_pledged_src_size(Some(image.metadata().unwrap().len()))
        .unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::copy(&mut File::open(image).unwrap(), &mut encoder).unwrap();
    encoder.finish().unwrap();
    path
}

pub fn boots(card: &Path) -> bool {
    let mut record = [0; 512];
    File::open(card).unwrap().read_exact(&mut record).unwrap();
    record[510..] == [0x55, 0xaa]
}

/// What counts of a card: its file system is whole and holds the content of the image.
pub fn holds(card: &Path, fill: u8) -> bool {
    let device = format!("{}?offset={ROOT}", card.display());
    let fsck = Command::new(tool("e2fsck"))
        .args(["-f", "-n", &device])
        .output()
        .unwrap();
    let cat = Command::new(tool("debugfs"))
        .args(["-R", "cat /content", &device])
        .output()
        .unwrap();
    fsck.status.success() && !cat.stdout.is_empty() && cat.stdout.iter().all(|b| *b == fill)
}

/// A used card: full of what no image holds.
pub fn dirty(path: &Path, mib: usize) {
    fs::write(path, vec![DIRT; mib << 20]).unwrap();
}

pub const DIRT: u8 = 0xa5;

pub fn is_untouched(path: &Path) -> bool {
    fs::read(path).unwrap().iter().all(|byte| *byte == DIRT)
}

/// A loop device that goes with the test.
pub struct Loop(pub PathBuf);

impl Loop {
    pub fn new(file: &Path) -> Option<Self> {
        Self::with(file, &[])
    }

    pub fn with(file: &Path, options: &[&str]) -> Option<Self> {
        let output = Command::new("losetup")
            .args(["--find", "--show"])
            .args(options)
            .arg(file)
            .output()
            .ok()?;
        if !output.status.success() {
            println!("skipped: no loop devices ({})", messages(&output).trim());
            return None;
        }
        let device = Self(String::from_utf8_lossy(&output.stdout).trim().into());
        // partitions that stayed when the number was another's
        let _ = Command::new("partx")
            .arg("--delete")
            .arg(&device.0)
            .output();
        Some(device)
    }

    pub fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
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

/// A used card in a loop device.
pub fn card(file: &Path, mib: usize) -> Option<Loop> {
    dirty(file, mib);
    Loop::new(file)
}

/// Runs a command that takes part in setting a scene; false where this machine cannot do it.
pub fn set(program: &str, args: &[&str]) -> bool {
    let done = Command::new(tool(program)).args(args).output();
    let fine = done.as_ref().is_ok_and(|output| output.status.success());
    if !fine {
        println!("skipped: {program} {args:?}: {done:?}");
    }
    fine
}

fn tool(name: &str) -> PathBuf {
    ["/usr/sbin", "/sbin"]
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| name.into())
}

/// A file system in memory that goes with the test.
pub struct Memory(pub PathBuf);

impl Memory {
    pub fn new(dir: &Path, size: &str) -> Option<Self> {
        fs::create_dir(dir).unwrap();
        let size = format!("size={size}");
        set(
            "mount",
            &["-t", "tmpfs", "-o", &size, "tmpfs", dir.to_str().unwrap()],
        )
        .then(|| Self(dir.to_owned()))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Where a block of the content lies.
pub fn find(card: &Path, fill: u8) -> Option<u64> {
    let card = File::open(card).ok()?;
    let mut block = [0; 4096];
    (1..card.metadata().ok()?.len() >> 20)
        .map(|mib| mib << 20)
        .find(|at| card.read_exact_at(&mut block, *at).is_ok() && block == [fill; 4096])
}

/// Runs what writes a card while one of its cells takes the byte `written`, and soon after it holds another.
pub fn with_a_worn_cell<T>(backing: &Path, at: u64, written: u8, write: impl FnOnce() -> T) -> T {
    let (stop, flipped) = (AtomicBool::new(false), AtomicBool::new(false));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let cell = File::options()
                .read(true)
                .write(true)
                .open(backing)
                .unwrap();
            let mut byte = [0];
            while !stop.load(Ordering::Relaxed) {
                cell.read_exact_at(&mut byte, at).unwrap();
                if byte == [written] {
                    cell.write_all_at(&[written ^ 16], at).unwrap();
                    flipped.store(true, Ordering::Relaxed);
                }
                std::thread::yield_now();
            }
        });
        let result = write();
        stop.store(true, Ordering::Relaxed);
        result
    });
    assert!(flipped.load(Ordering::Relaxed), "the cell never held it");
    result
}
