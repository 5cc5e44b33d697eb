//! `spinet secrets` and `spinet host enroll` as a whole program, in a plain agenix folder, with the real nix.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

mod check;
mod edit;
mod enroll;
mod folder;
mod identities;
mod killed;
mod peers;
mod rekey;
#[path = "../lab/terminal.rs"]
mod terminal;
