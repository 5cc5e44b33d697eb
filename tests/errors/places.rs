//! Places that cannot be written or hold something else than they should, and disks that are full.

use std::fs;
use std::process::Stdio;

use crate::page::Page;
use crate::rig::Memory;
use crate::secrets::folder;

#[test]
fn of_places() {
    let Some(folder) = folder() else { return };
    let mut page = Page::of(
        "places",
        "Places that cannot be written, and programs that are missing.",
        &folder,
    );
    let orff = folder.fingerprint("orff");
    folder.simple_rules(&[("wifi.age", &["admin", "byrd", "orff"])]);
    let rekey = ["secrets", "rekey", "--accept-recipient", &orff];
    let spinet = |args: &[&str]| {
        let mut command = folder.spinet(args);
        command.stdin(Stdio::null());
        command
    };
    page.fails(
        "No home and no state folder",
        spinet(&rekey)
            .env_remove("HOME")
            .env_remove("XDG_STATE_HOME")
            .arg("-i")
            .arg(folder.private("admin")),
    );
    page.fails(
        "A state folder that cannot be made",
        spinet(&rekey).env("XDG_STATE_HOME", "/dev/null"),
    );
    page.fails(
        "No nix on PATH",
        spinet(&["secrets", "list"]).env("PATH", folder.beside("bin")),
    );
    page.fails(
        "A full disk for the result",
        spinet(&["secrets", "list"])
            .stdout(fs::File::options().write(true).open("/dev/full").unwrap()),
    );
    let history = folder.state();
    fs::create_dir_all(&history).unwrap();
    fs::write(history.join("replace.json"), "{").unwrap();
    page.fails(
        "A note of a killed run that is damaged",
        &mut spinet(&rekey),
    );
    fs::remove_file(history.join("replace.json")).unwrap();
    let held = fs::File::create(history.join("replace.lock")).unwrap();
    held.lock().unwrap();
    page.fails("Another run at work on the secrets", &mut spinet(&rekey));
    drop(held);
    let held = fs::File::create(history.join("history.jsonl.lock")).unwrap();
    held.lock().unwrap();
    page.warns("Another run that keeps the history", &mut spinet(&rekey));
    drop(held);
    let _ = fs::remove_file(history.join("history.jsonl"));
    fs::write(history.join("history.jsonl"), "{\n").unwrap();
    page.warns("A history that is damaged", &mut spinet(&["log"]));
    fs::remove_file(history.join("history.jsonl")).unwrap();
    fs::create_dir_all(history.join("history.jsonl")).unwrap();
    page.warns(
        "A history that cannot be written",
        spinet(&rekey).arg("--all"),
    );
    page.fails("The same, to be read", &mut spinet(&["log"]));
    page.compare();
}

#[test]
fn of_full_disks() {
    let Some(folder) = folder() else { return };
    let Some(memory) = Memory::new(&folder.path("full"), "64k") else {
        return;
    };
    let mut page = Page::of("full", "Disks with no room left.", &folder);
    for file in ["secrets.nix", "wifi.age"] {
        fs::copy(folder.path(file), memory.0.join(file)).unwrap();
    }
    // up to the last byte
    let _ = fs::write(memory.0.join("filler"), vec![0; 64 << 10]);
    let within = |args: &[&str]| {
        let mut command = folder.spinet(args);
        command.current_dir(&memory.0).stdin(Stdio::null());
        command
    };
    page.fails(
        "No room for a secret",
        &mut within(&["secrets", "rekey", "--all"]),
    );
    page.fails(
        "No room for the state",
        within(&["secrets", "rekey", "--all"]).env("XDG_STATE_HOME", &memory.0),
    );
    page.compare();
}
