//! Cards that are not what they were, do not keep what they are given, or cannot be had without rights.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::page::Page;
use crate::programs::real;
use crate::rig::{Loop, Memory, card, compressed, dirty, find, image, set, with_a_worn_cell};

/// A file that goes with the test.
struct Litter(PathBuf);

impl Drop for Litter {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn write(image: &Path, card: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spinet"));
    command
        .args(["card", "write", "--allow-fixed-disk"])
        .args(more)
        .args([image, card]);
    command
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Another card in the same reader: larger than the one before.
fn replace_card(file: &Path, device: &Loop) -> String {
    let (file, device) = (file.display(), device.0.display());
    format!("truncate -s 40M {file} && losetup -c {device}")
}

#[test]
fn of_writing() {
    let dir = TempDir::with_prefix("spinet-errors.").unwrap();
    let at = |name: &str| dir.path().join(name);
    let Some(image) = image(dir.path(), "pi.img", 60, 7) else {
        return;
    };
    let mut page = Page::new(
        "writing",
        "Cards that are not what they were, and cards that fail.",
    );
    page.stands_for(dir.path(), "/home/anna");
    let Some(full) = Memory::new(&at("full"), "1m") else {
        return;
    };
    let backing = at("card");
    dirty(&backing, 80);
    fs::write(at("nothing"), "").unwrap();
    dirty(&at("worn"), 80);
    let failing = full.0.join("card");
    File::create(&failing).unwrap().set_len(80 << 20).unwrap();
    let files = [backing.clone(), at("nothing"), at("worn"), failing];
    // all at once: each has a number of its own
    let loops: Option<Vec<Loop>> = files.iter().map(|file| Loop::new(file)).collect();
    let Some([device, empty, worn, failing]) = loops.as_deref() else {
        return;
    };
    let mut named = [
        (device, "sda"),
        (empty, "sdb"),
        (worn, "sdc"),
        (failing, "sdd"),
    ];
    // no number is taken for the start of a longer one
    named.sort_by_key(|(device, _)| std::cmp::Reverse(device.name().len()));
    for (device, name) in named {
        page.replace(device.name(), name);
    }

    let litter = Litter(format!("/dev/spinet-errors-{}", std::process::id()).into());
    fs::write(&litter.0, "").unwrap();
    page.replace(litter.0.to_str().unwrap(), "/dev/sde");
    page.fails(
        "A file where a device should be",
        &mut write(&image, &litter.0, &["--yes"]),
    );
    drop(litter);
    page.fails(
        "A reader without a card",
        &mut write(&image, &empty.0, &["--yes"]),
    );

    let node = at("node");
    let number = fs::read_to_string(format!("/sys/block/{}/dev", device.name())).unwrap();
    let (major, minor) = number.trim().split_once(':').unwrap();
    // of a user whom the container does not know
    let owned = format!("mknod -m 0 \"$0\" b {major} {minor} && chown 65534 \"$0\"");
    if set("sh", &["-c", &owned, node.to_str().unwrap()]) {
        page.fails_behind(
            "A disk that a container was not given",
            &["unshare", "--user", "--map-root-user"],
            &write(&image, &node, &["--yes"]),
        );
    }

    // what is listed is another card than the one that is opened then
    let bin = at("bin");
    fs::create_dir(&bin).unwrap();
    let replaced = replace_card(&backing, device);
    let path = std::env::var("PATH").unwrap();
    program(
        &bin.join("lsblk"),
        &format!("#!/bin/sh\nPATH='{path}'\nlsblk \"$@\"\n{replaced}\n"),
    );
    let path = format!("{}:{path}", bin.display());
    page.fails(
        "A card that is replaced while it is looked at",
        write(&image, &device.0, &["--yes"]).env("PATH", path),
    );
    File::options()
        .write(true)
        .open(&backing)
        .unwrap()
        .set_len(80 << 20)
        .unwrap();
    assert!(set("losetup", &["-c", device.0.to_str().unwrap()]));
    page.fails_while(
        "A card that is replaced before its name is typed",
        &write(&image, &device.0, &[]),
        |terminal| {
            terminal.wait_for("Type its name to go on:");
            assert!(set("sh", &["-c", &replaced]));
            terminal.answer(device.name());
        },
    );
    of_bad_cells(&image, &at("worn"), worn, &mut page);
    page.fails(
        "A card that fails",
        &mut write(&image, &failing.0, &["--yes"]),
    );
    page.compare();
}

/// A card one of whose cells takes what is written, and soon after it is something else.
fn of_bad_cells(image: &Path, backing: &Path, device: &Loop, page: &mut Page) {
    let place = find(image, 7).unwrap();
    page.replace(&format!("byte {place}"), "byte 4096");
    with_a_worn_cell(backing, place + 100, 7, || {
        page.fails(
            "A card that does not keep what is written",
            &mut write(image, &device.0, &["--yes"]),
        );
    });
}

#[test]
fn of_rights() {
    let dir = TempDir::with_prefix("spinet-errors.").unwrap();
    let at = |name: &str| dir.path().join(name);
    let Some(image) = image(dir.path(), "pi.img", 20, 7) else {
        return;
    };
    let mut page = Page::new("rights", "Rights that are not there.");
    page.stands_for(dir.path(), "/home/anna");
    let Some(device) = card(&at("card"), 30) else {
        return;
    };
    page.replace(device.0.to_str().unwrap(), "/dev/sda");
    if !set("unshare", &["--user", "true"]) {
        return;
    }
    let bin = at("bin");
    fs::create_dir(&bin).unwrap();
    // somebody without any rights, also where PATH has nothing
    let unshare = real("unshare").unwrap();
    let nobody = [unshare.to_str().unwrap(), "--user"];
    let mut by_nobody = |title: &str| {
        let mut command = write(&image, &device.0, &["--yes"]);
        command.env("PATH", &bin);
        page.fails_behind(title, &nobody, &command);
    };
    by_nobody("No way to become root");
    let sudo = |text: &str| program(&bin.join("sudo"), &format!("#!/bin/sh\n{text}\n"));
    sudo(
        "echo 'sudo: a terminal is required to read the password; either use ssh'\\''s -t option or configure an askpass helper' >&2\necho 'sudo: a password is required' >&2\nexit 1",
    );
    by_nobody("A sudo that cannot ask");
    sudo("echo 'Welcome to verdi.'");
    by_nobody("A sudo that greets");
    let closed = at("closed.img");
    fs::copy(&image, &closed).unwrap();
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
    page.fails_behind(
        "An image of somebody else",
        &nobody,
        &write(&closed, &at("own.img"), &["--yes"]),
    );
    page.fails(
        "An image in a file",
        &mut write(&image.join("pi.img"), &at("own.img"), &["--yes"]),
    );
    // a boot record that names no partition, in a file that does not tell its length
    let mut record = vec![0; 1 << 20];
    record[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(at("stream.img"), record).unwrap();
    let packed = compressed(&at("stream.img"));
    let stream = zstd::stream::encode_all(&fs::read(at("stream.img")).unwrap()[..], 3).unwrap();
    fs::write(&packed, stream).unwrap();
    page.fails(
        "A compressed image that does not tell its size",
        &mut write(&packed, &at("own.img"), &["--yes"]),
    );
    page.compare();
}
