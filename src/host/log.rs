//! What a host's guard keeps of its last decisions: who deploys from elsewhere, or asks when nobody waited any more, finds
//! there how an attempt ended.

use std::rc::Rc;

use age::secrecy::SecretString;
use anyhow::Result;

use super::look::answer;
use super::root::Root;
use super::wait::Search;
use crate::clock;
use crate::ui::Ui;

/// Prints the log below a line that says there is one.
const SCRIPT: &str = "log=/var/lib/spinet/guard/log; [ ! -e $log ] || { echo log: && cat $log; }";

/// One end of an attempt, as the guard wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// By the host's clock: RFC 3339, UTC, whole seconds.
    pub time: String,
    pub attempt: String,
    /// committed, tested, undone or failed.
    pub phase: String,
    /// The toplevel that was to run, and the one before it.
    pub new: String,
    pub old: String,
}

/// The log of one host.
#[derive(Debug, PartialEq, Eq)]
pub struct Log {
    /// The oldest first.
    pub decisions: Vec<Decision>,
    /// How many lines cannot be read.
    pub skipped: usize,
}

impl Log {
    /// Reads it on the host; none where the guard has not written one yet. `password` is sudo's, where one is wanted.
    pub async fn of(
        search: &Search<'_>,
        key: &str,
        password: Option<&Rc<SecretString>>,
        ui: &Ui,
    ) -> Result<Option<Self>> {
        let users = search.host.users();
        let read = |user: &str| Root::of(user, password).run(&["sh", "-c", SCRIPT], &[]);
        let (target, output) = search.enter(key, &users, read, ui).await?;
        let root = Root::of(&target.host.user, password);
        Ok(Self::parse(&answer(&target, &root, &output)?))
    }

    fn parse(told: &str) -> Option<Self> {
        let lines = told.strip_prefix("log:\n")?.lines();
        let (mut decisions, mut skipped) = (Vec::new(), 0);
        for line in lines.filter(|line| !line.is_empty()) {
            match Decision::parse(line) {
                Some(decision) => decisions.push(decision),
                None => skipped += 1,
            }
        }
        Some(Self { decisions, skipped })
    }
}

impl Decision {
    /// `2026-11-26T13:24:24Z ATTEMPT PHASE NEW OLD`; a later guard may have more to say.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').map(str::to_owned);
        let mut word = || words.next().filter(|word| !word.is_empty());
        let decision = Self {
            time: word()?,
            attempt: word()?,
            phase: word()?,
            new: word()?,
            old: word()?,
        };
        let known = ["committed", "tested", "undone", "failed"].contains(&decision.phase.as_str());
        (known && clock::is_stamp(&decision.time)).then_some(decision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_log_an_empty_one_and_a_damaged_one_are_told_apart() {
        assert_eq!(Log::parse(""), None);
        let empty = Log {
            decisions: Vec::new(),
            skipped: 0,
        };
        assert_eq!(Log::parse("log:\n"), Some(empty));
        let told = "log:\n\
            2026-11-26T13:24:24Z 17-4 undone /nix/store/new /nix/store/old\n\
            2026-11-26T13:25\n\
            2026-11-26T13:25:00Z 18-4 dancing /nix/store/new /nix/store/old\n\
            yesterday 18-4 undone /nix/store/new /nix/store/old\n\
            2026-11-26T13:26:00Z 19-4 committed /nix/store/newer /nix/store/old later\n";
        let log = Log::parse(told).unwrap();
        assert_eq!(log.skipped, 3);
        let phases: Vec<_> = log.decisions.iter().map(|d| d.phase.as_str()).collect();
        assert_eq!(phases, ["undone", "committed"]);
        assert_eq!(log.decisions[1].old, "/nix/store/old");
    }
}
