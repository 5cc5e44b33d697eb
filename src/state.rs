//! What spinet remembers outside the flake, one folder for each: the key on a card that has not shown itself yet, and
//! files that are being replaced.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// A pin that waits for its host: written before the card is, removed when everything trusts the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Names this run; the card carries it too.
    pub attempt: String,
    /// The public key on the card; none when the host makes its own at first boot.
    pub key: Option<String>,
    /// The public key pinned for the host before, to be replaced once the new one has shown itself.
    pub replaces: Option<String>,
    /// The card is whole: written, verified and bootable.
    pub written: bool,
    /// The card, as the user named it.
    pub card: PathBuf,
    /// The card holds the host's permanent configuration, not the bootstrap image.
    #[serde(default)]
    pub full: bool,
    /// Keys that were put into the rules for a card that has not shown itself: this one's, and those of cards that were
    /// given up while another was being put in their place.
    #[serde(default)]
    pub added: Vec<String>,
}

/// The state file of one host of one flake.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    /// Held while a bootstrap of this host runs.
    _lock: std::fs::File,
}

impl State {
    /// Opens the state of `host` under `$XDG_STATE_HOME/spinet` and keeps other runs out until dropped.
    pub fn open(flake: &Path, host: &str) -> Result<Self> {
        Self::open_in(&of_tree(flake)?, host)
    }

    fn open_in(base: &Path, host: &str) -> Result<Self> {
        std::fs::create_dir_all(base)
            .with_context(|| format!("while making the folder {}", base.display()))?;
        let lock = std::fs::File::create(base.join(format!("{host}.lock")))
            .with_context(|| format!("while opening the lock in {}", base.display()))?;
        if rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(
                Failure::new(format!("Another spinet is bootstrapping {host} already."))
                    .hint("Wait until it is through, or stop it.")
                    .into(),
            );
        }
        Ok(Self {
            path: pending_file(base, host),
            _lock: lock,
        })
    }

    /// The pending pin, if there is one.
    pub fn pending(&self) -> Result<Option<Pending>> {
        read(&self.path)
    }

    /// Remembers a pending pin, durably.
    pub fn remember(&self, pending: &Pending) -> Result<()> {
        let write = || -> Result<()> {
            let dir = self.path.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            file.write_all(serde_json::to_string_pretty(pending)?.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(std::fs::File::open(dir)?.sync_all()?)
        };
        write().with_context(|| format!("while writing {}", self.path.display()))
    }

    /// The host is enrolled: nothing is pending any more.
    pub fn settle(&self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("while removing {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// The pending pin of `host`, whether a bootstrap of it runs or not. Makes nothing.
pub fn peek(flake: &Path, host: &str) -> Result<Option<Pending>> {
    read(&pending_file(&of_tree(flake)?, host))
}

fn pending_file(base: &Path, host: &str) -> PathBuf {
    base.join(format!("{host}.pending.json"))
}

fn read(path: &Path) -> Result<Option<Pending>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => {
            return Err(e).with_context(|| format!("while reading {}", path.display()));
        }
    };
    let pending = serde_json::from_str(&text).map_err(|e| {
        Failure::new(format!("{} is damaged.", path.display()))
            .hint("Remove it and write the card again.")
            .source(e)
    })?;
    Ok(Some(pending))
}

/// The folder for what belongs to the flake or work tree at `root`, an absolute path. It may not exist yet.
pub fn of_tree(root: &Path) -> Result<PathBuf> {
    let name = root.to_string_lossy().replace('%', "%%").replace('/', "%");
    Ok(dir()?.join(name))
}

/// `$XDG_STATE_HOME/spinet`, by default `~/.local/state/spinet`.
pub fn dir() -> Result<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|base| base.join("spinet"))
        .ok_or_else(|| {
            Failure::new("There is no home folder to keep state in.")
                .hint("Set HOME or XDG_STATE_HOME.")
                .into()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_pin_survives_the_run_and_ends_when_settled() {
        let dir = tempfile::tempdir().unwrap();
        let pending = Pending {
            attempt: "a1".into(),
            key: Some("ssh-ed25519 AAAA".into()),
            replaces: None,
            written: false,
            card: "/dev/sda".into(),
            full: true,
            added: vec!["ssh-ed25519 AAAA".into()],
        };
        State::open_in(dir.path(), "bach")
            .unwrap()
            .remember(&pending)
            .unwrap();
        let state = State::open_in(dir.path(), "bach").unwrap();
        assert_eq!(state.pending().unwrap(), Some(pending));
        state.settle().unwrap();
        state.settle().unwrap();
        assert_eq!(state.pending().unwrap(), None);
    }

    #[test]
    fn a_pending_pin_of_an_older_spinet_is_one_of_a_bootstrap_image() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{ "attempt": "a1", "key": null, "replaces": null, "written": true, "card": "/dev/sda" }"#;
        std::fs::write(dir.path().join("bach.pending.json"), text).unwrap();
        let state = State::open_in(dir.path(), "bach").unwrap();
        let pending = state.pending().unwrap().unwrap();
        assert!(!pending.full && pending.added.is_empty());
    }

    #[test]
    fn a_second_run_for_the_same_host_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let _first = State::open_in(dir.path(), "bach").unwrap();
        assert!(
            State::open_in(dir.path(), "bach")
                .unwrap_err()
                .to_string()
                .contains("already")
        );
        State::open_in(dir.path(), "byrd").unwrap();
    }
}
