//! Tells that long work is over, to somebody who looks elsewhere: the terminal by its bell and OSC 9 (which `iTerm2`,
//! kitty, foot, Ghostty and Windows Terminal show as a notification), the desktop by `notify-send` if there is
//! one.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::ValueEnum;

use super::visible;
use crate::process::{self, Cmd};

/// Shorter work is waited for.
const LONG: Duration = Duration::from_secs(30);

/// When to notify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Notify {
    /// On a terminal, when it took 30 s or more
    #[default]
    Auto,
    /// Whatever it is and however long it took
    Always,
    Never,
}

impl Notify {
    /// Whether somebody is told.
    fn applies(self, took: Duration, is_terminal: bool) -> bool {
        match self {
            Self::Auto => is_terminal && took >= LONG,
            Self::Always => true,
            Self::Never => false,
        }
    }

    /// Tells how `what` went, if it is to be told.
    pub fn tell(self, what: &str, outcome: &str, took: Duration) {
        let is_terminal = std::io::stderr().is_terminal();
        if !self.applies(took, is_terminal) {
            return;
        }
        // where there is a second line, the first one says it
        let outcome = visible(outcome.lines().next().unwrap_or_default());
        if is_terminal {
            let _ = write!(std::io::stderr(), "{}", sequence(what, &outcome));
        }
        let has_desktop = ["WAYLAND_DISPLAY", "DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        if has_desktop && let Some(program) = process::find("notify-send") {
            Cmd::new(program)
                .args(["--app-name", "spinet", what, &outcome])
                .fire();
        }
    }
}

/// OSC 9 with its text, then the bell.
fn sequence(what: &str, outcome: &str) -> String {
    format!("\x1b]9;{what}: {outcome}\x1b\\\x07")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_work_on_a_terminal_is_told() {
        let short = Duration::from_secs(29);
        assert!(Notify::Auto.applies(LONG, true));
        assert!(!Notify::Auto.applies(LONG, false) && !Notify::Auto.applies(short, true));
        assert!(Notify::Always.applies(short, false) && !Notify::Never.applies(LONG, true));
    }

    #[test]
    fn the_terminal_gets_one_sequence_and_a_bell() {
        let text = sequence("spinet deploy", "bach: deployed");
        assert_eq!(text, "\u{1b}]9;spinet deploy: bach: deployed\u{1b}\\\u{7}");
    }
}
