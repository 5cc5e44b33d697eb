//! The steps of a rehearsal: what each is about, and what was promised of it.

use super::fault::{Drawn, Fault, Stage};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Bootstrap,
    Deploy,
    CutsNetwork,
    DiskFull,
    During(Stage, Fault),
    ReflashKilled,
    OldCard,
    NewCard,
    DeployAgain,
    Drawn(Drawn),
}

/// Those that are always taken, in their order.
pub const STEPS: &[Step] = &[
    Step::Bootstrap,
    Step::Deploy,
    Step::CutsNetwork,
    Step::DiskFull,
    Step::During(Stage::Copying, Fault::Power),
    Step::During(Stage::Activating, Fault::PowerAndClock),
    Step::ReflashKilled,
    Step::OldCard,
    Step::NewCard,
    Step::DeployAgain,
];

impl Step {
    /// What is done.
    pub fn title(&self) -> String {
        match self {
            Self::Bootstrap => "bootstrap, the card boots".into(),
            Self::Deploy => "deploy the configuration".into(),
            Self::CutsNetwork => "deploy one that cuts its network".into(),
            Self::DiskFull => "deploy onto a full disk".into(),
            Self::During(stage, fault) => format!("{} while {}", fault.word(), stage.word()),
            Self::ReflashKilled => "reflash, killed before the boot".into(),
            Self::OldCard => "the old card is in it still".into(),
            Self::NewCard => "the new card boots, run again".into(),
            Self::DeployAgain => "deploy onto the new card".into(),
            Self::Drawn(drawn) => format!(
                "{} {}.{} s into {}",
                drawn.fault.word(),
                drawn.after / 1000,
                drawn.after % 1000 / 100,
                drawn.stage.word()
            ),
        }
    }

    /// What goes wrong meanwhile.
    pub fn fault(&self) -> &'static str {
        match self {
            Self::Bootstrap | Self::Deploy | Self::NewCard | Self::DeployAgain => "none",
            Self::CutsNetwork => "configuration",
            Self::DiskFull => "disk full",
            Self::During(_, fault) | Self::Drawn(Drawn { fault, .. }) => fault.word(),
            Self::ReflashKilled => Fault::Kill.word(),
            Self::OldCard => "stranger",
        }
    }

    /// What spinet promises of it.
    pub fn promise(&self) -> String {
        match self {
            Self::Bootstrap => "The card boots, shows the key that was put on it, and is enrolled under it alone.",
            Self::Deploy | Self::DeployAgain => "The Pi runs and boots what the flake builds, with all its secrets.",
            Self::CutsNetwork => "The Pi undoes it by itself and is back on its former system; exit code 4.",
            Self::DiskFull => "Nothing is copied and nothing changes; exit code 1.",
            Self::During(..) | Self::Drawn(_) => "The Pi ends on the former system or on the new one, whole; what spinet reports is what it runs; the next deploy works.",
            Self::ReflashKilled => "The old key stays pinned until the new card has shown its own.",
            Self::OldCard => "It is told apart by its key, and nothing is enrolled; exit code 1.",
            Self::NewCard => "The second run picks up: the new key is in the place of the old one, everywhere.",
        }
        .into()
    }
}
