//! `spinet doctor` as a whole program: the real nix on a flake that is right and then is not, and hosts on a real link.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

#[allow(dead_code, reason = "the tests of the secrets use the rest")]
#[path = "../secrets/folder.rs"]
mod folder;
mod hosts;
#[path = "../lab/mod.rs"]
mod lab;
mod machine;
mod scene;
