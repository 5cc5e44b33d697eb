//! The arguments of the check-up.

use clap::Args;
use clap_complete::ArgValueCandidates;

use crate::complete;

use super::Identity;

#[derive(Debug, Args)]
pub struct Doctor {
    /// Hosts to look at as well: names, patterns such as '*', tags such as @kitchen [default: this machine and the flake]
    #[arg(add = ArgValueCandidates::new(complete::hosts_and_tags))]
    pub hosts: Vec<String>,
    /// Where the host answers, instead of the address in hosts/default.nix (one host only)
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Ask for the password that sudo on the hosts wants
    #[arg(long)]
    pub ask_sudo_password: bool,
    /// How many hosts are asked at once
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: u16,
    #[command(flatten)]
    pub identity: Identity,
}
