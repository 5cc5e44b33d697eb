//! Names and addresses that come late, move, hang, or are somebody else's.

use crate::lab::Lab;
use crate::lab::lan::{Lan, Running};

const WAIT: &[&str] = &["host", "wait", "bach", "-v", "--timeout", "60"];
const WAITING: &str = "Waiting for bach.local";

#[test]
fn a_late_announcement_is_heard() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (key, file) = lan.key("bach");
    lan.flake("bach", &key);
    let bach = lan.machine(file);
    bach.sshd();
    let mut spinet = Running::start(&mut lan.spinet(WAIT));
    spinet.until(WAITING);
    bach.ip("addr add 10.0.0.2/24 dev eth0");
    bach.announce("bach");
    let (code, said) = spinet.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("shows its pinned key"), "{said}");
}
