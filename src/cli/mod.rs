//! The command line, as clap reads it. Nothing is decided here.
#![allow(clippy::doc_markdown, reason = "these comments are the help text")]

mod deploy;
mod doctor;
mod help;
mod log;
mod rehearse;
mod secrets;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::{ArgValueCandidates, ArgValueCompleter};

use crate::complete;
use crate::privileged::Grant;
use crate::ui::Notify;
use crate::wifi::Country;

pub use deploy::{Deploy, Status};
pub use doctor::Doctor;
pub use help::command;
pub use log::Log;
pub use rehearse::Rehearse;
pub use secrets::{Access, Check, Edit, Generate, Identity, Kind, Rekey, RulesFile, Secrets};

/// Two commands for NixOS on a Raspberry Pi: a blank card becomes a trusted machine, and every later change reaches it.
#[derive(Debug, Parser)]
#[command(name = "spinet", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "they are flags")]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The flake to work on [default: nearest flake.nix upwards]
    #[arg(short = 'C', long, value_name = "DIR", global = true)]
    pub flake: Option<PathBuf>,
    /// Answer every confirmation with yes (never other questions)
    #[arg(long, global = true)]
    pub yes: bool,
    /// Show what is being run and what it prints
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Print the result as JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Do not show progress at the foot of the terminal
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Tell what happens as JSON lines on standard error, for another program; no questions are asked
    #[arg(long, global = true)]
    pub events: bool,
    /// When the terminal and the desktop tell that a run is over
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", global = true)]
    pub notify: Notify,
}

