//! Images and cards that cannot be used: card files, and disks as loop devices.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::page::Page;
use crate::rig::{Loop, Memory, compressed, dirty, image, set};

fn write(dir: &TempDir, args: &[&Path]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spinet"));
    command
        .args(["card", "write"])
        .args(args)
        .current_dir(dir)
        .env("HOME", dir.path())
        .stdin(Stdio::null());
    command
}

#[test]
fn of_images() {
    let dir = TempDir::with_prefix("spinet-errors.").unwrap();
    let at = |name: &str| dir.path().join(name);
    let Some(whole) = image(dir.path(), "pi.img", 20, 7) else {
        return;
    };
    let mut page = Page::new("images", "Images, and files to write them into.");
    page.stands_for(dir.path(), "/home/anna");
    let card = at("card.img");
    let mut fails = |title: &str, image: &str| {
        let words = [Path::new("--yes"), Path::new(image), Path::new("card.img")];
        page.fails(title, &mut write(&dir, &words));
        let _ = fs::remove_file(&card);
    };
    fails("An image that is not there", "pie.img");
    fs::write(at("notes.img"), "tea for two\n".repeat(100)).unwrap();
    fails("A file that is no image", "notes.img");
    fs::write(at("empty.img"), "").unwrap();
    fails("An empty file", "empty.img");
    let bytes = fs::read(&whole).unwrap();
    fs::write(at("cut.img"), &bytes[..bytes.len() / 2]).unwrap();
    fails("An image that is cut short", "cut.img");
    fs::create_dir(at("result")).unwrap();
    fails("A folder without an image", "result");
    for name in ["a.img", "b.img"] {
        fs::copy(&whole, at("result").join(name)).unwrap();
    }
    fails("A folder with two", "result");
    fails("No file at all", "/dev/null");
    let packed = compressed(&whole);
    let bytes = fs::read(&packed).unwrap();
    fs::write(at("cut.img.zst"), &bytes[..bytes.len() - 9]).unwrap();
    fails("A compressed image that is cut short", "cut.img.zst");
    fs::write(at("plain.img.zst"), fs::read(&whole).unwrap()).unwrap();
    fails("A compressed image that is none", "plain.img.zst");

    let mut to = |title: &str, card: &str, more: &[&str]| {
        let words: Vec<&Path> = more
            .iter()
            .copied()
            .chain(["pi.img", card])
            .map(Path::new)
            .collect();
        page.fails(title, &mut write(&dir, &words));
    };
    fs::create_dir_all(at("flake/.git")).unwrap();
    to(
        "A card file in a git work tree",
        "flake/card.img",
        &["--yes"],
    );
    to(
        "A card file in a folder that is not there",
        "cards/bach.img",
        &["--yes"],
    );
    std::os::unix::fs::symlink("elsewhere", at("link.img")).unwrap();
    to("A link in the place of a card file", "link.img", &["--yes"]);
    to("A folder in the place of a card file", "flake", &["--yes"]);
    to("A device that is not there", "/dev/sdzz", &["--yes"]);
    to("A device that is no disk", "/dev/null", &["--yes"]);
    fs::write(at("old.img"), "old").unwrap();
    to(
        "A card file with something in it, and no terminal",
        "old.img",
        &[],
    );
    let held = File::options().append(true).open(at("old.img")).unwrap();
    held.lock().unwrap();
    to("A card file that is being written", "old.img", &["--yes"]);
    page.compare();
}

#[test]
fn of_disks() {
    let dir = TempDir::with_prefix("spinet-errors.").unwrap();
    let at = |name: &str| dir.path().join(name);
    let Some(image) = image(dir.path(), "pi.img", 20, 7) else {
        return;
    };
    dirty(&at("small"), 10);
    let table = "label: dos\\nstart=1M,size=20M,type=83\\n";
    dirty(&at("card"), 30);
    let script = format!("printf '{table}' | sfdisk -q {}", at("card").display());
    if !set("sh", &["-c", &script]) {
        return;
    }
    let (Some(small), Some(card)) = (Loop::new(&at("small")), Loop::new(&at("card"))) else {
        return;
    };
    let Some(memory) = Memory::new(&at("full"), "8m") else {
        return;
    };
    let disk = card.0.to_str().unwrap();
    let first = format!("{disk}p1");
    if !Path::new(&first).exists() && !set("partx", &["--add", disk]) {
        return;
    }
    let mut page = Page::new(
        "disks",
        "Disks that are not written. The confirmation shows what is on them.",
    );
    page.stands_for(dir.path(), "/home/anna");
    page.replace(small.0.to_str().unwrap(), "/dev/sdb");
    page.replace(card.0.to_str().unwrap(), "/dev/sda");
    page.replace(card.name(), "sda");
    let words = |more: &[&str], card: &Path| -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spinet"));
        command
            .args(["card", "write"])
            .args(more)
            .args([&image, card])
            .stdin(Stdio::null());
        command
    };
    let insist = ["--yes", "--allow-fixed-disk"];
    page.fails(
        "A disk that is none of the kinds cards are",
        &mut words(&["--yes"], &card.0),
    );
    page.fails(
        "No yes, and no terminal",
        &mut words(&["--allow-fixed-disk"], &card.0),
    );
    page.fails("A disk that is too small", &mut words(&insist, &small.0));
    page.fails(
        "No room for a card file",
        &mut words(&["--yes"], &memory.0.join("card.img")),
    );
    let held = File::options()
        .read(true)
        .custom_flags(0o200)
        .open(&card.0)
        .unwrap();
    page.fails(
        "A disk that another program holds",
        &mut words(&insist, &card.0),
    );
    drop(held);
    {
        let read_only = Loop::with(&at("small"), &["--read-only"]).unwrap();
        page.replace(read_only.0.to_str().unwrap(), "/dev/sdc");
        page.fails(
            "A disk that is read-only",
            &mut words(&insist, &read_only.0),
        );
    }
    let mount = at("mount");
    fs::create_dir(&mount).unwrap();
    if set("mkfs.ext4", &["-q", "-L", "NIXOS_SD", &first]) {
        // what udev notes of it, where there is none
        let number = fs::read_to_string(format!("/sys/class/block/{}p1/dev", card.name()));
        let note = format!("/run/udev/data/b{}", number.unwrap().trim());
        fs::create_dir_all("/run/udev/data").unwrap();
        fs::write(
            &note,
            "I:1\nE:ID_FS_TYPE=ext4\nE:ID_FS_LABEL_ENC=NIXOS_SD\n",
        )
        .unwrap();
        page.fails(
            "A disk with a file system, and no terminal",
            &mut words(&["--allow-fixed-disk"], &card.0),
        );
        page.fails_at_terminal(
            "The same, and another name is typed",
            &words(&["--allow-fixed-disk"], &card.0),
            &[("Type its name to go on:", "sdb")],
        );
        page.fails("A partition", &mut words(&insist, Path::new(&first)));
        assert!(set("mount", &[&first, mount.to_str().unwrap()]));
        page.fails("A disk that is mounted", &mut words(&insist, &card.0));
        page.fails(
            "The same, as a plan",
            &mut words(&["--plan", "--allow-fixed-disk"], &card.0),
        );
        assert!(set("umount", &[&first]));
        fs::remove_file(note).unwrap();
    }
    let _ = Command::new("partx").args(["--delete", disk]).output();
    page.compare();
}
