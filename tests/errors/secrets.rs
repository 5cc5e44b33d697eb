//! Rules and secrets that are not as they should be.

use std::fs;
use std::process::Stdio;

use crate::folder::Folder;
use crate::page::Page;
use crate::scene::NIX_CONFIG;

/// A folder in which all is well.
pub fn folder() -> Option<Folder> {
    let folder = Folder::new()?;
    folder.simple_rules(&[("wifi.age", &["admin", "byrd"])]);
    folder.encrypt("wifi.age", "tea for two", &["admin", "byrd"]);
    Some(folder)
}

#[test]
fn of_rules() {
    let Some(folder) = folder() else { return };
    let mut page = Page::of("rules", "Rules: secrets.nix.", &folder);
    let list = ["secrets", "list"];
    let mut with = |title: &str, rules: &str, args: &[&str]| {
        folder.rules(rules);
        let mut spinet = folder.spinet(args);
        page.fails(
            title,
            spinet.env("NIX_CONFIG", NIX_CONFIG).stdin(Stdio::null()),
        );
    };
    with(
        "A semicolon is missing",
        "{\n  \"wifi.age\".publicKeys = [ \"@admin@\" ]\n}\n",
        &list,
    );
    with(
        "A name that nothing defines",
        "{\n  \"wifi.age\".publicKeys = [ admin ];\n}\n",
        &list,
    );
    with(
        "A rule twice",
        "{\n  \"wifi.age\".publicKeys = [ \"@admin@\" ];\n  \"wifi.age\".publicKeys = [ \"@byrd@\" ];\n}\n",
        &list,
    );
    with(
        "A rule without keys",
        "{ \"wifi.age\".armor = true; }\n",
        &list,
    );
    with(
        "Keys that are no list",
        "{ \"wifi.age\".publicKeys = \"@admin@\"; }\n",
        &list,
    );
    with("Rules that are no set", "[ ]\n", &list);
    with(
        "Rules that read what lies elsewhere",
        "{ \"wifi.age\".publicKeys = [ (builtins.readFile /etc/hostname) ]; }\n",
        &list,
    );
    let encrypt = ["secrets", "edit", "new.age", "--from", "/dev/null", "--yes"];
    for (title, key) in [
        (
            "A key that is cut short",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3",
        ),
        (
            "A kind of key that cannot be a recipient",
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBO",
        ),
        ("A recipient that is no key", "admin"),
        (
            "A plugin that is not here",
            "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
        ),
    ] {
        with(
            title,
            &format!("{{ \"new.age\".publicKeys = [ \"{key}\" ]; }}\n"),
            &encrypt,
        );
    }
    let made = "let\n  admin = \"@admin@\";\n  rule = name: { inherit name; value.publicKeys = [ admin ]; };\nin\nbuiltins.listToAttrs (map rule [ \"wifi.age\" ])\n";
    let key = folder.public("byrd");
    with(
        "Rules that a program makes, and a host to add",
        made,
        &[
            "host", "enroll", "byrd", "--key", &key, "--secret", "wifi.age", "--yes",
        ],
    );
    with(
        "Rules that a program makes, and a secret to add",
        made,
        &[
            "secrets",
            "edit",
            "new.age",
            "--from",
            "/dev/null",
            "--recipient",
            &key,
            "--yes",
        ],
    );
    page.compare();
}

