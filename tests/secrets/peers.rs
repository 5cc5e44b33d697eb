//! Faults that were seen in agenix, ragenix and agenix-rekey.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::folder::{Done, Folder};
use super::terminal::Terminal;

#[test]
fn one_file_that_cannot_be_decrypted_leaves_all_as_they_were_and_fails_the_run() {
    let Some(folder) = Folder::new() else { return };
    folder.simple_rules(&[
        ("a.age", &["admin", "orff"]),
        ("b.age", &["byrd", "orff"]),
        ("c.age", &["admin", "orff"]),
    ]);
    folder.encrypt("a.age", "A", &["admin"]);
    folder.encrypt("b.age", "B", &["byrd"]);
    folder.encrypt("c.age", "C", &["admin"]);
    let before = folder.files();
    let orff = folder.fingerprint("orff");
    folder
        .run(&["secrets", "rekey", "--accept-recipient", &orff])
        .expect(1, &["b.age", "cannot be decrypted with", "-i FILE"]);
    assert_eq!(folder.files(), before);
}

#[test]
fn an_editor_without_a_terminal_is_refused_and_the_secret_stays() {
    let Some(folder) = Folder::new() else { return };
    folder.simple_rules(&[("a.age", &["admin"])]);
    folder.encrypt("a.age", "A", &["admin"]);
    let before = folder.files();
    let mut edit = folder.spinet(&["secrets", "edit", "a.age"]);
    edit.env("EDITOR", "vim").stdin(std::process::Stdio::null());
    Done::of(&mut edit).expect(2, &["There is no terminal", "--from"]);
    assert_eq!(folder.files(), before);
}

#[test]
fn what_a_failing_editor_wrote_is_not_encrypted() {
    let Some(folder) = Folder::new() else { return };
    folder.simple_rules(&[("a.age", &["admin"])]);
    folder.encrypt("a.age", "A", &["admin"]);
    let before = folder.files();
    folder.program("half", "#!/bin/sh\nprintf half >\"$1\"\nexit 1\n");
    let edit = folder.spinet(&["secrets", "edit", "--editor", "half", "a.age"]);
    let (code, screen) = Terminal::start(&edit).end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("The editor `half` failed; nothing was written."));
    assert_eq!(folder.files(), before);
}

#[test]
fn it_works_from_any_folder() {
    let Some(folder) = Folder::new() else { return };
    fs::create_dir_all(folder.path("deep/er")).unwrap();
    folder.simple_rules(&[("deep/a.age", &["admin", "orff"])]);
    let orff = folder.fingerprint("orff");
    let rekey = ["secrets", "rekey", "--accept-recipient", &orff];
    let rules = folder.path("secrets.nix");
    // upwards, with a path from where the user stands; elsewhere, with the rules named
    for (stands, words, variable) in [
        ("secrets/deep/er", vec!["../a.age"], None),
        ("home", vec!["--rules", "../secrets/secrets.nix"], None),
        ("home", vec!["deep/a.age"], Some(&rules)),
    ] {
        folder.encrypt("deep/a.age", "A", &["admin"]);
        let mut command = folder.spinet(&rekey);
        command.args(&words).current_dir(folder.beside(stands));
        if let Some(rules) = variable {
            command.env("RULES", rules);
        }
        Done::of(&mut command).expect(0, &["rekeyed deep/a.age"]);
        assert_eq!(folder.decrypt("deep/a.age", "orff").as_deref(), Some("A"));
    }
    let mut lost = folder.spinet(&rekey);
    Done::of(lost.current_dir("/")).expect(2, &["--rules"]);
}

#[test]
fn any_file_name_will_do() {
    let Some(folder) = Folder::new() else { return };
    let names = [
        "my secret.age",
        "it's.age",
        "-n.age",
        "ä \\\"q\\\".age",
        "$HOME.age",
    ];
    let text = names.map(|name| {
        format!(
            "  \"{}\".publicKeys = [ \"@admin@\" \"@orff@\" ];\n",
            name.replace('$', "\\$")
        )
    });
    folder.rules(&format!("{{\n{}}}\n", text.concat()));
    let names = names.map(|name| name.replace("\\\"", "\""));
    for name in &names {
        folder.encrypt(name, "A", &["admin"]);
    }
    let orff = folder.fingerprint("orff");
    folder
        .run(&["secrets", "rekey", "--accept-recipient", &orff])
        .expect(0, &[]);
    for name in &names {
        assert_eq!(folder.decrypt(name, "orff").as_deref(), Some("A"), "{name}");
        let shown = folder.run(&["secrets", "show", "--", name]).expect(0, &[]);
        assert_eq!(shown.out, "A", "{name}");
        folder
            .run_with(&["secrets", "edit", "--from", "-", "--", name], "B")
            .expect(0, &["changed"]);
        assert_eq!(folder.decrypt(name, "orff").as_deref(), Some("B"), "{name}");
    }
}

