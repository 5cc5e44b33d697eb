//! `spinet host enroll` where there is no flake.

use std::fs;

use super::folder::{Folder, keygen};
use super::terminal::Terminal;

/// Rules for byrd, and a new key for the host.
fn folder() -> Option<(Folder, String)> {
    let folder = Folder::new()?;
    folder.simple_rules(&[("a.age", &["admin", "byrd"]), ("b.age", &["admin"])]);
    folder.encrypt("a.age", "A", &["admin", "byrd"]);
    folder.encrypt("b.age", "B", &["admin"]);
    keygen(&folder.private("bach"), "root@bach", "");
    let key = folder.public("bach");
    Some((folder, key))
}

#[test]
fn a_new_host_is_bound_listed_and_reads_at_once() {
    let Some((folder, key)) = folder() else {
        return;
    };
    let before = folder.files();
    let enroll = ["host", "enroll", "bach", "--key", &key, "--secret", "b.age"];
    folder
        .run(&[&enroll[..], &["--plan"]].concat())
        .expect(0, &["+  bach = ", "[ admin bach ]"]);
    assert_eq!(folder.files(), before);
    folder
        .run(&enroll)
        .expect(0, &["+  bach = ", "rekeyed b.age"]);
    assert_eq!(folder.decrypt("b.age", "bach").as_deref(), Some("B"));
    assert_eq!(folder.decrypt("a.age", "bach"), None);
    let after = folder.files();
    assert_eq!(after[&folder.path("a.age")], before[&folder.path("a.age")]);
    folder.run(&enroll).expect(0, &[]);
    assert_eq!(folder.files(), after);
    folder.run(&["secrets", "check"]).expect(0, &[]);
}

#[test]
fn a_known_hosts_key_is_replaced_wherever_it_reads() {
    let Some((folder, key)) = folder() else {
        return;
    };
    folder
        .run(&["host", "enroll", "byrd", "--key", &key])
        .expect(0, &["rekeyed a.age"]);
    assert_eq!(folder.decrypt("a.age", "bach").as_deref(), Some("A"));
    assert_eq!(folder.decrypt("a.age", "byrd"), None);
    assert!(
        !fs::read_to_string(folder.path("secrets.nix"))
            .unwrap()
            .contains(&folder.public("byrd"))
    );
    let old = folder.public("bach");
    let file = folder.private("byrd").with_extension("pub");
    folder
        .run(&[
            "host",
            "enroll",
            "byrd",
            "--key",
            file.to_str().unwrap(),
            "--old-key",
            &old,
            "--no-rekey",
        ])
        .expect(0, &[]);
    folder
        .run(&["secrets", "check"])
        .expect(3, &["a.age\tstale: not yet for byrd"]);
}

#[test]
fn several_candidates_are_listed_and_asked_about() {
    let Some((folder, key)) = folder() else {
        return;
    };
    folder.rules("let\n  bach-wifi = \"@byrd@\";\n  bach-eth = \"@orff@\";\nin\n{ \"a.age\".publicKeys = [ \"@admin@\" bach-wifi bach-eth ]; }\n");
    folder.encrypt("a.age", "A", &["admin", "byrd", "orff"]);
    let before = folder.files();
    let enroll = ["host", "enroll", "bach", "--key", &key];
    folder
        .run(&enroll)
        .expect(1, &["byrd", "orff", "--old-key"]);
    assert_eq!(folder.files(), before);
    let mut terminal = Terminal::start(&folder.spinet(&enroll));
    terminal.wait_for("2)").wait_for(":").answer("2");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    let readers: Vec<&str> = ["byrd", "orff", "bach"]
        .into_iter()
        .filter(|who| folder.decrypt("a.age", who).is_some())
        .collect();
    assert_eq!(readers.len(), 2, "{screen}");
    assert!(readers.contains(&"bach"));
}

#[test]
fn computed_rules_are_left_alone_with_the_text_to_paste() {
    let Some((folder, key)) = folder() else {
        return;
    };
    folder.rules(
        "builtins.listToAttrs (map (name: { name = \"${name}.age\"; value.publicKeys = [ \"@admin@\" ]; }) [ \"a\" \"b\" ])\n",
    );
    let before = folder.files();
    folder
        .run(&["host", "enroll", "bach", "--key", &key, "--secret", "a.age"])
        .expect(1, &["secrets.nix:1", "listToAttrs", &key]);
    assert_eq!(folder.files(), before);
}

#[test]
fn what_is_no_key_is_refused() {
    let Some((folder, key)) = folder() else {
        return;
    };
    let before = folder.files();
    let cut = &key[..50];
    for wrong in [
        "",
        "ssh-ed25519",
        cut,
        "ecdsa-sha2-nistp256 AAAA",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ] {
        let done = folder.run(&[
            "host", "enroll", "bach", "--key", wrong, "--secret", "b.age",
        ]);
        assert!(matches!(done.code, Some(1 | 2)), "{wrong}: {done:?}");
    }
    folder
        .run(&[
            "host", "enroll", "bach", "--key", &key, "--secret", "no.age",
        ])
        .expect(2, &["no.age", "a.age, b.age"]);
    assert_eq!(folder.files(), before);
}
