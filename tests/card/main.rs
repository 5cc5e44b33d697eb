//! The card as a whole program: the writer, its guards and the process with rights, on real loop devices and card files.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod elevation;
mod faults;
mod guards;
#[path = "../lab/mod.rs"]
mod lab;
mod privileged;
mod rig;
#[path = "../lab/terminal.rs"]
mod terminal;
mod write;
