//! The guard alone, against toy systems on a stand-in host: every way an attempt can end.
#![allow(clippy::expect_used, reason = "tests")]

mod lab;

use std::process::Command;
use std::time::Duration;

use lab::{Air, Host, Lab, project, run};

#[test]
fn every_attempt_ends_as_promised() {
    let Some(lab) = Lab::available() else { return };
    let card = lab.plain_card("haydn", None);
    let host = Host::up(&lab, &card, Air::Wired);
    assert!(host.answers_within(Duration::from_secs(40)), "no login");
    let ssh = format!(
        "ssh -F none -i {} -o BatchMode=yes -o ConnectTimeout=2 -o LogLevel=ERROR -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@{}",
        lab.key().display(),
        host.address()
    );
    let mut cases = Command::new(project().join("tests/guard.sh"));
    lab.seal(&mut cases).env("SPINET_TEST_SSH", ssh);
    // some of them only: SPINET_CASES="boot history"
    if let Ok(names) = std::env::var("SPINET_CASES") {
        cases.args(names.split_whitespace());
    }
    run(&mut cases);
}
