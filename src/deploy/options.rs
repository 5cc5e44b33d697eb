//! What the command line of a deploy asks for, checked for what clap cannot know.

use std::rc::Rc;
use std::time::Duration;

use age::secrecy::SecretString;
use anyhow::Result;

use crate::cli;
use crate::host::status::Status;
use crate::ui::Ui;

/// What becomes of the new system on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It runs now and is what boots.
    #[default]
    Switch,
    /// It runs now.
    Test,
    /// It is what boots.
    Boot,
    /// It is what boots, and the host restarts into it.
    Reboot,
    /// Nothing: what it would do is shown.
    DryActivate,
}

impl Mode {
    /// The guard's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Test => "test",
            Self::Boot => "boot",
            Self::Reboot => "reboot",
            Self::DryActivate => "dry-activate",
        }
    }

    /// Reads the guard's word.
    pub fn of(word: &str) -> Self {
        match word {
            "test" => Self::Test,
            "boot" => Self::Boot,
            "reboot" => Self::Reboot,
            _ => Self::Switch,
        }
    }

    /// Whether a host already is where this mode would take it. `runs` is the toplevel, or its specialisation.
    pub fn is_done(self, status: &Status, toplevel: &str, runs: &str) -> bool {
        let running = status.current == runs;
        let boots = status.boots(toplevel, runs);
        status.is_settled()
            && match self {
                Self::Switch => running && boots,
                Self::Test => running,
                Self::Boot => boots,
                Self::Reboot => running && boots && status.booted == runs,
                Self::DryActivate => false,
            }
    }
}

/// Where the systems come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Source {
    /// This machine's nix, and its builders.
    #[default]
    Here,
    /// `--build-host`: a store URL.
    BuildHost(String),
    /// `--build-on-host`
    EachHost,
    /// `--rollback`: they are on the hosts already.
    Previous,
}

/// A deploy as it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub mode: Mode,
    pub source: Source,
    pub specialisation: Option<String>,
    /// `--address`, for the one host there is.
    pub address: Option<String>,
    pub deadline: Option<Duration>,
    /// How long a host may take to answer at first.
    pub reach: Duration,
    pub password: Option<Rc<SecretString>>,
    pub force: bool,
    pub diff: bool,
    pub parallel: usize,
    pub cache: Option<String>,
    pub substitute: bool,
    /// `--variant`: what the flake builds for rehearsals.
    pub variant: Option<String>,
    /// Arguments for every nix.
    pub nix: Vec<String>,
}

/// How long a host that should be up may take to answer.
pub const REACH: Duration = Duration::from_secs(20);

impl Options {
    /// Asks for the password, if one is to be asked for.
    pub fn of(args: &cli::Deploy, ui: &Ui) -> Result<Self> {
        let building = &args.building;
        let mode = match args {
            _ if args.test => Mode::Test,
            _ if args.boot => Mode::Boot,
            _ if args.reboot => Mode::Reboot,
            _ if args.dry_activate => Mode::DryActivate,
            _ => Mode::Switch,
        };
        let source = match &building.build_host {
            _ if args.rollback => Source::Previous,
            _ if building.build_on_host => Source::EachHost,
            Some(host) if host.contains("://") => Source::BuildHost(host.clone()),
            Some(host) => Source::BuildHost(format!("ssh-ng://{host}")),
            None => Source::Here,
        };
        let mut nix = Vec::new();
        for pair in building.option.chunks(2) {
            nix.push("--option".to_owned());
            nix.extend_from_slice(pair);
        }
        if let Some(builders) = &building.builders {
            nix.extend(["--builders".to_owned(), builders.clone()]);
        }
        let password = ui.sudo_password(args.ask_sudo_password && !args.plan)?;
        Ok(Self {
            mode,
            source,
            specialisation: args.specialisation.clone(),
            address: args.address.clone(),
            deadline: args.deadline.map(Duration::from_secs),
            reach: REACH,
            password,
            force: args.force,
            diff: args.diff,
            parallel: usize::from(args.parallel),
            cache: building.cache.clone(),
            substitute: building.substitute_on_destination,
            variant: args.variant.clone(),
            nix,
        })
    }

    /// What the history calls it.
    pub fn action(&self) -> &'static str {
        match self.source {
            Source::Previous => "rollback",
            _ => "deploy",
        }
    }

    /// The flake's name of what a host gets.
    pub fn attr(&self, host: &str) -> String {
        match &self.variant {
            Some(variant) => format!("spinet.rehearsals.{host}.{variant}"),
            None => host.to_owned(),
        }
    }

    /// The first deploy of a host that may still have to boot.
    pub fn first(address: Option<&str>, reach: Duration) -> Self {
        Self {
            address: address.map(str::to_owned),
            reach,
            parallel: 1,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(current: &str, boots: &str, booted: &str) -> Status {
        Status {
            current: current.into(),
            profile: boots.into(),
            boot_entry: boots.into(),
            booted: booted.into(),
            ..Status::default()
        }
    }

    #[test]
    fn done_is_what_the_mode_promises() {
        let done = |current, boots, booted| {
            let status = status(current, boots, booted);
            [Mode::Switch, Mode::Test, Mode::Boot, Mode::Reboot]
                .map(|mode| mode.is_done(&status, "new", "new"))
        };
        assert_eq!(done("new", "new", "new"), [true; 4]);
        assert_eq!(done("new", "new", "old"), [true, true, true, false]);
        assert_eq!(done("new", "old", "old"), [false, true, false, false]);
        assert_eq!(done("old", "new", "old"), [false, false, true, false]);
        let status = status("new", "new", "new");
        assert!(!Mode::DryActivate.is_done(&status, "new", "new"));
    }

    #[test]
    fn a_specialisation_is_not_the_system_it_belongs_to() {
        let base = status("new", "new", "new");
        assert!(!Mode::Switch.is_done(&base, "new", "road"));
        let road = Status {
            current: "road".into(),
            boot_entry: "road".into(),
            ..base
        };
        assert!(Mode::Switch.is_done(&road, "new", "road"));
        assert!(!Mode::Switch.is_done(&road, "new", "new"));
    }

    #[test]
    fn the_guards_words_are_read_back() {
        for mode in [Mode::Switch, Mode::Test, Mode::Boot, Mode::Reboot] {
            assert_eq!(Mode::of(mode.word()), mode);
        }
    }
}
