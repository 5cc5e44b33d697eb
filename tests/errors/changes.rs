//! Changes of secrets and rules that come to nothing: somebody else was there, or the rules cannot be changed so.

use std::fs;
use std::process::Stdio;

use crate::page::{Page, mounting};
use crate::rig::{Loop, Memory, set};
use crate::secrets::folder;

#[test]
fn of_changes() {
    let Some(folder) = folder() else { return };
    let mut page = Page::of(
        "changes",
        "Changes of secrets and rules that come to nothing.",
        &folder,
    );
    let spinet = |args: &[&str]| {
        let mut command = folder.spinet(args);
        command.stdin(Stdio::null());
        command
    };
    let edit = ["secrets", "edit", "wifi.age"];
    let other = folder.beside("other.age");
    fs::copy(folder.path("wifi.age"), &other).unwrap();
    folder.encrypt("wifi.age", "coffee", &["admin", "byrd"]);
    folder.program(
        "editor",
        &format!(
            "#!/bin/sh\necho milk >\"$1\"\ncp {} {}\n",
            other.display(),
            folder.path("wifi.age").display()
        ),
    );
    page.fails_at_terminal(
        "A secret that somebody else changes meanwhile",
        folder.spinet(&edit).env("EDITOR", "editor"),
        &[],
    );
    folder.program("editor", "#!/bin/sh\necho milk >\"$1\"\n");
    let mut without_memory = folder.spinet(&edit);
    without_memory.env("EDITOR", "editor");
    let disk = folder.beside("tmp").display().to_string();
    let script = format!(
        "for place in /dev/shm /run/shm; do [ ! -d $place ] || mount --bind {disk} $place; done; exec \"$@\""
    );
    page.fails_while_behind(
        "No place in memory",
        &mounting(&script),
        &without_memory,
        |_| (),
    );
    // a file that something is mounted on keeps its name
    folder.simple_rules(&[("token.age", &["admin"]), ("wifi.age", &["admin", "byrd"])]);
    folder.encrypt("token.age", "42", &["admin"]);
    let file = folder.path("wifi.age").display().to_string();
    let script = format!("mount --bind {file} {file}; exec \"$@\"");
    page.fails_behind(
        "A secret that something is mounted on",
        &mounting(&script),
        &folder.spinet(&["secrets", "rekey", "--all"]),
    );

    folder.rules("{ }\n");
    page.fails_at_terminal(
        "Rules without any key",
        folder
            .spinet(&["secrets", "edit", "new.age"])
            .env("EDITOR", "editor"),
        &[],
    );
    let new = ["secrets", "edit", "new.age", "--from", "/dev/null", "--yes"];
    page.fails(
        "Rules without any key, and a name",
        spinet(&new).args(["--recipient", "byrd"]),
    );
    folder.rules(
        "let\n  unused = import ./unused.nix;\nin\n{\n  \"wifi.age\".publicKeys = [ \"@admin@\" \"@byrd@\" ];\n}\n",
    );
    fs::write(folder.path("unused.nix"), "{ admin = }\n").unwrap();
    let orff = folder.public("orff");
    let enroll = [
        "host",
        "enroll",
        "byrd",
        "--no-rekey",
        "--key",
        &orff,
        "--old-key",
        &folder.public("byrd"),
    ];
    page.fails("A file of the rules that is no Nix", &mut spinet(&enroll));
    fs::remove_file(folder.path("unused.nix")).unwrap();
    let byrd = folder.public("byrd");
    let (begin, end) = byrd.split_at(50);
    folder.rules(&format!(
        "let\n  byrd = \"{begin}\" + \"{end}\";\nin\n{{\n  \"wifi.age\".publicKeys = [ byrd ];\n}}\n"
    ));
    page.replace(begin, "AAAA");
    page.replace(end, "..byrd");
    page.fails("A key that is written in two parts", &mut spinet(&enroll));
    page.compare();
}

#[test]
fn of_failing_disks() {
    let Some(folder) = folder() else { return };
    let Some(memory) = Memory::new(&folder.beside("memory"), "12m") else {
        return;
    };
    let disk = memory.0.join("disk");
    fs::File::create(&disk).unwrap().set_len(64 << 20).unwrap();
    let place = folder.path("disk").display().to_string();
    fs::create_dir(&place).unwrap();
    let Some(device) = Loop::new(&disk) else {
        return;
    };
    let device = device.0.to_str().unwrap();
    // no journal: with one the whole file system would stop at the first error
    if !set("mkfs.ext4", &["-q", "-O", "^has_journal", device]) || !set("mount", &[device, &place])
    {
        return;
    }
    let mounted = Mounted(place.clone().into());
    let mut page = Page::of(
        "failing-disk",
        "A disk that fails while secrets are written.",
        &folder,
    );
    // the kernel hands on the one or the other, by the moment at which a block is missed
    page.replace(
        "Input/output error (os error 5)",
        "No space left on device (os error 28)",
    );
    let names: Vec<String> = (0..20).map(|number| format!("s{number}.age")).collect();
    let rules: Vec<(&str, &[&str])> = names
        .iter()
        .map(|name| (name.as_str(), &["admin"][..]))
        .collect();
    folder.simple_rules(&rules);
    fs::copy(folder.path("secrets.nix"), folder.path("disk/secrets.nix")).unwrap();
    let content = "tea for two ".repeat(16 << 10);
    for name in &names {
        folder.encrypt(&format!("disk/{name}"), &content, &["admin"]);
    }
    assert!(set("sync", &["-f", &place]));
    // no block is left below
    let _ = fs::write(memory.0.join("filler"), vec![0; 12 << 20]);
    let mut rekey = folder.spinet(&["secrets", "rekey", "--all"]);
    rekey.current_dir(&place).stdin(Stdio::null());
    page.fails("Blocks that are not written", &mut rekey);
    drop(mounted);
    page.compare();
}

/// Unmounts a file system.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}
