//! The keys that decrypt: under a passphrase, of age, behind a plugin.

use std::fs;
use std::io::Write;

use age::secrecy::{ExposeSecret, SecretString};

use super::folder::{Folder, keygen};
use super::terminal::Terminal;

#[test]
fn a_passphrase_is_asked_once_for_many_files_and_recipients() {
    let Some(folder) = Folder::new() else { return };
    let mut keys = Vec::new();
    for i in 0..20 {
        let path = folder.private(&format!("host{i}"));
        keygen(&path, &format!("host{i}"), "");
        keys.push(fs::read_to_string(path.with_extension("pub")).unwrap());
    }
    let locked = folder.home(".ssh/id_ed25519");
    fs::remove_file(&locked).unwrap();
    keygen(&locked, "locked", "tea for two");
    keys.push(fs::read_to_string(locked.with_extension("pub")).unwrap());
    let strings: Vec<String> = keys
        .iter()
        .map(|key| format!("\"{}\"", key.trim()))
        .collect();
    let list = strings.join(" ");
    folder.rules(&format!(
        "{{ \"a.age\".publicKeys = [ {list} ]; \"b.age\".publicKeys = [ {list} ]; }}\n"
    ));
    folder
        .run_with(&["secrets", "edit", "a.age", "--from", "-"], "A")
        .expect(0, &[]);
    folder
        .run_with(&["secrets", "edit", "b.age", "--from", "-"], "B")
        .expect(0, &[]);
    let before = folder.files();

    folder
        .run(&["secrets", "rekey", "--all"])
        .expect(1, &["no terminal", "Passphrase of"]);
    let mut terminal = Terminal::start(&folder.spinet(&["secrets", "rekey", "--all"]));
    terminal.wait_for("Passphrase of").answer("coffee");
    let (code, screen) = terminal.end();
    assert!(
        code == Some(1) && screen.contains("That is not the passphrase of"),
        "{screen}"
    );
    assert_eq!(folder.files(), before);

    let mut terminal = Terminal::start(&folder.spinet(&["secrets", "rekey", "--all"]));
    terminal.wait_for("Passphrase of").answer("tea for two");
    let (code, screen) = terminal.end();
    assert!(
        code == Some(0) && screen.matches("Passphrase of").count() == 1,
        "{screen}"
    );
    assert!(!screen.contains("tea for two"));
    assert_ne!(folder.files(), before);
    assert_eq!(folder.decrypt("b.age", "host7").as_deref(), Some("B"));
}

#[test]
fn no_passphrase_is_asked_for_what_another_key_opens() {
    let Some(folder) = Folder::new() else { return };
    keygen(&folder.home(".ssh/id_rsa"), "locked", "never asked");
    folder.simple_rules(&[("a.age", &["admin", "byrd"])]);
    folder.encrypt("a.age", "A", &["admin"]);
    let byrd = folder.fingerprint("byrd");
    folder
        .run(&["secrets", "rekey", "--accept-recipient", &byrd])
        .expect(0, &["rekeyed a.age"]);
    // a locked key that fits no file is not asked for either
    fs::remove_file(folder.home(".ssh/id_ed25519")).unwrap();
    folder
        .run(&["secrets", "show", "a.age"])
        .expect(1, &["cannot be decrypted with", "id_rsa"]);
}

#[test]
fn age_keys_open_files_in_clear_or_under_a_passphrase() {
    let Some(folder) = Folder::new() else { return };
    let key = age::x25519::Identity::generate();
    let text = format!("# created: today\n{}\n", key.to_string().expose_secret());
    folder.rules(&format!(
        "{{ \"a.age\".publicKeys = [ \"{}\" ]; }}\n",
        key.to_public()
    ));
    folder
        .run_with(&["secrets", "edit", "a.age", "--from", "-"], "A")
        .expect(0, &[]);
    let clear = folder.home("age.txt");
    fs::write(&clear, &text).unwrap();
    let clear = clear.to_str().unwrap();
    assert_eq!(
        folder
            .run(&["secrets", "show", "a.age", "-i", clear])
            .expect(0, &[])
            .out,
        "A"
    );
    // one's own key is nobody new
    folder
        .run(&["secrets", "rekey", "-i", clear])
        .expect(0, &["rekeyed a.age"]);

    let mut encryptor = Vec::new();
    let passphrase = SecretString::from("tea for two".to_owned());
    let mut writer = age::Encryptor::with_user_passphrase(passphrase)
        .wrap_output(&mut encryptor)
        .unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap();
    let locked = folder.home("age.txt.age");
    fs::write(&locked, encryptor).unwrap();
    let mut terminal = Terminal::start(&folder.spinet(&[
        "secrets",
        "show",
        "a.age",
        "-i",
        locked.to_str().unwrap(),
    ]));
    terminal.wait_for("Passphrase of").answer("tea for two");
    let (code, screen) = terminal.end();
    assert!(code == Some(0) && screen.ends_with('A'), "{screen}");
}