#[test]
fn plaintext_is_in_memory_only_and_vim_keeps_no_copies() {
    let Some(folder) = Folder::new() else { return };
    folder.simple_rules(&[("deploy.yaml.age", &["admin"])]);
    folder.encrypt("deploy.yaml.age", "plain-before", &["admin"]);
    let seen = folder.beside("seen");
    let vim = format!(
        "#!/bin/sh\nfor last; do :; done\nprintf '%s\\n' \"$@\" >{0}\nstat -f -c %T \"$last\" >>{0}\n\
         stat -c '%a' \"$last\" \"$(dirname \"$last\")\" >>{0}\nprintf plain-after >\"$last\"\nprintf left >\"$last~\"\n",
        seen.display()
    );
    folder.program("vim", &vim);
    let edit = folder.spinet(&["secrets", "edit", "--editor", "vim", "deploy.yaml.age"]);
    let (code, screen) = Terminal::start(&edit).end();
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(
        folder.decrypt("deploy.yaml.age", "admin").as_deref(),
        Some("plain-after")
    );
    let seen = fs::read_to_string(seen).unwrap();
    for said in [
        "-n\n",
        "-i\nNONE\n",
        "noswapfile nobackup nowritebackup noundofile",
        "/deploy.yaml\n",
        "tmpfs\n600\n700\n",
    ] {
        assert!(seen.contains(said), "{said:?} is not in {seen}");
    }
    for plain in ["plain-before", "plain-after"] {
        assert_eq!(
            folder.in_clear(plain).len(),
            usize::from(plain == "plain-after"),
            "{:?}",
            folder.in_clear(plain)
        );
    }
    assert_eq!(folder.memory().read_dir().unwrap().count(), 0);
}

#[test]
fn mode_owner_and_links_are_kept_and_readers_never_see_half_a_file() {
    let Some(folder) = Folder::new() else { return };
    folder.simple_rules(&[("a.age", &["admin", "orff"]), ("b.age", &["admin", "orff"])]);
    folder.encrypt("a.age", "A", &["admin"]);
    folder.encrypt("real", "B", &["admin"]);
    symlink("real", folder.path("b.age")).unwrap();
    fs::set_permissions(folder.path("a.age"), Permissions::from_mode(0o640)).unwrap();
    let given_away = std::os::unix::fs::chown(folder.path("a.age"), Some(4242), Some(4243)).is_ok();
    let mut reader = fs::File::open(folder.path("a.age")).unwrap();
    let before = fs::read(folder.path("a.age")).unwrap();

    let orff = folder.fingerprint("orff");
    folder
        .run(&["secrets", "rekey", "--accept-recipient", &orff])
        .expect(0, &[]);
    for (name, content) in [("a.age", "A"), ("b.age", "B"), ("real", "B")] {
        assert_eq!(folder.decrypt(name, "orff").as_deref(), Some(content));
    }
    let meta = fs::metadata(folder.path("a.age")).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o640);
    if given_away {
        assert_eq!((meta.uid(), meta.gid()), (4242, 4243));
    }
    assert_eq!(
        fs::read_link(folder.path("b.age")).unwrap().to_str(),
        Some("real")
    );
    let mut still = Vec::new();
    reader.read_to_end(&mut still).unwrap();
    assert_eq!(still, before);
}

#[test]
fn armor_is_as_the_rule_says() {
    let Some(folder) = Folder::new() else { return };
    folder.rules("{ \"a.age\" = { publicKeys = [ \"@admin@\" \"@orff@\" ]; armor = true; }; }\n");
    folder.encrypt("a.age", "A", &["admin"]);
    let orff = folder.fingerprint("orff");
    folder
        .run(&["secrets", "rekey", "--accept-recipient", &orff])
        .expect(0, &[]);
    let cipher = fs::read_to_string(folder.path("a.age")).unwrap();
    assert!(cipher.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
    assert_eq!(folder.decrypt("a.age", "orff").as_deref(), Some("A"));
    folder
        .run(&["secrets", "check"])
        .expect(0, &["a.age\tright"]);
    assert_eq!(
        folder.run(&["secrets", "show", "a.age"]).expect(0, &[]).out,
        "A"
    );
}

#[test]
fn duplicate_recipients_count_once_and_two_keys_in_a_string_twice() {
    let Some(folder) = Folder::new() else { return };
    folder.rules("{ \"a.age\".publicKeys = [ \"@admin@\" \"@admin@\" \"@byrd@\\n@orff@\" ]; }\n");
    folder.encrypt("a.age", "A", &["admin"]);
    let (byrd, orff) = (folder.fingerprint("byrd"), folder.fingerprint("orff"));
    folder
        .run(&[
            "secrets",
            "rekey",
            "--accept-recipient",
            &byrd,
            "--accept-recipient",
            &orff,
        ])
        .expect(0, &[]);
    for who in ["admin", "byrd", "orff"] {
        assert_eq!(folder.decrypt("a.age", who).as_deref(), Some("A"), "{who}");
    }
    folder
        .run(&["secrets", "check"])
        .expect(0, &["a.age\tright"]);
}

#[test]
fn rules_are_evaluated_by_nix_which_reads_nothing_else() {
    let Some(folder) = Folder::new() else { return };
    folder.rules("{ \"a.age\".publicKeys = [ admin ]; }\n");
    folder
        .run(&["secrets", "check"])
        .expect(1, &["undefined variable 'admin'", "secrets.nix:1:26"]);
    fs::write(folder.home("key"), folder.public("admin")).unwrap();
    let outside = folder.home("key");
    folder.rules(&format!(
        "{{ \"a.age\".publicKeys = [ (builtins.readFile {}) ]; }}\n",
        outside.display()
    ));
    folder
        .run(&["secrets", "check"])
        .expect(1, &["restricted mode"]);
    folder.rules("{ \"a.age\".publicKeys = import (derivation { name = \"x\"; builder = \"/bin/sh\"; system = builtins.currentSystem or \"x86_64-linux\"; }); }\n");
    folder
        .run(&["secrets", "check"])
        .expect(1, &["could not be evaluated"]);
}
