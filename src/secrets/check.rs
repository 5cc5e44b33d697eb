//! Which files do not match the rules, as far as can be told without a private key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use super::header::{Found, Header};
use super::{Recipient, Rules, replace};

/// How one file stands to its rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Right,
    /// Who cannot read the file though the rule says so, and who still can though it does not.
    Stale {
        missing: Vec<String>,
        surplus: Vec<String>,
    },
    /// Age keys leave no trace in a file.
    Unknown,
    /// There is no file.
    Missing,
    /// It is no age file.
    Broken,
    /// A file without a rule.
    Unruled,
}

impl State {
    /// It is certainly not what the rules say.
    pub fn is_drift(&self) -> bool {
        !matches!(self, Self::Right | Self::Unknown)
    }

    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::Right => "right".into(),
            Self::Unknown => {
                "cannot be told without a private key: it has recipients that leave no trace".into()
            }
            Self::Missing => "the file is missing".into(),
            Self::Broken => "no age file".into(),
            Self::Unruled => "no rule names this file".into(),
            Self::Stale { missing, surplus } => {
                let mut parts = Vec::new();
                if !missing.is_empty() {
                    parts.push(format!("not yet for {}", missing.join(", ")));
                }
                if !surplus.is_empty() {
                    parts.push(format!("still for {}", surplus.join(", ")));
                }
                format!("stale: {}", parts.join("; "))
            }
        }
    }
}

/// Every rule's file, by name, then the files beside or below the rules that no rule names.
pub fn check(rules: &Rules) -> Result<Vec<(String, State)>> {
    let known = rules.entries().values().flat_map(|rule| &rule.recipients);
    let by_tag: BTreeMap<[u8; 4], &Recipient> = known.filter_map(|r| Some((r.tag()?, r))).collect();
    let mut states: Vec<(String, State)> = rules
        .entries()
        .iter()
        .map(|(name, rule)| {
            let state = state(rules, name, &rule.recipients, &by_tag)?;
            Ok((name.clone(), state))
        })
        .collect::<Result<_>>()?;
    states.extend(
        unruled(rules)?
            .into_iter()
            .map(|name| (name, State::Unruled)),
    );
    Ok(states)
}

fn state(
    rules: &Rules,
    name: &str,
    recipients: &[Recipient],
    by_tag: &BTreeMap<[u8; 4], &Recipient>,
) -> Result<State> {
    let path = rules.path_of(name);
    let header = match Found::at(&path)? {
        Found::Header(header) => header,
        Found::Nothing => return Ok(State::Missing),
        Found::Other => return Ok(State::Broken),
    };
    Ok(match header.matches(recipients) {
        Some(true) => State::Right,
        None => State::Unknown,
        Some(false) => stale(&header, recipients, by_tag),
    })
}

fn stale(
    header: &Header,
    recipients: &[Recipient],
    by_tag: &BTreeMap<[u8; 4], &Recipient>,
) -> State {
    let traceless: Vec<&Recipient> = recipients.iter().filter(|r| r.tag().is_none()).collect();
    let mut missing: Vec<String> = recipients
        .iter()
        .filter(|r| r.tag().is_some() && header.lacks(r))
        .map(Recipient::name)
        .collect();
    if header.untagged == 0 {
        missing.extend(traceless.iter().map(|r| r.name()));
    } else if header.untagged < traceless.len() {
        let names: Vec<_> = traceless.iter().map(|r| r.name()).collect();
        let count = traceless.len() - header.untagged;
        missing.push(format!("{count} of {}", names.join(", ")));
    }
    let wanted = |tag: &[u8; 4]| recipients.iter().any(|r| r.tag().as_ref() == Some(tag));
    let mut surplus: Vec<String> = header
        .tags
        .iter()
        .filter(|tag| !wanted(tag))
        .map(|tag| match by_tag.get(tag) {
            Some(recipient) => recipient.name(),
            None => "a key the rules do not know".into(),
        })
        .collect();
    if header.untagged > traceless.len() {
        let count = header.untagged - traceless.len();
        surplus.push(format!(
            "{count} age keys or plugins more than the rule has"
        ));
    }
    if header.passphrase {
        surplus.push("whoever knows its passphrase".into());
    }
    State::Stale { missing, surplus }
}

