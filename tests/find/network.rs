//! Names and addresses that come late, move, hang, or are somebody else's.

use crate::lab::Lab;
use crate::lab::lan::{Lan, Machine, Running};

/// Sends what goes to 10.0.0.66 nowhere.
const HOLE: &str = "neigh add 10.0.0.66 lladdr 02:00:00:00:00:66 dev lan nud permanent";
const WAIT: &[&str] = &["host", "wait", "bach", "-v", "--timeout", "60"];
const WAITING: &str = "Waiting for bach.local";

/// The machine whose key is pinned for bach.
fn bach<'a>(lan: &'a Lan<'a>) -> Machine<'a> {
    let (key, file) = lan.key("bach");
    lan.flake("bach", &key);
    lan.machine(&file)
}

fn stranger<'a>(lan: &'a Lan<'a>) -> Machine<'a> {
    let (_, file) = lan.key("stranger");
    lan.machine(&file)
}

fn wait(lan: &Lan) -> Running {
    let mut spinet = Running::start(&mut lan.spinet(WAIT));
    spinet.until(WAITING);
    spinet
}

#[track_caller]
fn expect(spinet: Running, code: i32, texts: &[&str]) -> String {
    let (ended, said) = spinet.end();
    assert_eq!(ended, Some(code), "{said}");
    for text in texts {
        assert!(said.contains(text), "{text:?} is not in:\n{said}");
    }
    said
}

#[test]
fn a_late_announcement_is_heard() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let bach = bach(&lan);
    let spinet = wait(&lan);
    bach.sshd();
    bach.ip("addr add 10.0.0.2/24 dev eth0");
    bach.announce("bach");
    expect(spinet, 0, &["bach answers at", "shows its pinned key"]);
}

#[test]
fn an_ssh_server_that_comes_after_the_name_is_tried_again() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let bach = bach(&lan);
    bach.ip("addr add 10.0.0.2/24 dev eth0");
    bach.announce("bach");
    let mut spinet = wait(&lan);
    spinet.until("is at 10.0.0.2:22");
    bach.sshd();
    expect(spinet, 0, &["shows its pinned key"]);
}

#[test]
fn an_address_that_hangs_keeps_nobody_waiting() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let bach = bach(&lan);
    lan.ip(HOLE);
    bach.ip("addr add 10.0.0.66/24 dev eth0");
    bach.announce_v4("bach");
    let mut spinet = wait(&lan);
    spinet.until("is at 10.0.0.66:22");
    bach.sshd();
    bach.ip("addr add 10.0.0.2/24 dev eth0");
    expect(spinet, 0, &["bach answers at 10.0.0.2 "]);
}

#[test]
fn a_host_that_moves_is_found_where_it_is() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let bach = bach(&lan);
    bach.ip("addr add 10.0.0.2/24 dev eth0");
    bach.announce_v4("bach");
    let mut spinet = wait(&lan);
    spinet.until("is at 10.0.0.2:22");
    bach.ip("addr del 10.0.0.2/24 dev eth0");
    bach.sshd();
    bach.ip("addr add 10.0.0.3/24 dev eth0");
    expect(spinet, 0, &["bach answers at 10.0.0.3 "]);
}

#[test]
fn a_host_that_had_to_rename_itself_is_found_and_the_other_one_named() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (bach, other) = (bach(&lan), stranger(&lan));
    other.ip("addr add 10.0.0.9/24 dev eth0");
    other.sshd();
    other.announce_v4("bach");
    let mut spinet = wait(&lan);
    spinet.until("10.0.0.9:22 answers as bach.local, but shows another key");
    bach.ip("addr add 10.0.0.2/24 dev eth0");
    bach.sshd();
    // avahi itself finds the name taken, and becomes bach-2
    bach.announce_v4("bach");
    let said = expect(
        spinet,
        0,
        &[
            "bach-2.local is at 10.0.0.2:22",
            "because another machine, at 10.0.0.9, has the name bach.local",
            "bach answers at 10.0.0.2 ",
        ],
    );
    assert_eq!(said.matches("shows another key").count(), 1, "{said}");
}

#[test]
fn an_address_can_change_hands() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (bach, other) = (bach(&lan), stranger(&lan));
    other.ip("addr add 10.0.0.2/24 dev eth0");
    other.sshd();
    other.announce_v4("bach");
    let mut spinet = wait(&lan);
    spinet.until("shows another key");
    drop(other);
    bach.ip("addr add 10.0.0.2/24 dev eth0");
    bach.sshd();
    bach.announce_v4("bach");
    expect(spinet, 0, &["bach answers at 10.0.0.2 "]);
}

#[test]
fn silence_is_explained() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let _bach = bach(&lan);
    let mut command = lan.spinet(&["host", "wait", "bach", "--timeout", "2"]);
    expect(
        Running::start(&mut command),
        1,
        &[
            "nothing was heard of it",
            "wrong passphrase",
            "5 GHz",
            "country",
            "isolate",
            "UDP port 5353",
        ],
    );
}

#[test]
fn strangers_are_in_the_error() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (_bach, other) = (bach(&lan), stranger(&lan));
    other.ip("addr add 10.0.0.9/24 dev eth0");
    other.sshd();
    other.announce_v4("bach-2");
    let mut command = lan.spinet(&["host", "wait", "bach", "--timeout", "4"]);
    let said = expect(
        Running::start(&mut command),
        1,
        &[
            "Only strangers answered as bach.local",
            "10.0.0.9:22 (bach-2.local, shows another key)",
        ],
    );
    // it may really be called bach-2
    assert!(!said.contains("Warning"), "{said}");
}

#[test]
fn an_interrupt_ends_the_wait() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let bach = bach(&lan);
    lan.ip(HOLE);
    bach.ip("addr add 10.0.0.66/24 dev eth0");
    bach.announce_v4("bach");
    let mut spinet = wait(&lan);
    spinet.until("is at 10.0.0.66:22");
    spinet.interrupt();
    expect(spinet, 1, &["Stopped."]);
}
