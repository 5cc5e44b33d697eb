//! Private keys that open nothing.

use std::fs;
use std::process::Stdio;

use crate::folder::keygen;
use crate::page::Page;
use crate::secrets::folder;

#[test]
fn of_identities() {
    let Some(folder) = folder() else { return };
    let mut page = Page::of(
        "identities",
        "Identities: private keys to decrypt with.",
        &folder,
    );
    let mut fails = |title: &str, more: &[&str]| {
        let args = [&["secrets", "show", "wifi.age"], more].concat();
        page.fails(title, folder.spinet(&args).stdin(Stdio::null()));
    };
    fails("A key that is not there", &["-i", "/home/anna/.ssh/id"]);
    let public = folder.private("admin").with_extension("pub");
    fails("The public half", &["-i", public.to_str().unwrap()]);
    let at = |name: &str, text: &str| {
        let path = folder.home(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    fails("A text", &["-i", &at("text", "tea for two\n")]);
    fails("An empty file", &["-i", &at("empty", "")]);
    fails(
        "A key that is cut short",
        &[
            "-i",
            &at("cut", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n"),
        ],
    );
    fails(
        "An age key that is cut short",
        &["-i", &at("age", "AGE-SECRET-KEY-1QQQQ\n")],
    );
    fails(
        "A plugin that is not here",
        &["-i", &at("plugin", "AGE-PLUGIN-YUBIKEY-1QQQQQQQQJAJUZ8\n")],
    );
    let ecdsa = folder.home("ecdsa");
    let mut keygen_ecdsa = std::process::Command::new("ssh-keygen");
    keygen_ecdsa.args(["-q", "-t", "ecdsa", "-N", "", "-C", "anna", "-f"]);
    assert!(keygen_ecdsa.arg(&ecdsa).status().unwrap().success());
    fails(
        "A key of a kind that cannot decrypt",
        &["-i", ecdsa.to_str().unwrap()],
    );
    fails(
        "A stranger's key",
        &["-i", folder.private("orff").to_str().unwrap()],
    );
    let usual = folder.home(".ssh/id_ed25519");
    fs::remove_file(&usual).unwrap();
    fails("No key at all", &[]);
    keygen(&usual, "anna", "tea for two");
    folder.rules(&format!(
        "{{ \"wifi.age\".publicKeys = [ \"{}\" ]; }}\n",
        fs::read_to_string(usual.with_extension("pub"))
            .unwrap()
            .trim()
    ));
    let mut write = folder.spinet(&[
        "secrets",
        "edit",
        "wifi.age",
        "--from",
        "/dev/null",
        "--yes",
    ]);
    fs::remove_file(folder.path("wifi.age")).unwrap();
    assert!(write.output().unwrap().status.success());
    fails("A key under a passphrase, and no terminal", &[]);
    page.fails_at_terminal(
        "Another passphrase",
        &folder.spinet(&["secrets", "show", "wifi.age"]),
        &[("Passphrase of", "coffee for one")],
    );
    page.compare();
}
