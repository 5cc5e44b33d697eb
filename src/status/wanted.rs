//! What the flake wants of its hosts: the system each is to run, and the secrets it is to read. Evaluated in one go, and
//! again only when the flake has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result};
use serde::Deserialize;

use super::tree::Tree;
use crate::error::parts;
use crate::fleet::{Flake, Fleet, Host};
use crate::host::known_hosts::KnownHosts;
use crate::nix::Nix;
use crate::secrets::header;

/// After so long an evaluation that failed is tried again: an input may have come within reach.
const AGAIN: Duration = Duration::from_secs(60);

/// What is known of the flake by now.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// It is evaluated right now, for the first time.
    pub is_awaited: bool,
    hosts: BTreeMap<String, Wants>,
    /// Why it could not be evaluated, and what to do.
    pub trouble: Option<String>,
}

/// What the flake wants of one host.
#[derive(Debug, Clone, Default)]
pub struct Wants {
    /// The system it builds; none where its assertions fail.
    pub built: Option<String>,
    /// How many secrets the host is to read.
    pub secrets: usize,
    /// Those of them that its pinned key cannot read, or that are not there; none known without a key.
    pub unreadable: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Evaluated {
    built: Option<String>,
    /// Relative to the flake.
    secrets: Vec<PathBuf>,
}

impl Wanted {
    /// Before anything was told, which may never come.
    pub fn nothing(is_awaited: bool) -> Self {
        Self {
            is_awaited,
            ..Self::default()
        }
    }

    pub fn of(&self, host: &str) -> Option<&Wants> {
        self.hosts.get(host)
    }

    #[cfg(test)]
    pub fn told(hosts: impl IntoIterator<Item = (&'static str, Wants)>) -> Self {
        let hosts = hosts
            .into_iter()
            .map(|(name, wants)| (name.to_owned(), wants));
        Self {
            hosts: hosts.collect(),
            ..Self::default()
        }
    }
}

/// The flake, and what it said when it was evaluated last.
pub struct Evaluation {
    nix: Nix,
    dir: PathBuf,
    work_tree: PathBuf,
    known_hosts: PathBuf,
    hosts: Vec<String>,
    /// The tree it was evaluated from, and when.
    last: Option<(Option<Tree>, Instant)>,
    wanted: Wanted,
}

impl Evaluation {
    pub fn new(flake: &Flake, fleet: &Fleet, hosts: &[Host]) -> Self {
        Self {
            nix: Nix::new(&flake.dir),
            dir: flake.dir.clone(),
            work_tree: flake.work_tree.clone(),
            known_hosts: flake.dir.join(&fleet.known_hosts),
            hosts: hosts.iter().map(|host| host.name.clone()).collect(),
            last: None,
            wanted: Wanted::default(),
        }
    }

    pub fn wanted(&self) -> Wanted {
        self.wanted.clone()
    }

    /// Evaluates, unless the flake is what it was.
    pub async fn renew(&mut self) {
        let tree = Tree::of(&self.work_tree).await;
        if let Some((last, when)) = &self.last
            && tree.is_some()
            && *last == tree
            && (self.wanted.trouble.is_none() || when.elapsed() < AGAIN)
        {
            return;
        }
        match self.evaluate().await {
            Ok(hosts) => {
                self.wanted = Wanted {
                    hosts,
                    ..Wanted::default()
                }
            }
            // what was told before is the best there is
            Err(error) => self.wanted.trouble = Some(reason(&error)),
        }
        self.last = Some((tree, Instant::now()));
    }

    async fn evaluate(&self) -> Result<BTreeMap<String, Wants>> {
        let evaluated = self.nix.eval("", Some(&expression(&self.hosts)?)).await?;
        let evaluated: BTreeMap<String, Evaluated> =
            serde_json::from_value(evaluated).context("while reading what the flake builds")?;
        let known = KnownHosts::read(&self.known_hosts)?;
        let wants = |(name, evaluated): (String, Evaluated)| {
            let key = known.key(&name);
            let wants = Wants {
                built: evaluated.built,
                secrets: evaluated.secrets.len(),
                unreadable: key.map(|key| unreadable(&self.dir, &evaluated.secrets, &key)),
            };
            (name, wants)
        };
        Ok(evaluated.into_iter().map(wants).collect())
    }
}

/// What nix says last of an evaluation that failed.
fn reason(error: &Error) -> String {
    let (what, causes, _) = parts(error);
    let lines: Vec<&str> = what
        .lines()
        .chain(causes.iter().flat_map(|cause| cause.lines()))
        .collect();
    let last = lines
        .iter()
        .rev()
        .find_map(|line| line.trim().strip_prefix("error: "));
    let reason = last.or(lines.first().copied()).unwrap_or_default();
    format!(
        "What the flake builds could not be evaluated: {}. `spinet doctor` tells more.",
        reason.trim_end_matches('.')
    )
}

/// A function of the flake's outputs. An assertion that fails in one host's system is no reason to know nothing of the
/// others.
fn expression(hosts: &[String]) -> Result<String> {
    let names = serde_json::to_string(&serde_json::to_string(hosts)?)?;
    Ok(format!(
        "outputs: let host = name: {{ inherit name; value = {{ built = let path = builtins.tryEval outputs.nixosConfigurations.${{name}}.config.system.build.toplevel.outPath; in if path.success then path.value else null; secrets = map (secret: secret.file) outputs.spinet.needs.${{name}}.secrets; }}; }}; in builtins.listToAttrs (map host (builtins.fromJSON {names}))"
    ))
}

/// The secrets that `key` certainly cannot read.
fn unreadable(dir: &Path, secrets: &[PathBuf], key: &str) -> Vec<String> {
    let lacks = |file: &&PathBuf| header::lacks(&dir.join(file), key).unwrap_or(true);
    let files = secrets.iter().filter(lacks);
    files.map(|file| file.display().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_not_there_cannot_be_read() {
        let none = unreadable(
            Path::new("/nonexistent"),
            &["a.age".into()],
            "ssh-ed25519 A",
        );
        assert_eq!(none, ["a.age"]);
    }

    #[test]
    fn of_a_failed_evaluation_the_last_error_is_told() {
        let error = anyhow::anyhow!(
            "`nix eval` failed (exit status: 1).\n  error:\n  at /a.nix:3\n  error: attribute 'x' missing\n  at /b"
        );
        assert_eq!(
            reason(&error),
            "What the flake builds could not be evaluated: attribute 'x' missing. `spinet doctor` tells more."
        );
    }

    #[test]
    fn names_reach_nix_as_a_string_of_json() {
        let text = expression(&["bach".into()]).unwrap();
        assert!(
            text.ends_with(r#"(builtins.fromJSON "[\"bach\"]"))"#),
            "{text}"
        );
    }
}
