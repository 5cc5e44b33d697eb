//! `spinet secrets edit`, `show` and `generate`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::folder::Folder;
use super::terminal::Terminal;

fn one_secret() -> Option<Folder> {
    let folder = Folder::new()?;
    folder.simple_rules(&[
        ("a.age", &["admin", "byrd"]),
        ("new.age", &["admin", "orff"]),
    ]);
    folder.encrypt("a.age", "A\n", &["admin", "byrd"]);
    Some(folder)
}

#[test]
fn the_editor_is_the_users_and_an_unchanged_file_is_left_alone() {
    let Some(folder) = one_secret() else { return };
    let before = folder.files();
    folder.program("look", "#!/bin/sh\ncat \"$1\"\n");
    folder.program("append", "#!/bin/sh\nprintf '%s\\n' \"$1\" >>\"$2\"\n");
    let mut edit = folder.spinet(&["secrets", "edit", "a.age"]);
    edit.env("EDITOR", "false").env("VISUAL", "look");
    let (code, screen) = Terminal::start(&edit).end();
    assert!(
        code == Some(0) && screen.contains("a.age is as it was; nothing was written."),
        "{screen}"
    );
    assert_eq!(folder.files(), before);

    // a command with an argument of its own
    let edit = folder.spinet(&["secrets", "edit", "a.age", "--editor", "append 'two words'"]);
    let (code, screen) = Terminal::start(&edit).end();
    assert!(
        code == Some(0) && screen.contains("changed a.age for admin, byrd"),
        "{screen}"
    );
    assert_eq!(
        folder.decrypt("a.age", "byrd").as_deref(),
        Some("A\ntwo words\n")
    );
    let (code, screen) = Terminal::start(&folder.spinet(&["secrets", "edit", "a.age"])).end();
    assert!(
        code == Some(2) && screen.contains("Which editor?"),
        "{screen}"
    );
    assert_eq!(folder.memory().read_dir().unwrap().count(), 0);
}

#[test]
fn content_can_come_from_a_file_and_an_empty_one_is_asked_about() {
    let Some(folder) = one_secret() else { return };
    fs::write(folder.home("content"), [0, 159, 146, 150]).unwrap();
    let from = folder.home("content");
    folder
        .run(&["secrets", "edit", "a.age", "--from", from.to_str().unwrap()])
        .expect(0, &[]);
    let shown = folder
        .spinet(&["secrets", "show", "a.age"])
        .output()
        .unwrap();
    assert_eq!(shown.stdout, [0, 159, 146, 150]);
    let before = folder.files();
    folder
        .run(&["secrets", "edit", "a.age", "--from", "-"])
        .expect(1, &["would be empty", "--yes"]);
    folder
        .run(&["secrets", "edit", "a.age", "--from", "/none"])
        .expect(1, &["/none"]);
    assert_eq!(folder.files(), before);
    folder.program("empty", "#!/bin/sh\n: >\"$1\"\n");
    let edit = folder.spinet(&["secrets", "edit", "a.age", "--editor", "empty"]);
    let mut terminal = Terminal::start(&edit);
    terminal
        .wait_for("a.age would be empty. Write it all the same? Type yes:")
        .answer("");
    let (code, screen) = terminal.end();
    assert!(
        code == Some(0) && screen.contains("Nothing was written."),
        "{screen}"
    );
    assert_eq!(folder.files(), before);
    folder
        .run(&["--yes", "secrets", "edit", "a.age", "--from", "-"])
        .expect(0, &[]);
    assert_eq!(folder.decrypt("a.age", "admin").as_deref(), Some(""));
}

#[test]
fn a_secret_nobody_here_can_read_is_not_written_over() {
    let Some(folder) = one_secret() else { return };
    folder.encrypt("a.age", "A", &["byrd"]);
    let before = folder.files();
    folder
        .run_with(
            &[
                "secrets",
                "edit",
                "a.age",
                "--from",
                "-",
                "--accept-recipient",
                &folder.fingerprint("admin"),
            ],
            "B",
        )
        .expect(1, &["a.age cannot be decrypted"]);
    folder
        .run(&["secrets", "show", "a.age"])
        .expect(1, &["a.age cannot be decrypted"]);
    assert_eq!(folder.files(), before);
}

