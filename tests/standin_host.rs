//! The stand-in host behaves like a Pi where the other tests rely on it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

mod lab;

use std::time::Duration;

use lab::{Air, Host, Lab, text};

const SOON: Duration = Duration::from_secs(40);
const PROFILE: (&str, &str) = ("Home Net.psk", "[Security]\nPassphrase=correct horse\n");

#[test]
fn boots_its_card_and_keeps_what_was_written() {
    let Some(lab) = Lab::available() else { return };
    let card = lab.plain_card("mozart", Some(PROFILE));
    let host = Host::up(&lab, &card, Air::Wifi("Home Net", "correct horse"));
    assert!(host.answers_within(SOON), "no login");
    assert_eq!(
        text(&host.ssh("hostname; uname -m; systemctl is-system-running --wait")),
        "mozart\naarch64\nrunning"
    );
    let key =
        text(&host.ssh("cat /etc/ssh/ssh_host_ed25519_key.pub; touch /etc/kept /nix/kept; sync"));

    host.power_cut();
    assert!(!host.ssh("true").status.success(), "it is off");
    host.boot();
    assert!(host.answers_within(SOON), "no login after the power cut");
    assert_eq!(
        text(&host.ssh("ls /etc/kept /nix/kept; cat /etc/ssh/ssh_host_ed25519_key.pub")),
        format!("/etc/kept\n/nix/kept\n{key}")
    );
}

#[test]
fn a_wrong_passphrase_leaves_it_unreachable() {
    let Some(lab) = Lab::available() else { return };
    let card = lab.plain_card("haydn", Some(PROFILE));
    let host = Host::up(&lab, &card, Air::Wifi("Home Net", "another one"));
    assert!(
        !host.answers_within(Duration::from_secs(6)),
        "joined without the passphrase"
    );
}

#[test]
fn a_restarted_wifi_service_joins_again() {
    let Some(lab) = Lab::available() else { return };
    let card = lab.plain_card("gluck", Some(PROFILE));
    let host = Host::up(&lab, &card, Air::Wifi("Home Net", "correct horse"));
    assert!(host.answers_within(SOON), "no login");
    host.ssh("systemctl restart iwd");
    assert!(
        host.answers_within(SOON),
        "no login after iwd was restarted"
    );
}
