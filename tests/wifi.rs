//! `spinet wifi` as a whole program: what it reads, and that iwd's own parser (libell's) reads what it writes.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Loads a file with ell, and prints what it finds as JSON.
const ELL: &str = r#"
import ctypes, json, sys
ell = ctypes.CDLL("libell.so.0")
for name in "l_settings_new", "l_settings_get_string", "l_settings_get_embedded_value":
    getattr(ell, name).restype = ctypes.c_void_p
data = open(sys.argv[1], "rb").read()
settings = ctypes.c_void_p(ell.l_settings_new())
loaded = ell.l_settings_load_from_data(settings, data, ctypes.c_size_t(len(data)))
def text(group, key):
    found = ell.l_settings_get_string(settings, group, key)
    return ctypes.string_at(found).decode() if found else None
def flag(group, key):
    value = ctypes.c_bool()
    return bool(ell.l_settings_get_bool(settings, group, key, ctypes.byref(value)) and value.value)
kind = ctypes.c_char_p()
pem = ell.l_settings_get_embedded_value(settings, b"ca", ctypes.byref(kind))
print(json.dumps({
    "loaded": bool(loaded & 1),
    "passphrase": text(b"Security", b"Passphrase"),
    "psk": text(b"Security", b"PreSharedKey"),
    "identity": text(b"Security", b"EAP-Identity"),
    "hidden": flag(b"Settings", b"Hidden"),
    "auto": flag(b"Settings", b"AutoConnect"),
    "pem": ctypes.string_at(pem).decode() if pem else None,
}))
"#;

