//! The arguments of the history.

use clap::Args;
use clap_complete::ArgValueCandidates;

use crate::complete;

#[derive(Debug, Args)]
pub struct Log {
    /// Only what was done with this host, which need not be in the flake any more [default: everything]
    #[arg(add = ArgValueCandidates::new(complete::hosts_and_recorded))]
    pub host: Option<String>,
    /// Only the last N entries [default: all]
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Also what the host itself recorded: how each attempt ended there, whoever deployed and whether anybody waited
    #[arg(long, requires = "host")]
    pub on_host: bool,
    /// With --on-host: where the host answers, instead of the address in hosts/default.nix
    #[arg(long, value_name = "ADDRESS", requires = "on_host")]
    pub address: Option<String>,
    /// With --on-host: ask for the password that sudo on the host wants
    #[arg(long, requires = "on_host")]
    pub ask_sudo_password: bool,
}