impl Command {
    /// Its name on the command line.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Bootstrap(_) => "bootstrap",
            Self::Deploy(_) => "deploy",
            Self::Status(_) => "status",
            Self::Doctor(_) => "doctor",
            Self::Rehearse(_) => "rehearse",
            Self::Log(_) => "log",
            Self::Secrets(_) => "secrets",
            Self::Host(_) => "host",
            Self::Wifi(_) => "wifi",
            Self::Card(_) => "card",
            Self::Completions { .. } => "completions",
            Self::Man { .. } => "man",
            Self::Privileged(_) => "privileged",
        }
    }

    /// An interrupt is how it is meant to end.
    pub fn ends_when_interrupted(&self) -> bool {
        matches!(self, Self::Status(args) if args.watch.is_some())
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn a blank card into a trusted machine
    ///
    /// Image, wifi, identity, first contact, enrolment and rekey, in this order. A run that was cut short goes on where it
    /// was.
    Bootstrap(Bootstrap),
    /// Bring every later change, undone if it breaks
    ///
    /// Built here, copied, activated under a guard on the host, confirmed over a fresh connection and made permanent; what
    /// cannot be confirmed the host undoes by itself.
    Deploy(Deploy),
    /// What the hosts run, and what ails them
    ///
    /// Also whether that is what the flake builds, and what waits to be decided. Nothing is changed.
    Status(Status),
    /// Look for what would go wrong, with remedies
    ///
    /// What keeps this machine, the flake or a host from working, found before it bites. Nothing is changed. Exit code 3 if
    /// something fails; warnings alone are 0.
    Doctor(Doctor),
    /// Try it all against a virtual Pi
    ///
    /// The whole life of a host against a virtual Pi that boots the very card: bootstrap, deploy, and what goes wrong. In a
    /// scratch copy of the flake, with keys, secrets and a network made for the occasion: nothing of yours is touched. Exit
    /// code 0 if every promise was kept.
    Rehearse(Rehearse),
    /// What was done, by whom, and how it ended
    ///
    /// What was bootstrapped, deployed, undone, enrolled and done to secrets from this machine: when, from which revision,
    /// by whom, and how it ended; with --on-host also what the host itself decided.
    ///
    /// The newest comes last. Why a run did not end as wanted stands below it, with -v how each ended. A narrow terminal has
    /// no room for who and the revision; --json tells everything.
    Log(Log),
    /// The age files and who can read them
    ///
    /// What agenix' command line does, without a half-done state; in a plain agenix folder too.
    #[command(subcommand)]
    Secrets(Secrets),
    /// The identity of one host
    #[command(subcommand)]
    Host(Host),
    /// The wifi networks this machine knows
    #[command(subcommand)]
    Wifi(Wifi),
    /// The cards attached to this machine
    #[command(subcommand)]
    Card(Card),
    /// Complete commands in bash, zsh or fish
    ///
    /// Prints the code by which the shell completes spinet's commands, with hosts, tags, secrets, networks and cards as they
    /// are. The package installs it; by hand: source <(spinet completions bash), or in fish: spinet completions fish |
    /// source.
    Completions { shell: Shell },
    /// Print spinet's man page, or write them all
    Man {
        /// Where the pages of all commands are written [default: only that of spinet itself is printed]
        folder: Option<PathBuf>,
    },
    /// The part of spinet that runs with rights; started by spinet itself
    #[command(hide = true)]
    Privileged(Grant),
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "they are flags")]
pub struct Bootstrap {
    /// The host, as hosts/default.nix names it
    #[arg(add = ArgValueCandidates::new(complete::hosts))]
    pub host: String,
    /// The card: a device such as /dev/sda or /dev/mmcblk0, or a file to write the card into
    #[arg(long, value_name = "PATH", add = ArgValueCompleter::new(complete::card))]
    pub card: Option<PathBuf>,
    /// The network to put on the card [default: the one this machine is in]
    #[arg(long, value_name = "SSID", conflicts_with = "no_wifi", add = ArgValueCandidates::new(complete::networks))]
    pub wifi: Option<String>,
    /// Put no wifi on the card: the host is wired
    #[arg(long)]
    pub no_wifi: bool,
    #[command(flatten)]
    pub wifi_from: WifiFrom,
    /// The country the radio keeps to, two letters [default: as this machine is set]
    #[arg(long, value_name = "XX")]
    pub wifi_country: Option<Country>,
    /// Put an enterprise (802.1x) profile on the card: its credentials are a person's
    #[arg(long)]
    pub allow_enterprise: bool,
    /// What the card holds
    #[arg(long, value_enum, default_value_t = Image::Bootstrap)]
    pub image: Image,
    /// Where the host's SSH key comes from
    #[arg(long, value_enum, default_value_t = HostKey::Seeded)]
    pub host_key: HostKey,
    /// With --host-key first-boot: accept the key with this fingerprint (SHA256:..), without asking
    #[arg(long, value_name = "SHA256:..")]
    pub fingerprint: Option<String>,
    /// Where the host answers, instead of the address in hosts/default.nix
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// How long to wait for the host, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub timeout: u64,
    /// Write a disk that is neither removable nor USB nor an SD card
    #[arg(long)]
    pub allow_fixed_disk: bool,
    /// Write the card again, even if an earlier run already did and waits for its first boot
    #[arg(long)]
    pub reflash: bool,
    /// Go on to the first deploy
    #[arg(long)]
    pub deploy: bool,
    #[command(flatten)]
    pub access: Access,
    /// Print every step this would take and do none
    #[arg(long)]
    pub plan: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Image {
    /// A small system to reach the host by; the first deploy brings its permanent configuration
    Bootstrap,
    /// The permanent configuration itself: its secrets are encrypted for the card's key before the image is built, so it needs a key made here
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HostKey {
    /// Made here in memory, put on the card, pinned before the first boot
    Seeded,
    /// As seeded, and also kept as HOST-host-key.age for the admins, to be used again on the next card: nothing is rekeyed
    Keep,
    /// Made by the host; its fingerprint is shown and confirmed at first contact
    FirstBoot,
}

#[derive(Debug, Args)]
pub struct Enroll {
    /// The host; in a folder without a flake, what its key is called in the rules
    #[arg(add = ArgValueCandidates::new(complete::hosts))]
    pub name: String,
    /// The host's public key (ssh-ed25519 ..), or a file that holds it [default: the one pinned for it]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// The public key it replaces [default: the one pinned for it, else found by the host's name]
    #[arg(long, value_name = "KEY")]
    pub old_key: Option<String>,
    /// A secret it reads, as the rules name it [default: those its configuration names; without a flake, those its old key reads]
    #[arg(long = "secret", value_name = "FILE", add = ArgValueCandidates::new(complete::secrets))]
    pub secrets: Vec<String>,
    /// Change the rules only
    #[arg(long)]
    pub no_rekey: bool,
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub rules: RulesFile,
    /// Print the change and do nothing
    #[arg(long)]
    pub plan: bool,
}

#[derive(Debug, Subcommand)]
pub enum Host {
    /// Insert or replace the host's key in the rules, pin it in hosts/known_hosts, rekey what changed
    Enroll(Enroll),
    /// Wait until the host answers and shows the pinned key
    Wait {
        /// The host, as hosts/default.nix names it
        #[arg(add = ArgValueCandidates::new(complete::hosts))]
        name: String,
        /// Where the host answers, instead of the address in hosts/default.nix
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
        /// How long to wait, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        timeout: u64,
    },
    /// Print the key the host shows, without trusting it
    Scan {
        /// The host, as hosts/default.nix names it
        #[arg(add = ArgValueCandidates::new(complete::hosts))]
        name: String,
        /// Where the host answers, instead of the address in hosts/default.nix
        #[arg(long, value_name = "ADDRESS")]
        address: Option<String>,
        /// How long to wait, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        timeout: u64,
    },
}

#[derive(Debug, Subcommand)]
pub enum Wifi {
    /// The networks, and why those that cannot be used cannot
    List {
        #[command(flatten)]
        from: WifiFrom,
    },
    /// What would go on a card: one network, without its secrets
    Show {
        /// The network [default: the one this machine is in]
        #[arg(add = ArgValueCandidates::new(complete::networks))]
        ssid: Option<String>,
        /// Show the secrets
        #[arg(long)]
        reveal: bool,
        /// Print the profile as a file of iwd's; goes with --reveal
        #[arg(long, requires = "reveal")]
        iwd: bool,
        #[command(flatten)]
        from: WifiFrom,
    },
}

#[derive(Debug, Args)]
pub struct WifiFrom {
    /// A folder of iwd or NetworkManager profiles, or a wpa_supplicant.conf [default: this machine's own]
    #[arg(long, value_name = "PATH")]
    pub wifi_from: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Card {
    /// Disks that could be a card, and why the others are refused
    List,
    /// Write an image to a card and verify it, nothing else
    ///
    /// Only the blocks that the image's own ext4 root file system uses are written; all else, and images without one,
    /// whole. The first block comes last: a card that was not finished does not boot.
    Write {
        /// An .img or .img.zst file, or a folder that holds one
        image: PathBuf,
        /// A device or a file
        #[arg(add = ArgValueCompleter::new(complete::card))]
        card: PathBuf,
        /// Write a disk that is neither removable nor USB nor an SD card
        #[arg(long)]
        allow_fixed_disk: bool,
        /// Print every step this would take and do none
        #[arg(long)]
        plan: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}
