//! Which files do not match the rules, as far as can be told without a private key.

use serde::Serialize;

use super::header::Header;
use super::{Recipient, Rules};

/// How one file stands to its rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Right,
    /// Recipients of the rule that cannot read the file, and how many others can.
    Stale {
        missing: Vec<String>,
        surplus: usize,
    },
    /// Age keys leave no trace in a file.
    Unknown,
    /// There is no file.
    Missing,
    /// It is no age file.
    Broken,
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
            Self::Stale { missing, surplus } => {
                let mut parts = Vec::new();
                if !missing.is_empty() {
                    parts.push(format!("not yet for {}", missing.join(", ")));
                }
                if *surplus > 0 {
                    parts.push(format!("still for {surplus} others"));
                }
                format!("stale: {}", parts.join("; "))
            }
        }
    }
}

/// Every rule's file, by name.
pub fn check(rules: &Rules) -> Vec<(String, State)> {
    rules
        .entries()
        .iter()
        .map(|(name, rule)| (name.clone(), state(rules, name, &rule.recipients)))
        .collect()
}

fn state(rules: &Rules, name: &str, recipients: &[Recipient]) -> State {
    let path = rules.path_of(name);
    if !path.exists() {
        return State::Missing;
    }
    let Ok(header) = Header::read(&path) else {
        return State::Broken;
    };
    match header.matches(recipients) {
        Some(true) => State::Right,
        None => State::Unknown,
        Some(false) => {
            let missing: Vec<String> = recipients
                .iter()
                .filter(|r| header.lacks(r))
                .map(Recipient::name)
                .collect();
            let surplus = (header.tags.len() + header.untagged + missing.len())
                .saturating_sub(recipients.len());
            State::Stale { missing, surplus }
        }
    }
}