#[test]
fn of_secrets() {
    let Some(folder) = folder() else { return };
    let mut page = Page::of(
        "secrets",
        "Secrets: age files and who can read them.",
        &folder,
    );
    let mut fails = |title: &str, args: &[&str]| {
        page.fails(title, folder.spinet(args).stdin(Stdio::null()));
    };
    let show = ["secrets", "show", "wifi.age"];
    fails(
        "A secret that no rule names",
        &["secrets", "show", "wlan.age"],
    );
    fails(
        "An editor and no terminal",
        &["secrets", "edit", "wifi.age"],
    );
    fails(
        "No rule yet, and nobody named",
        &["secrets", "edit", "new.age", "--from", "/dev/null"],
    );
    fails(
        "A reader whom the rules do not know",
        &[
            "secrets",
            "edit",
            "new.age",
            "--from",
            "/dev/null",
            "--recipient",
            "bird",
        ],
    );
    fails(
        "A reader for a secret that has its rule",
        &[
            "secrets",
            "edit",
            "wifi.age",
            "--from",
            "/dev/null",
            "--recipient",
            "byrd",
        ],
    );
    fails(
        "Content from a file that is not there",
        &["secrets", "edit", "wifi.age", "--from", "wifi.txt"],
    );
    fails(
        "Content that is empty",
        &["secrets", "edit", "wifi.age", "--from", "/dev/null"],
    );
    fails(
        "A random secret where there is one",
        &["secrets", "generate", "wifi.age", "--kind", "password"],
    );
    fails(
        "A random secret of no length",
        &[
            "secrets", "generate", "new.age", "--kind", "hex", "--length", "0",
        ],
    );
    fails(
        "A random secret without a rule",
        &["secrets", "generate", "new.age", "--kind", "hex"],
    );
    fails(
        "Nothing named so to rekey",
        &["secrets", "rekey", "wlan.age"],
    );

    folder.simple_rules(&[
        ("wifi.age", &["admin", "byrd", "orff"]),
        ("gone.age", &["admin"]),
    ]);
    fails("A file is missing", &["secrets", "show", "gone.age"]);
    fails("Files that do not match the rules", &["secrets", "check"]);
    fails("The same as JSON", &["secrets", "check", "--json"]);
    fails(
        "A reader is new, and nobody can be asked",
        &["secrets", "rekey"],
    );
    fails("The same, and yes to all", &["secrets", "rekey", "--yes"]);
    let whole = fs::read(folder.path("wifi.age")).unwrap();
    fs::write(folder.path("wifi.age"), &whole[..60]).unwrap();
    fails("A file that is cut short in its header", &show);
    fails("The same, to be rekeyed", &["secrets", "rekey"]);
    fs::write(folder.path("wifi.age"), &whole[..whole.len() - 4]).unwrap();
    fails("A file that is cut short at its end", &show);
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(folder.path("wifi.age"), &other).unwrap();
    fails("A file that is damaged", &show);
    fs::write(folder.path("wifi.age"), "tea for two\n").unwrap();
    fails("A file that was never encrypted", &show);
    fs::remove_file(folder.path("wifi.age")).unwrap();
    fs::create_dir(folder.path("wifi.age")).unwrap();
    fails("A folder in the place of a file", &show);
    fs::remove_dir(folder.path("wifi.age")).unwrap();
    folder.encrypt("wifi.age", "tea for two", &["byrd"]);
    fails("A file for somebody else", &show);
    folder.encrypt("gone.age", "tea for two", &["byrd"]);
    let orff = folder.fingerprint("orff");
    fails(
        "Two files for somebody else, to be rekeyed",
        &[
            "secrets",
            "rekey",
            "--accept-recipient",
            &orff,
            "--accept-recipient",
            &folder.fingerprint("admin"),
        ],
    );
    folder.simple_rules(&[("wifi.age", &["admin", "byrd"])]);
    folder.encrypt("wifi.age", "tea for two", &["admin"]);
    let edit = ["secrets", "edit", "wifi.age"];
    page.fails_at_terminal(
        "A new reader who is not wanted",
        &folder.spinet(&["secrets", "rekey"]),
        &[("Let byrd read it?", "no")],
    );
    folder.encrypt("wifi.age", "tea for two", &["admin", "byrd"]);
    page.fails_at_terminal("No editor is set", &folder.spinet(&edit), &[]);
    page.fails_at_terminal(
        "An editor that fails",
        folder.spinet(&edit).env("EDITOR", "false"),
        &[],
    );
    let spinet = |args: &[&str]| {
        let mut command = folder.spinet(args);
        command.stdin(Stdio::null());
        command
    };
    fs::write(folder.home("binary"), [0xff, 0xfe]).unwrap();
    let binary = folder.home("binary");
    let change = [
        "secrets",
        "edit",
        "wifi.age",
        "--from",
        binary.to_str().unwrap(),
    ];
    assert!(spinet(&change).output().unwrap().status.success());
    page.fails(
        "A secret that is no text, as JSON",
        &mut spinet(&["--json", "secrets", "show", "wifi.age"]),
    );
    page.fails(
        "A host, and no key of it",
        &mut spinet(&["host", "enroll", "gibbons"]),
    );
    page.compare();
}
