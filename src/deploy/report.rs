//! What a deploy did to each host, told as it was observed.

use anyhow::Result;
use serde_json::{Value, json};

use super::options::Mode;
use crate::error::{Exit, Failure, exit_of, render};
use crate::ui::{Ui, bad, good, indent};

/// How one host ended.
#[derive(Debug)]
pub enum Outcome {
    /// The host was where it should be already.
    Unchanged(Mode),
    /// The build is there, as the mode has it; read back from the host.
    Deployed(Mode),
    /// Its activation was shown and not done.
    Tried,
    /// The host is back on its former system, as it was asked to be.
    Withdrawn,
    /// The host is back on its former system; read back from the host.
    Undone { reason: String },
    /// The host could not be asked after the activation had begun.
    Unknown { expect: String },
    /// Ended before the activation, or the host reports a failure that left it on its former system.
    Failed(anyhow::Error),
}

impl Outcome {
    /// The exit code it asks for, if it is not the wanted one.
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Unchanged(_) | Self::Deployed(_) | Self::Tried | Self::Withdrawn => None,
            Self::Undone { .. } => Some(Exit::Undone),
            Self::Unknown { .. } => Some(Exit::Unknown),
            Self::Failed(error) => Some(exit_of(error)),
        }
    }

    pub fn word(&self) -> &'static str {
        match self {
            Self::Unchanged(_) => "unchanged",
            Self::Deployed(Mode::Test) => "tested",
            Self::Deployed(_) => "deployed",
            Self::Tried => "tried",
            Self::Withdrawn => "withdrawn",
            Self::Undone { .. } => "undone",
            Self::Unknown { .. } => "unknown",
            Self::Failed(_) => "failed",
        }
    }

    /// The word, in the colour of its meaning.
    pub fn shown(&self) -> String {
        if self.exit().is_some() {
            bad(self.word())
        } else {
            good(self.word())
        }
    }

    pub fn detail(&self) -> String {
        match self {
            Self::Unchanged(Mode::Boot) => "It boots this configuration already.".into(),
            Self::Unchanged(_) => "It runs this configuration already.".into(),
            Self::Deployed(Mode::Boot) => {
                "It boots the new configuration at its next start, and runs the former one until then.".into()
            }
            Self::Deployed(Mode::Test) => {
                "It runs the new configuration until its next start, and boots the former one then."
                    .into()
            }
            Self::Deployed(_) => "It runs the new configuration and boots it.".into(),
            Self::Tried => "The new configuration was copied and not activated.".into(),
            Self::Withdrawn => "It was undone as asked: the host runs its former system.".into(),
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

/// Prints a paragraph for each host that asks for one, and a table of all; the error carries the gravest exit code.
pub fn finish(outcomes: &[(String, Outcome)], ui: &Ui) -> Result<()> {
    for (host, outcome) in outcomes {
        if outcomes.len() == 1 || outcome.exit().is_some() {
            ui.say(format!("{host}: {}", outcome.shown()));
            ui.say(indent(&outcome.detail()));
        }
    }
    if outcomes.len() > 1 {
        let width = outcomes.iter().map(|(host, _)| host.len()).max();
        for (host, outcome) in outcomes {
            let (width, word) = (width.unwrap_or(0), outcome.shown());
            ui.say(format!("{host:<width$}  {word}"));
        }
    }
    let bad: Vec<_> = outcomes
        .iter()
        .filter_map(|(h, o)| Some((h.as_str(), o.exit()?)))
        .collect();
    let Some(worst) = bad.iter().map(|(_, exit)| *exit).reduce(Exit::worst) else {
        return Ok(());
    };
    let names: Vec<_> = bad.iter().map(|(host, _)| *host).collect();
    let message = match outcomes.len() {
        1 => format!("Not deployed: {}.", names.join(", ")),
        all => format!(
            "{} of {all} hosts not deployed: {}.",
            bad.len(),
            names.join(", ")
        ),
    };
    Err(Failure::new(message).exit(worst).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_outcome_decides_the_exit_code() {
        let ui = Ui::new(true, false, crate::ui::Shown::Nothing);
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
        let deployed = || Outcome::Deployed(Mode::Switch);
        let failed = || Outcome::Failed(anyhow::anyhow!("no room"));
        assert_eq!(end(vec![deployed(), Outcome::Unchanged(Mode::Switch)]), 0);
        assert_eq!(end(vec![deployed(), failed()]), 1);
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
