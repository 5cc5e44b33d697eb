//! What a deploy did to each host, told as it was observed.

use anyhow::Result;
use serde_json::{Value, json};

use crate::error::{Exit, Failure, exit_of, render};
use crate::ui::{Ui, indent};

/// How one host ended.
#[derive(Debug)]
pub enum Outcome {
    /// It ran, and would boot, the build already.
    Unchanged,
    /// The build runs and is permanent; read back from the host.
    Deployed,
    /// The host is back on its former system; read back from the host.
    Undone { reason: String },
    /// The host could not be asked after the activation had begun.
    Unknown { expect: String },
    /// Ended before the activation, or the host reports a failure that left it on its former system.
    Failed(anyhow::Error),
}

impl Outcome {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Unchanged | Self::Deployed => None,
            Self::Undone { .. } => Some(Exit::Undone),
            Self::Unknown { .. } => Some(Exit::Unknown),
            Self::Failed(error) => Some(exit_of(error)),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Deployed => "deployed",
            Self::Undone { .. } => "undone",
            Self::Unknown { .. } => "unknown",
            Self::Failed(_) => "failed",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Unchanged => "It runs this configuration already.".into(),
            Self::Deployed => "It runs the new configuration and boots it.".into(),
            Self::Undone { reason } => {
                format!("{reason} The host went back to its former system and was seen running it.")
            }
            Self::Unknown { expect } => expect.clone(),
            Self::Failed(error) => render(error).trim_end().to_owned(),
        }
    }
}

/// `[{"host", "outcome", "detail"}]`
pub fn json(outcomes: &[(String, Outcome)]) -> Value {
    let row = |(host, outcome): &(String, Outcome)| json!({ "host": host, "outcome": outcome.word(), "detail": outcome.detail() });
    Value::from(outcomes.iter().map(row).collect::<Vec<_>>())
}

/// Prints one paragraph per host; the error carries the gravest exit code.
pub fn finish(outcomes: &[(String, Outcome)], ui: &Ui) -> Result<()> {
    for (host, outcome) in outcomes {
        ui.say(format!("{host}: {}", outcome.word()));
        ui.say(indent(&outcome.detail()));
    }
    let bad: Vec<_> = outcomes
        .iter()
        .filter_map(|(h, o)| Some((h.as_str(), o.exit()?)))
        .collect();
    let Some(worst) = bad.iter().map(|(_, exit)| *exit).reduce(Exit::worst) else {
        return Ok(());
    };
    let names: Vec<_> = bad.iter().map(|(host, _)| *host).collect();
    let message = format!(
        "{} of {} hosts not deployed: {}.",
        bad.len(),
        outcomes.len(),
        names.join(", ")
    );
    Err(Failure::new(message).exit(worst).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_outcome_decides_the_exit_code() {
        let ui = Ui::new(true, false);
        let end = |outcomes: Vec<Outcome>| {
            let named = outcomes
                .into_iter()
                .enumerate()
                .map(|(i, o)| (format!("h{i}"), o));
            finish(&named.collect::<Vec<_>>(), &ui)
                .err()
                .map_or(0, |e| exit_of(&e).code())
        };
        let undone = || Outcome::Undone {
            reason: "sshd is gone.".into(),
        };
        let failed = || Outcome::Failed(anyhow::anyhow!("no room"));
        assert_eq!(end(vec![Outcome::Deployed, Outcome::Unchanged]), 0);
        assert_eq!(end(vec![Outcome::Deployed, failed()]), 1);
        assert_eq!(end(vec![failed(), undone()]), 4);
        assert_eq!(
            end(vec![
                undone(),
                Outcome::Unknown {
                    expect: String::new()
                }
            ]),
            5
        );
    }
}
