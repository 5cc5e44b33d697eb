//! The one process with rights: it reads the wifi profiles and holds the card, and does nothing else.
//! Started once, before the long build, and spoken to over its standard input and output: one JSON value a line,
//! a closed set of messages. Secrets cross only here, and never an argument list.

mod child;
mod client;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use crate::card::seed::SeedFile;
pub use crate::card::write::Phase;
pub use child::run_child;
pub use client::{Rights, needs_root};

/// The card to open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CardRequest {
    pub path: PathBuf,
    /// `--allow-fixed-disk`
    pub allow_fixed_disk: bool,
}

/// The card that was opened, for the user to confirm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CardInfo {
    pub path: PathBuf,
    /// Model, size, bus, serial, and what is on it.
    pub describe: String,
    /// A new or empty file: nothing is lost.
    pub blank_file: bool,
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
    /// Every file of iwd's folder that could be a profile.
    WifiProfiles(PathBuf),
    /// Opens a card and keeps it.
    Open(CardRequest),
    /// Writes the open card, and closes it.
    Write {
        image: PathBuf,
        files: Vec<SeedFile>,
    },
}

/// What it answers.
#[derive(Serialize, Deserialize)]
enum Reply {
    /// File names and contents, the network joined last first.
    Profiles(Vec<(String, Zeroizing<Vec<u8>>)>),
    Card(CardInfo),
    Progress(Phase, u64, u64),
    Written(Written),
    /// The whole error as it would be printed.
    Failed {
        message: String,
        details: Vec<String>,
        hints: Vec<String>,
    },
}