/// Age files in the rules' folder that no rule names, hidden folders and other repositories passed over. A file under a
/// passphrase is nobody's secret to share: often an identity, kept beside the secrets on purpose.
fn unruled(rules: &Rules) -> Result<Vec<String>> {
    let known: BTreeSet<PathBuf> = rules
        .entries()
        .keys()
        .filter_map(|name| rules.path_of(name).canonicalize().ok())
        .collect();
    let mut found = Vec::new();
    let mut folders = vec![rules.dir().to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = folder
            .read_dir()
            .with_context(|| format!("while reading {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("while reading {}", folder.display()))?;
            let (path, kind) = (entry.path(), entry.file_type());
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            match kind {
                Ok(kind) if kind.is_dir() && !hidden && !path.join(".git").exists() => {
                    folders.push(path);
                }
                Ok(kind) if kind.is_file() && !hidden && is_age(&path) => {
                    let passphrase = Header::read(&path).is_ok_and(|header| header.passphrase);
                    if !passphrase && !known.contains(&path) {
                        found.push(path);
                    }
                }
                _ => {}
            }
        }
    }
    found.sort();
    let relative = |path: &PathBuf| {
        let inside = path.strip_prefix(rules.dir()).unwrap_or(path);
        crate::ui::visible(&inside.to_string_lossy())
    };
    Ok(found.iter().map(relative).collect())
}

fn is_age(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "age")
}

/// A secret that a host's configuration names and that the host cannot read by the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    pub host: String,
    /// As the rules name it, else its path.
    pub file: String,
    pub why: &'static str,
}

/// The secrets of one host that its key is no recipient of. `secrets` are paths.
pub fn unreadable(rules: &Rules, host: &str, key: &str, secrets: &[PathBuf]) -> Vec<Unreadable> {
    let key = Recipient::parse_all(key).pop();
    let problem = |path: &PathBuf| {
        let (file, why) = match rules.name_of(path) {
            None => (path.display().to_string(), "no rule names it"),
            Some(name) => {
                let rule = rules.entries().get(&name)?;
                let listed = rule
                    .recipients
                    .iter()
                    .any(|r| key.as_ref().is_some_and(|key| key.key() == r.key()));
                if listed {
                    return None;
                }
                (name, "its rule does not list the host's pinned key")
            }
        };
        Some(Unreadable {
            host: host.to_owned(),
            file,
            why,
        })
    };
    secrets.iter().filter_map(problem).collect()
}

/// What to do about files and hosts in this state; `root` is that of the rules.
pub fn remedies(states: &[(String, State)], problems: &[Unreadable], root: &Path) -> Vec<String> {
    let any = |fits: fn(&State) -> bool| states.iter().any(|(_, state)| fits(state));
    let mut remedies = Vec::new();
    if any(|state| matches!(state, State::Stale { .. })) {
        remedies.push("`spinet secrets rekey` brings stale files in line.".to_owned());
    }
    if any(|state| *state == State::Missing) {
        remedies.push(
            "`spinet secrets edit FILE` makes a missing one; or take its rule out.".to_owned(),
        );
    }
    if any(|state| *state == State::Unruled) {
        remedies.push("A file without a rule is rekeyed by nobody: give it one with `spinet secrets edit FILE`, or remove it.".to_owned());
    }
    if let Some(problem) = problems.first() {
        remedies.push(format!(
            "`spinet host enroll {}` adds the host's pinned key to the rules of its secrets.",
            problem.host
        ));
    }
    if replace::is_pending(root) {
        remedies.push(
            "A run was stopped half-way, or is at work; `spinet secrets rekey` finishes it."
                .to_owned(),
        );
    }
    remedies
}