/// spinet with a PATH where `iw` says that this machine is in `network` (as iw prints it).
fn spinet(dir: &Path, network: Option<&str>, args: &[&str]) -> Output {
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let ssid = network.map_or(String::new(), |ssid| {
        format!("\t\tssid {ssid}\n\t\ttype managed\n")
    });
    fs::write(
        bin.join("said"),
        format!("phy#0\n\tInterface wlan0\n{ssid}"),
    )
    .unwrap();
    fs::write(
        bin.join("iw"),
        "#!/bin/sh\n[ \"$1\" = dev ] && exec cat \"${0%/*}/said\"\n",
    )
    .unwrap();
    fs::set_permissions(bin.join("iw"), PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    Command::new(env!("CARGO_BIN_EXE_spinet"))
        .arg("wifi")
        .args(args)
        .args(["--wifi-from", dir.join("profiles").to_str().unwrap()])
        .env("PATH", path)
        .env("HOME", dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn profiles(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("profiles")).unwrap();
    for (name, text) in files {
        fs::write(dir.path().join("profiles").join(name), text).unwrap();
    }
    dir
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What ell makes of the profile spinet writes for a network.
fn through_ell(dir: &Path, ssid: &str) -> Option<Value> {
    let written = spinet(dir, None, &["show", ssid, "--iwd", "--reveal"]);
    assert!(written.status.success(), "{}", said(&written));
    fs::write(dir.join("written"), &written.stdout).unwrap();
    let ell = Command::new("python3")
        .args(["-c", ELL])
        .arg(dir.join("written"))
        .output();
    match ell {
        Ok(ell) if ell.status.success() => Some(serde_json::from_slice(&ell.stdout).unwrap()),
        other => {
            println!("skipped: no python3 with libell ({other:?})");
            None
        }
    }
}

/// What ell makes of the profile lying in `profiles`, as it is.
fn ell_itself(file: &Path) -> Option<Value> {
    let ell = Command::new("python3").args(["-c", ELL]).arg(file).output();
    let ell = ell.ok().filter(|ell| ell.status.success())?;
    Some(serde_json::from_slice(&ell.stdout).unwrap())
}

#[test]
fn spinet_reads_what_iwds_own_parser_reads() {
    for text in [
        "[Security]\nPassphrase=the first one\nPassphrase=the second\n",
        "[Security]\nPassphrase=ends in spaces  \n",
        " [Security] \n  Passphrase =  after spaces\n",
        "[Security]\nPassphrase=password\n[Settings]\n[Security]\nPassphrase=later one\n",
        "[Security]\r\nPassphrase=password\r\n",
        "[Security]\nPassphrase=password\nnonsense\n",
        "[Security]\n; no comment\nPassphrase=password\n",
        "Passphrase=password\n[Security]\n",
    ] {
        let dir = profiles(&[("Home.psk", text)]);
        let Some(iwd) = ell_itself(&dir.path().join("profiles/Home.psk")) else {
            println!("skipped: no python3 with libell");
            return;
        };
        let shown = spinet(dir.path(), None, &["show", "Home", "--json", "--reveal"]);
        if iwd["loaded"] == false {
            assert!(!shown.status.success(), "{text:?}");
            assert!(said(&shown).contains("line "), "{}", said(&shown));
            continue;
        }
        assert!(shown.status.success(), "{text:?}: {}", said(&shown));
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(
            shown["secrets"]["passphrase"], iwd["passphrase"],
            "{text:?}"
        );
    }
}

#[test]
fn iwds_own_parser_reads_what_spinet_writes() {
    for passphrase in [
        "correct horse",
        " both ends  ",
        "back\\slash\\s\\",
        "a#b;c=d[e]",
        "=starts oddly",
        "[Settings]",
        "# no comment",
        "Hidden=false",
        "quote\"quote'",
    ] {
        // NetworkManager's escapes are those of the file format itself
        let escaped = passphrase.replace('\\', "\\\\").replace(' ', "\\s");
        let text = format!(
            "[connection]\ntype=wifi\n[wifi]\nssid=Home\nhidden=true\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={escaped}\n[ipv4]\naddress1=10.0.0.9/24\n"
        );
        let dir = profiles(&[("Home.nmconnection", &text)]);
        let Some(found) = through_ell(dir.path(), "Home") else {
            return;
        };
        assert_eq!(found["loaded"], true);
        assert_eq!(found["passphrase"], passphrase);
        assert_eq!(found["psk"].as_str().unwrap().len(), 64);
        assert_eq!(
            (&found["hidden"], &found["auto"]),
            (&true.into(), &true.into())
        );
    }
}

#[test]
fn iwds_own_parser_reads_enterprise_credentials_with_their_certificates() {
    // 16 bytes of base64 a line are enough for ell to take it for PEM
    let pem = "-----BEGIN CERTIFICATE-----\nMIIBszCCARygAwIBAgIUQm9ndXMgY2VydGlmaWNhdGUgZm9yIGEgdGVzdDAN\n-----END CERTIFICATE-----\n";
    let text = format!(
        "[Security]\nEAP-Method=TTLS\nEAP-Identity=me@work\nEAP-TTLS-CACert=embed:ca\n\n[@pem@ca]\n{pem}"
    );
    let dir = profiles(&[("work.8021x", &text)]);
    let Some(found) = through_ell(dir.path(), "work") else {
        return;
    };
    assert_eq!(found["loaded"], true);
    assert_eq!(found["identity"], "me@work");
    assert_eq!(
        found["pem"].as_str().map(str::trim_end),
        Some(pem.trim_end())
    );
}

#[test]
fn the_network_in_use_is_the_default_and_secrets_stay_hidden() {
    let dir = profiles(&[
        ("Home.psk", "[Security]\nPassphrase=hunter2hunter2\n"),
        (
            "=5a757220506f737420e29895.psk",
            "[Security]\nPassphrase=coffee and cake\n",
        ),
        ("Broken.psk", "[Security]\nEncryptedSecurity=x\n"),
    ]);
    let shown = spinet(dir.path(), Some("Zur Post \\xe2\\x98\\x95"), &["show"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        text.contains("Zur Post ☕") && text.contains("hidden; --reveal"),
        "{text}{}",
        said(&shown)
    );
    assert!(!text.contains("coffee"), "{text}");
    let json = spinet(dir.path(), None, &["show", "Home", "--json", "--reveal"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["secrets"]["passphrase"], "hunter2hunter2");

    // in none of them: without a terminal it must be named
    let unclear = spinet(dir.path(), Some("Elsewhere"), &["show"]);
    assert_eq!(unclear.status.code(), Some(2), "{}", said(&unclear));
    assert!(
        said(&unclear).contains("Home") && said(&unclear).contains("Zur Post ☕"),
        "{}",
        said(&unclear)
    );
    let unknown = spinet(dir.path(), None, &["show", "Hone"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        said(&unknown).contains("SystemdEncrypt"),
        "{}",
        said(&unknown)
    );

    let list = spinet(dir.path(), Some("Home"), &["list", "--json"]);
    let rows: Vec<Value> = serde_json::from_slice(&list.stdout).unwrap();
    let row = |ssid: &str| rows.iter().find(|row| row["ssid"] == ssid).unwrap();
    assert_eq!(
        (&row("Home")["inUse"], &row("Home")["source"]),
        (&true.into(), &"iwd".into())
    );
    assert!(
        row("Broken.psk")["unusable"]
            .as_str()
            .unwrap()
            .contains("SystemdEncrypt")
    );
    assert!(!String::from_utf8_lossy(&list.stdout).contains("hunter2"));
}

#[test]
fn profiles_that_cannot_be_read_are_an_error() {
    let dir = TempDir::new().unwrap();
    let output = spinet(dir.path(), None, &["list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("could not be read") && said(&output).contains("--wifi-from"),
        "{}",
        said(&output)
    );
}
