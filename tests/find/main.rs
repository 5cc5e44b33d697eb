//! Finding a host that may still have to boot, on a real link with real avahi and sshd. Needs root.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

mod known_hosts;
#[path = "../lab/mod.rs"]
mod lab;
mod link_local;
mod network;
