//! The arguments of the history.

use clap::Args;
use clap_complete::ArgValueCandidates;

use crate::complete;

#[derive(Debug, Args)]
pub struct Log {
    /// Only what was done with this host, which need not be in the flake any more [default: everything]
    #[arg(add = ArgValueCandidates::new(complete::hosts))]
    pub host: Option<String>,
    /// Only the last N entries [default: all]
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
}
