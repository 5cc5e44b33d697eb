//! The one process with rights: it reads the wifi profiles and holds the card, and does nothing else.
//! Started once, before the long build, and spoken to over its standard input and output: one JSON value a line,
//! a closed set of messages. Secrets cross only here, and never an argument list.
//!
//! It is started for one card, named in its arguments, which is what sudo and its kind show, log and allow. From then on
//! it does not trust its parent: no other card is opened, nothing is written before somebody typed the card's name, and
//! images and card files are opened with the rights of the user who asked sudo, not its own.

mod child;
mod client;

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

pub use crate::card::seed::SeedFile;
pub use crate::card::write::Phase;
use crate::wifi::ProfileFile;
pub use child::run_child;
pub use client::{CardChoice, Rights, elevator, needs_root};

/// What the child may do, in its arguments.
#[derive(Debug, Args)]
pub struct Grant {
    /// The one card it may write
    #[arg(long)]
    card: Option<PathBuf>,
    /// The card may be a disk that does not look like one
    #[arg(long)]
    allow_fixed_disk: bool,
    /// The user said yes to losing what is on the card
    #[arg(long)]
    confirmed: bool,
}

/// The card that was opened, for the user to confirm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CardInfo {
    pub path: PathBuf,
    /// Model, size, bus, serial, and what is on it.
    pub describe: String,
    /// Nothing is lost, or the user said yes to that already.
    pub confirmed: bool,
}

/// A written card.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Written {
    pub bytes: u64,
    pub seconds: f64,
}

/// What the child can be asked for.
#[derive(Serialize, Deserialize)]
enum Request {
    /// What could be a wifi profile in this machine's own places, and nowhere else.
    WifiProfiles,
    /// Opens the card and keeps it. `sequence` is the kernel's number of the card that was chosen from a list.
    Open { sequence: Option<u64> },
    /// What the user typed when asked for the card's name.
    Confirm(String),
    /// Writes the open and confirmed card, and closes it.
    Write {
        image: PathBuf,
        files: Vec<SeedFile>,
    },
}

/// What it answers.
#[derive(Serialize, Deserialize)]
enum Reply {
    Profiles(Vec<ProfileFile>),
    Card(CardInfo),
    Confirmed,
    Progress(Phase, u64, u64),
    Written(Written),
    /// The whole error as it would be printed.
    Failed {
        message: String,
        details: Vec<String>,
        hints: Vec<String>,
    },
}
