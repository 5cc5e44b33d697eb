//! What the history is told of a deploy: each host by itself, as soon as it is known how it ended.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::report::Outcome;
use crate::error::Exit;
use crate::history::{History, Running};

/// The hosts of a run that have not ended. Those left when it is dropped were stopped.
#[derive(Default)]
pub struct Record(RefCell<BTreeMap<String, Running>>);

impl Record {
    pub fn begin(&self, history: &History, action: &'static str, hosts: &[&str]) {
        let running = hosts
            .iter()
            .map(|host| ((*host).to_owned(), history.begin(action, Some(host))));
        self.0.borrow_mut().extend(running);
    }

    pub fn system(&self, host: &str, toplevel: &str) {
        self.with(host, |running| running.system(toplevel));
    }

    pub fn attempt(&self, host: &str, id: &str) {
        self.with(host, |running| running.attempt(id));
    }

    pub fn undecided(&self, host: &str) {
        self.with(host, Running::undecided);
    }

    pub fn ended(&self, host: &str, outcome: &Outcome) {
        let Some(running) = self.0.borrow_mut().remove(host) else {
            return;
        };
        if let Outcome::Failed(error) = outcome {
            return running.failed(error);
        }
        let exit = outcome.exit().map_or(0, Exit::code);
        running.end(outcome.word(), exit, Some(&outcome.detail()));
    }

    /// The run ended before its hosts did.
    pub fn failed(&self, error: &anyhow::Error) {
        let left = std::mem::take(&mut *self.0.borrow_mut());
        for running in left.values() {
            running.failed(error);
        }
    }

    fn with(&self, host: &str, tell: impl FnOnce(&Running)) {
        if let Some(running) = self.0.borrow().get(host) {
            tell(running);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::options::Mode;
    use crate::history::read;

    #[test]
    fn each_host_is_told_by_its_own_end() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::default();
        let hosts = ["bach", "byrd", "haydn", "orff", "satie"];
        record.begin(&History::at(dir.path()), "deploy", &hosts);
        for host in ["bach", "byrd", "orff"] {
            record.system(host, "/nix/store/new");
            record.undecided(host);
        }
        record.ended("bach", &Outcome::Deployed(Mode::Switch));
        let undone = Outcome::Undone {
            reason: "Not healthy.".into(),
        };
        record.ended("byrd", &undone);
        record.ended("haydn", &Outcome::Failed(anyhow::anyhow!("No room.")));
        // stopped: one in its activation, one before
        drop(record);
        let (entries, _) = read(dir.path()).unwrap();
        let told: Vec<_> = entries
            .iter()
            .map(|e| (e.host.as_deref().unwrap_or("-"), e.outcome.as_str(), e.exit))
            .collect();
        let expected = [
            ("bach", "deployed", 0),
            ("byrd", "undone", 4),
            ("haydn", "failed", 1),
            ("orff", "unknown", 5),
            ("satie", "stopped", 1),
        ];
        assert_eq!(told, expected);
        assert_eq!(entries[2].detail.as_deref(), Some("No room."));
        assert_eq!(entries[3].system.as_deref(), Some("/nix/store/new"));
        assert_eq!(entries[4].system, None);
    }

    #[test]
    fn a_run_that_fails_as_a_whole_failed_for_every_host_left() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::default();
        record.begin(&History::at(dir.path()), "rollback", &["bach", "byrd"]);
        record.ended("bach", &Outcome::Unchanged(Mode::Switch));
        record.failed(&anyhow::anyhow!("The cache is full."));
        let (entries, _) = read(dir.path()).unwrap();
        let told: Vec<_> = entries.iter().map(|e| e.outcome.as_str()).collect();
        assert_eq!(told, ["unchanged", "failed"]);
    }
}