#[test]
fn a_new_secret_is_made_when_its_rule_exists() {
    let Some(folder) = one_secret() else { return };
    let done = folder
        .run_with(&["secrets", "edit", "new.age", "--from", "-"], "N")
        .expect(0, &[]);
    assert!(
        done.err.contains("made new.age for admin, orff"),
        "{done:?}"
    );
    assert_eq!(folder.decrypt("new.age", "orff").as_deref(), Some("N"));
    let mode = fs::metadata(folder.path("new.age"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o133, 0, "{mode:o}");
}

#[test]
fn a_new_rule_is_made_for_whom_the_user_names() {
    let Some(folder) = one_secret() else { return };
    folder
        .run_with(&["secrets", "edit", "db.age", "--from", "-"], "D")
        .expect(2, &["no rule for db.age", "--recipient"]);
    folder
        .run_with(
            &[
                "secrets",
                "edit",
                "db.age",
                "--from",
                "-",
                "--recipient",
                "handel",
            ],
            "D",
        )
        .expect(2, &["no key called handel", "admin, byrd, orff"]);
    folder
        .run_with(
            &[
                "secrets",
                "edit",
                "db.age",
                "--from",
                "-",
                "--recipient",
                "admin",
                "--recipient",
                "byrd",
            ],
            "D",
        )
        .expect(
            0,
            &[
                "+  \"db.age\".publicKeys = [ admin byrd ];",
                "made db.age for admin, byrd",
            ],
        );
    assert_eq!(folder.decrypt("db.age", "byrd").as_deref(), Some("D"));

    let edit = folder.spinet(&["secrets", "edit", "sub/web.age", "--editor", "printf W >"]);
    let mut terminal = Terminal::start(&edit);
    terminal
        .wait_for("3) orff")
        .wait_for("Who can read it? Numbers:")
        .answer("1, 3");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(folder.decrypt("sub/web.age", "orff").as_deref(), Some("W"));
    folder
        .run(&["secrets", "check"])
        .expect(3, &["sub/web.age\tright", "new.age\tthe file is missing"]);
}

#[test]
fn what_was_typed_is_kept_when_it_cannot_be_written() {
    let Some(folder) = one_secret() else { return };
    folder.program(
        "slow",
        "#!/bin/sh\nprintf typed >\"$1\"\necho ready\nread -r _\n",
    );
    let edit = folder.spinet(&["secrets", "edit", "a.age", "--editor", "slow"]);
    let mut terminal = Terminal::start(&edit);
    terminal.wait_for("ready");
    folder.encrypt("a.age", "meanwhile", &["admin", "byrd"]);
    terminal.answer("");
    let (code, screen) = terminal.end();
    assert!(
        code == Some(1) && screen.contains("changed by somebody else meanwhile"),
        "{screen}"
    );
    assert_eq!(
        folder.decrypt("a.age", "admin").as_deref(),
        Some("meanwhile")
    );
    let kept: Vec<_> = folder
        .memory()
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().path().join("a"))
        .collect();
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), "typed");
    assert!(screen.contains(kept[0].to_str().unwrap()), "{screen}");
    folder
        .run(&[
            "secrets",
            "edit",
            "a.age",
            "--from",
            kept[0].to_str().unwrap(),
        ])
        .expect(0, &[]);
    assert_eq!(folder.decrypt("a.age", "admin").as_deref(), Some("typed"));
}

#[test]
fn generated_secrets_are_made_once_and_shown_to_nobody() {
    let Some(folder) = one_secret() else { return };
    let done = folder
        .run(&["secrets", "generate", "new.age", "--kind", "password"])
        .expect(0, &["made new.age"]);
    let content = folder.decrypt("new.age", "orff").unwrap();
    assert!(content.len() == 32 && !done.out.contains(&content) && !done.err.contains(&content));
    let before = folder.files();
    folder
        .run(&["secrets", "generate", "new.age", "--kind", "hex"])
        .expect(1, &["exists already"]);
    assert_eq!(folder.files(), before);

    let done = folder
        .run(&[
            "secrets",
            "generate",
            "key.age",
            "--kind",
            "ssh-ed25519",
            "--recipient",
            "admin",
        ])
        .expect(0, &["ssh-ed25519 AAAA"]);
    let key_file = folder.home("key");
    fs::write(&key_file, folder.decrypt("key.age", "admin").unwrap()).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let public = Command::new("ssh-keygen")
        .arg("-y")
        .arg("-f")
        .arg(&key_file)
        .output()
        .unwrap();
    assert!(public.status.success());
    assert_eq!(
        done.out.trim(),
        String::from_utf8(public.stdout).unwrap().trim()
    );
    let hex = folder
        .run(&[
            "secrets",
            "generate",
            "hex.age",
            "--kind",
            "hex",
            "--length",
            "8",
            "--show",
            "--recipient",
            "admin",
        ])
        .expect(0, &[]);
    assert_eq!(folder.decrypt("hex.age", "admin").unwrap(), hex.out.trim());
}
