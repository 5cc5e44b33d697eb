//! What the user sees when something is wrong: real runs on real faults, kept as pages of text that are read as a whole
//! (tests/errors/*.txt). `SPINET_BLESS=1` writes them anew.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "tests; and a page is one long list"
)]

mod arguments;
mod bootstrap;
mod builds;
mod card;
mod changes;
mod emulation;
mod first_contact;
mod flake;
#[allow(dead_code, reason = "the tests of the secrets use the rest")]
#[path = "../secrets/folder.rs"]
mod folder;
mod full_images;
mod hosts;
mod identities;
mod page;
mod places;
mod programs;
mod questions;
mod rehearsal;
#[allow(dead_code, reason = "the tests of the card use the rest")]
#[path = "../card/rig.rs"]
mod rig;
#[allow(dead_code, reason = "the tests of the doctor use the rest")]
#[path = "../doctor/scene.rs"]
mod scene;
mod secrets;
#[path = "../lab/terminal.rs"]
mod terminal;
mod wifi;
mod writing;
