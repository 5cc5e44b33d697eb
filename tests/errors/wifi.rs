//! Wifi profiles that cannot be used.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::page::Page;

#[test]
fn of_wifi() {
    let dir = TempDir::with_prefix("spinet-errors.").unwrap();
    let mut page = Page::new("wifi", "Wifi: the profiles this machine knows.");
    page.stands_for(dir.path(), "/home/anna");
    let spinet = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spinet"));
        command
            .arg("wifi")
            .args(args)
            .current_dir(&dir)
            .env("HOME", dir.path())
            // no `iw`: this machine is in no network
            .env("PATH", dir.path())
            .stdin(Stdio::null());
        command
    };
    page.fails(
        "A place that is not there",
        &mut spinet(&["list", "--wifi-from", "profiles"]),
    );
    fs::create_dir(dir.path().join("profiles")).unwrap();
    page.fails(
        "No network there",
        &mut spinet(&["show", "--wifi-from", "profiles"]),
    );
    let put = |name: &str, text: &[u8]| {
        for old in fs::read_dir(dir.path().join("profiles")).unwrap() {
            fs::remove_file(old.unwrap().path()).unwrap();
        }
        fs::write(dir.path().join("profiles").join(name), text).unwrap();
    };
    let enterprise = b"[Security]\nEAP-Method=TTLS\nEAP-TTLS-CACert=/etc/ssl/ca.pem\n";
    let of_manager = |more: &str| {
        format!("[connection]\ntype=wifi\n[wifi]\nssid=Home\n[wifi-security]\n{more}\n")
            .into_bytes()
    };
    for (title, name, text) in [
        (
            "A profile for this machine alone",
            "Home.psk",
            b"[Security]\nEncryptedSecurity=x\n".to_vec(),
        ),
        (
            "A line that iwd refuses",
            "Home.psk",
            b"[Security]\nnonsense\n".to_vec(),
        ),
        ("No text", "Home.psk", b"\xff\xfe".to_vec()),
        ("No passphrase", "Home.psk", b"[Security]\n".to_vec()),
        (
            "A passphrase that is too short",
            "Home.psk",
            b"[Security]\nPassphrase=tea\n".to_vec(),
        ),
        (
            "A key that is cut short",
            "Home.psk",
            b"[Security]\nPreSharedKey=0123\n".to_vec(),
        ),
        ("A certificate elsewhere", "Work.8021x", enterprise.to_vec()),
        ("WEP", "Home.nmconnection", of_manager("key-mgmt=none")),
        (
            "A passphrase in a keyring",
            "Home.nmconnection",
            of_manager("key-mgmt=wpa-psk\npsk-flags=1"),
        ),
        (
            "A passphrase that is asked for",
            "Home.nmconnection",
            of_manager("key-mgmt=wpa-psk\npsk-flags=2"),
        ),
        (
            "An enterprise network of NetworkManager",
            "Home.nmconnection",
            of_manager("key-mgmt=wpa-eap"),
        ),
        (
            "A network without a name",
            "wpa_supplicant.conf",
            b"network={\n  psk=\"tea for two\"\n}\n".to_vec(),
        ),
        (
            "A passphrase elsewhere",
            "wpa_supplicant.conf",
            b"network={\n  ssid=\"Home\"\n  psk=ext:home\n}\n".to_vec(),
        ),
    ] {
        put(name, &text);
        page.fails(
            title,
            &mut spinet(&["show", "Home", "--wifi-from", "profiles"]),
        );
    }
    fs::write(
        profile(dir.path(), "Home.psk"),
        "[Security]\nPassphrase=tea for two\n",
    )
    .unwrap();
    // the network joined last comes first
    let joined = fs::File::create(profile(dir.path(), "Shed.open")).unwrap();
    joined.set_modified(std::time::UNIX_EPOCH).unwrap();
    page.fails(
        "Two networks, and this machine is in none",
        &mut spinet(&["show", "--wifi-from", "profiles"]),
    );
    page.fails(
        "A network of another name",
        &mut spinet(&["show", "Hone", "--wifi-from", "profiles"]),
    );
    page.compare();
}

fn profile(dir: &Path, name: &str) -> std::path::PathBuf {
    dir.join("profiles").join(name)
}
