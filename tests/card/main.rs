//! The card as a whole program: the writer, its guards and the process with rights, on real loop devices and card files.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod faults;
mod guards;
mod privileged;
mod rig;
mod write;
