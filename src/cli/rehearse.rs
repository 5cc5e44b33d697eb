//! The arguments of a rehearsal.

use std::path::PathBuf;

use clap::Args;
use clap_complete::ArgValueCandidates;

use crate::complete;

#[derive(Debug, Args)]
pub struct Rehearse {
    /// The host, as hosts/default.nix names it [default: the only one that has a card]
    #[arg(add = ArgValueCandidates::new(complete::hosts))]
    pub host: Option<String>,
    /// Contents for the host's secrets, in files named like them without .age; the others get made-up ones
    #[arg(long, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// Also so many faults drawn at random: what is deployed, what happens to it, and when
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub faults: u32,
    /// What the draw begins with; the same number draws the same faults [default: one that is told]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How long the virtual Pi may take to start, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub timeout: u64,
    /// Leave the scratch folder behind: flake, card, console and all output
    #[arg(long)]
    pub keep: bool,
    /// Print every step this would take and do none
    #[arg(long)]
    pub plan: bool,
}