#[test]
fn an_identity_that_cannot_be_used_is_named() {
    let Some(folder) = Folder::new() else { return };
    folder.simple_rules(&[("a.age", &["admin"])]);
    folder.encrypt("a.age", "A", &["admin"]);
    folder
        .run(&["secrets", "show", "a.age", "-i", "/none"])
        .expect(1, &["/none could not be read"]);
    let public = folder.private("admin").with_extension("pub");
    folder
        .run(&["secrets", "show", "a.age", "-i", public.to_str().unwrap()])
        .expect(1, &["admin.pub is no private key"]);
    fs::remove_file(folder.home(".ssh/id_ed25519")).unwrap();
    folder
        .run(&["secrets", "show", "a.age"])
        .expect(1, &["neither ~/.ssh/id_ed25519", "-i FILE"]);
}

/// Wraps file keys by exclusive or; a plugin as the age plugin protocol (C2SP age-plugin.md) wants it.
const PLUGIN: &str = r#"#!/usr/bin/env python3
import base64, sys

def read():
    words, body = sys.stdin.readline().rstrip("\n").split(" ")[1:], ""
    while True:
        line = sys.stdin.readline().rstrip("\n")
        body += line
        if len(line) < 64:
            return words, base64.b64decode(body + "=" * (-len(body) % 4))

def write(words, body=b""):
    text = base64.b64encode(body).decode().rstrip("=")
    lines = [text[i:i + 64] for i in range(0, len(text) + 1, 64)]
    print("-> " + " ".join(words), *lines, sep="\n", flush=True)

def swap(key):
    return bytes(b ^ 0x5a for b in key)

given = []
while True:
    words, body = read()
    if words[0] == "done":
        break
    given.append((words, body))
if sys.argv[1] == "--age-plugin=recipient-v1":
    for i, key in enumerate(b for w, b in given if w[0] == "wrap-file-key"):
        write(["recipient-stanza", str(i), "example"], swap(key))
        read()
else:
    write(["msg"], b"Touch the example.")
    read()
    for w, body in given:
        if w[0] == "recipient-stanza" and w[2] == "example":
            write(["file-key", w[1]], swap(body))
            read()
write(["done"])
"#;

#[test]
fn plugins_wrap_and_open_files() {
    let Some(folder) = Folder::new() else { return };
    folder.rules("{ \"a.age\".publicKeys = [ \"@admin@\" \"age1example1wdcxjmn9wss8getnw3es602f86 token\" ]; }\n");
    folder
        .run_with(&["secrets", "edit", "a.age", "--from", "-"], "A")
        .expect(1, &["age1example1", "Put `age-plugin-example` on PATH."]);
    folder.program("age-plugin-example", PLUGIN);
    folder
        .run_with(&["secrets", "edit", "a.age", "--from", "-"], "A")
        .expect(0, &["for admin, token"]);
    assert_eq!(folder.decrypt("a.age", "admin").as_deref(), Some("A"));
    folder
        .run(&["secrets", "check"])
        .expect(0, &["cannot be told"]);
    let identity = folder.home("token");
    fs::write(
        &identity,
        "AGE-PLUGIN-EXAMPLE-1WDCXJMN9WSS8GETNW3ESXW48UP\n",
    )
    .unwrap();
    let identity = identity.to_str().unwrap();
    let done = folder
        .run(&["secrets", "show", "a.age", "-i", identity])
        .expect(0, &["Touch the example."]);
    assert_eq!(done.out, "A");
    folder
        .run(&[
            "secrets",
            "rekey",
            "-i",
            identity,
            "--accept-recipient",
            "age1example1wdcxjmn9wss8getnw3es602f86",
        ])
        .expect(0, &["rekeyed a.age"]);
    assert_eq!(folder.decrypt("a.age", "admin").as_deref(), Some("A"));
}
