//! The arguments of what updates hosts and looks at them.

use clap::Args;
use clap_complete::ArgValueCandidates;

use crate::complete;

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "they are flags")]
#[command(group = clap::ArgGroup::new("mode"), group = clap::ArgGroup::new("what"))]
pub struct Deploy {
    /// The hosts: names, patterns such as 'b*', tags such as @kitchen [default: all]
    #[arg(add = ArgValueCandidates::new(complete::hosts_and_tags))]
    pub hosts: Vec<String>,
    /// Make it what boots, and do not activate it now
    #[arg(long, group = "mode")]
    pub boot: bool,
    /// Activate it until the next start, and do not make it what boots
    #[arg(long, group = "mode")]
    pub test: bool,
    /// Make it what boots and restart the host; taken back unless confirmed after that
    #[arg(long, group = "mode")]
    pub reboot: bool,
    /// Copy it and show what its activation would do
    #[arg(long, group = "mode")]
    pub dry_activate: bool,
    /// Go back to the confirmed configuration before the last; nothing is built
    #[arg(long, group = "what", conflicts_with_all = ["diff", "cache"])]
    pub rollback: bool,
    /// Confirm what an earlier deploy left waiting, after looking at its health
    #[arg(long, group = "what", conflicts_with_all = ["mode", "diff", "specialisation"])]
    pub confirm: bool,
    /// Undo what an earlier deploy left waiting
    #[arg(long, group = "what", conflicts_with_all = ["mode", "diff", "specialisation"])]
    pub undo: bool,
    /// Activate this specialisation of the configuration
    #[arg(long, value_name = "NAME")]
    pub specialisation: Option<String>,
    /// A variant of the configuration that goes wrong on purpose, for `spinet rehearse`
    #[arg(long, value_name = "NAME", hide = true)]
    pub variant: Option<String>,
    /// Show what changes, by package and size, and ask before anything is copied
    #[arg(long)]
    pub diff: bool,
    /// Where the host answers, instead of the address in hosts/default.nix (one host only)
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Seconds after which the host undoes what nobody confirmed [default: as the host's configuration says]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=86400))]
    pub deadline: Option<u64>,
    /// Ask for the password that sudo on the hosts wants
    #[arg(long)]
    pub ask_sudo_password: bool,
    /// Replace a configuration that did not come from spinet
    #[arg(long)]
    pub force: bool,
    /// How many hosts are worked on at once
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: u16,
    /// Print every step this would take and do none
    #[arg(long)]
    pub plan: bool,
    #[command(flatten)]
    pub building: Building,
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "they are flags")]
pub struct Status {
    /// The hosts: names, patterns such as 'b*', tags such as @kitchen [default: all]
    #[arg(add = ArgValueCandidates::new(complete::hosts_and_tags))]
    pub hosts: Vec<String>,
    /// Tell everything of each host, in the place of a line each [default: for a single host]
    #[arg(short, long)]
    pub long: bool,
    /// How long a host may take to be found and to greet, in seconds; it has four times as long to let us in and tell its state
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub timeout: u16,
    /// Where the host answers, instead of the address in hosts/default.nix (one host only)
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Do not evaluate the flake, neither for what it builds nor for the secrets of the hosts
    #[arg(long)]
    pub no_build: bool,
    /// Look again and again, with this many seconds between [default: 5]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "5", value_parser = clap::value_parser!(u16).range(1..))]
    pub watch: Option<u16>,
    /// Ask for the password that sudo on the hosts wants
    #[arg(long)]
    pub ask_sudo_password: bool,
    /// How many hosts are asked at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: u16,
}

/// Where and how nix builds, and how the result travels.
#[derive(Debug, Args)]
#[command(next_help_heading = "Building and copying")]
pub struct Building {
    /// A setting for nix, as for nix itself
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"])]
    pub option: Vec<String>,
    /// Remote builders for nix, as for nix itself
    #[arg(long, value_name = "BUILDERS")]
    pub builders: Option<String>,
    /// Evaluate here, build on HOST, and bring the result here
    #[arg(long, value_name = "[USER@]HOST", conflicts_with = "build_on_host")]
    pub build_host: Option<String>,
    /// Evaluate here and build on each host itself, which takes memory and time there
    #[arg(long, conflicts_with_all = ["cache", "diff"])]
    pub build_on_host: bool,
    /// Push the closures once to this binary cache, and let the hosts fetch from it
    #[arg(long, value_name = "URL")]
    pub cache: Option<String>,
    /// Let the hosts fetch what their own binary caches have
    #[arg(long)]
    pub substitute_on_destination: bool,
}
