//! `spinet secrets rekey`.

use std::fs;
use std::process::{Command, Stdio};

use super::folder::{Done, Folder};
use super::terminal::Terminal;

/// Two stale files that the admin can decrypt, and one that is right.
fn stale() -> Option<Folder> {
    let folder = Folder::new()?;
    folder.simple_rules(&[
        ("a.age", &["admin", "orff"]),
        ("b.age", &["admin", "byrd"]),
        ("c.age", &["admin", "orff"]),
    ]);
    folder.encrypt("a.age", "A", &["admin"]);
    folder.encrypt("b.age", "B", &["admin", "byrd"]);
    folder.encrypt("c.age", "C", &["admin", "byrd"]);
    Some(folder)
}

#[test]
fn only_what_must_be_is_encrypted_again() {
    let Some(folder) = stale() else { return };
    let before = folder.files();
    let orff = folder.fingerprint("orff");
    folder
        .run(&["secrets", "rekey", "--plan"])
        .expect(0, &["a.age: for admin, orff (new: orff)", "c.age"]);
    assert_eq!(folder.files(), before);
    let done = folder
        .run(&["secrets", "rekey", "--accept-recipient", &orff])
        .expect(0, &["rekeyed a.age", "rekeyed c.age"]);
    assert!(!done.err.contains("b.age"));
    let after = folder.files();
    assert_eq!(after[&folder.path("b.age")], before[&folder.path("b.age")]);
    assert_eq!(after.len(), before.len());
    assert_eq!(folder.decrypt("a.age", "orff").as_deref(), Some("A"));
    assert_eq!(folder.decrypt("c.age", "orff").as_deref(), Some("C"));
    assert_eq!(folder.decrypt("c.age", "byrd"), None);

    // nothing to do needs no key at all
    fs::remove_file(folder.home(".ssh/id_ed25519")).unwrap();
    folder
        .run(&["secrets", "rekey"])
        .expect(0, &["Every file is right already."]);
    assert_eq!(folder.files(), after);
}

#[test]
fn files_can_be_named_and_right_ones_asked_for() {
    let Some(folder) = stale() else { return };
    let before = folder.files();
    let orff = folder.fingerprint("orff");
    folder
        .run(&["secrets", "rekey", "./a.age", "--accept-recipient", &orff])
        .expect(0, &[]);
    let after = folder.files();
    assert_eq!(after[&folder.path("c.age")], before[&folder.path("c.age")]);
    folder
        .run(&["secrets", "rekey", "b.age", "--all"])
        .expect(0, &["rekeyed b.age"]);
    assert_ne!(
        folder.files()[&folder.path("b.age")],
        before[&folder.path("b.age")]
    );
    folder
        .run(&["secrets", "rekey", "d.age"])
        .expect(2, &["no rule for d.age", "a.age, b.age, c.age"]);
    fs::remove_file(folder.path("b.age")).unwrap();
    folder
        .run(&["secrets", "rekey", "b.age"])
        .expect(1, &["b.age has a rule but no file"]);
    let json = folder
        .run(&["--json", "secrets", "rekey", "--plan"])
        .expect(0, &[]);
    assert_eq!(json.out.trim(), r#"{"done":false,"files":["c.age"]}"#);
}

#[test]
fn a_new_recipient_is_shown_and_confirmed() {
    let Some(folder) = stale() else { return };
    let before = folder.files();
    let (orff, byrd) = (folder.fingerprint("orff"), folder.fingerprint("byrd"));
    folder
        .run(&["secrets", "rekey", "--yes"])
        .expect(1, &["orff", &orff, "a.age, c.age", "--accept-recipient"]);
    folder
        .run(&["secrets", "rekey", "--accept-recipient", &byrd])
        .expect(1, &[&orff]);
    let mut terminal = Terminal::start(&folder.spinet(&["secrets", "rekey"]));
    terminal
        .wait_for("Let orff read them? Type yes:")
        .answer("no");
    let (code, screen) = terminal.end();
    assert!(code == Some(1) && screen.contains("orff was not accepted; nothing was rekeyed."));
    assert_eq!(folder.files(), before);
    let mut terminal = Terminal::start(&folder.spinet(&["secrets", "rekey"]));
    terminal.wait_for("Type yes:").answer("yes");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(folder.decrypt("a.age", "orff").as_deref(), Some("A"));
}

#[test]
fn a_full_disk_leaves_all_as_they_were() {
    let Some(folder) = stale() else { return };
    // big enough for the files as they are, and no more
    let small = folder.beside("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=32k", "spinet-test"])
        .arg(&small)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: mounting needs root");
        return;
    }
    folder.encrypt("a.age", &"A".repeat(9000), &["admin"]);
    for name in ["secrets.nix", "a.age", "b.age", "c.age"] {
        fs::copy(folder.path(name), small.join(name)).unwrap();
    }
    let before: Vec<_> = ["a.age", "c.age"]
        .map(|name| fs::read(small.join(name)).unwrap())
        .into();
    let orff = folder.fingerprint("orff");
    let mut rekey = folder.spinet(&["secrets", "rekey", "--accept-recipient", &orff]);
    let done = Done::of(rekey.current_dir(&small).stdin(Stdio::null()));
    let left: Vec<_> = small
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let after: Vec<_> = ["a.age", "c.age"]
        .map(|name| fs::read(small.join(name)).unwrap())
        .into();
    let unmounted = Command::new("umount").arg(&small).status().unwrap();
    assert!(unmounted.success());
    done.expect(1, &["Nothing could be written beside", "Make room"]);
    assert_eq!(left.len(), 4, "{left:?}");
    assert_eq!(after, before);
}

#[test]
fn two_runs_at_once_end_well() {
    let Some(folder) = Folder::new() else { return };
    let names: Vec<String> = (0..200).map(|i| format!("{i}.age")).collect();
    let files: Vec<(&str, &[&str])> = names
        .iter()
        .map(|name| (name.as_str(), &["admin", "orff"][..]))
        .collect();
    folder.simple_rules(&files);
    for name in &names {
        folder.encrypt(name, name, &["admin"]);
    }
    let orff = folder.fingerprint("orff");
    let start = || {
        let mut command = folder.spinet(&["secrets", "rekey", "--accept-recipient", &orff]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let runs = [start(), start(), start()];
    let mut done = 0;
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        if output.status.success() {
            done += 1;
        } else {
            assert!(
                said.contains("Another spinet is changing")
                    || said.contains("changed by somebody else"),
                "{said}"
            );
        }
    }
    assert!(done > 0);
    for name in &names {
        assert_eq!(folder.decrypt(name, "orff").as_deref(), Some(name.as_str()));
    }
    assert_eq!(folder.files().len(), names.len() + 1);
}
