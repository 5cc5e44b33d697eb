//! Errors as the user meets them: what went wrong, what to do next, and the exit code that tells a script.

use std::error::Error;
use std::fmt;

/// The exit codes of spinet; several hosts report the gravest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Failed; what was and what was not done is said.
    Failed,
    /// The command line is wrong: unknown host, missing or contradicting flags.
    Usage,
    /// A check found drift.
    Drift,
    /// The deployed configuration was undone and the host verified on its former system.
    Undone,
    /// The outcome is unknown: the host cannot be reached after an activation.
    Unknown,
}

impl Exit {
    /// The process' exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Drift => 3,
            Self::Undone => 4,
            Self::Unknown => 5,
        }
    }

    /// The graver of two outcomes of several hosts: 5 over 4 over 1.
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }
}

/// An error with its remedy. Messages and hints are whole sentences.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hints: Vec<String>,
    exit: Option<Exit>,
    source: Option<anyhow::Error>,
    stopped: bool,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
            exit: None,
            source: None,
            stopped: false,
        }
    }

    /// A mistake on the command line: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(message).exit(Exit::Usage)
    }

    /// Adds what the user can do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = Some(exit);
        self
    }

    /// The user or the system ended the run, nothing went wrong; `exit` tells what that leaves behind.
    #[must_use]
    pub fn stopped(mut self, exit: Exit) -> Self {
        self.stopped = true;
        self.exit(exit)
    }

    #[must_use]
    pub fn source(mut self, source: impl Into<anyhow::Error>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(AsRef::as_ref)
    }
}

/// Adds a remedy to any error on its way up.
pub trait Hint<T> {
    fn hint(self, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> Hint<T> for Result<T, E> {
    /// Wraps the error in a [`Failure`] with `message` and the remedy `hint`.
    fn hint(self, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|e| Failure::new(message).hint(hint).source(e).into())
    }
}

/// The exit code an error asks for; [`Exit::Failed`] unless a [`Failure`] in its chain says otherwise.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    failures(error).find_map(|f| f.exit).unwrap_or(Exit::Failed)
}

/// Whether the run was stopped, rather than that something failed.
pub fn is_stop(error: &anyhow::Error) -> bool {
    failures(error).any(|failure| failure.stopped)
}

/// The error as printed on the terminal: message, causes, hints.
pub fn render(error: &anyhow::Error) -> String {
    let (message, causes, hints) = parts(error);
    let mut text = format!("Error: {message}\n");
    for line in causes.iter().flat_map(|cause| cause.lines()) {
        text.push_str(&format!("  {line}\n"));
    }
    for hint in hints {
        text.push_str(&format!("Hint: {}\n", hint.replace('\n', "\n      ")));
    }
    text
}

/// Message, causes and hints, outermost first.
pub fn parts(error: &anyhow::Error) -> (String, Vec<String>, Vec<String>) {
    let mut told = error.chain().map(ToString::to_string);
    let first = told.next().unwrap_or_default();
    let mut causes: Vec<String> = Vec::new();
    for cause in told {
        // some errors tell their cause as part of themselves
        if !causes.last().unwrap_or(&first).ends_with(&cause) {
            causes.push(cause);
        }
    }
    let hints = failures(error).flat_map(|f| f.hints.clone()).collect();
    (sentence(first), causes, hints)
}

/// What was being done, as context tells it, is no sentence yet.
fn sentence(message: String) -> String {
    if message.starts_with("while ") {
        return format!("Failed {message}.");
    }
    message
}

fn failures(error: &anyhow::Error) -> impl Iterator<Item = &Failure> {
    error.chain().filter_map(|e| e.downcast_ref::<Failure>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn hints_and_exit_code_survive_context() {
        let error: anyhow::Error = Failure::usage("No host named bahc.")
            .hint("Known hosts: bach.")
            .into();
        let error = Err::<(), _>(error)
            .context("while choosing hosts")
            .unwrap_err();
        assert_eq!(exit_of(&error), Exit::Usage);
        assert_eq!(
            render(&error),
            "Error: Failed while choosing hosts.\n  No host named bahc.\nHint: Known hosts: bach.\n"
        );
    }

    #[test]
    fn no_cause_is_told_twice() {
        let inner = anyhow::anyhow!("invalid length");
        let error = inner
            .context("invalid length")
            .context("bad key: invalid length")
            .context("This is no key.");
        assert_eq!(
            render(&error),
            "Error: This is no key.\n  bad key: invalid length\n"
        );
    }

    #[test]
    fn the_gravest_outcome_wins() {
        assert_eq!(Exit::Failed.worst(Exit::Undone), Exit::Undone);
        assert_eq!(Exit::Unknown.worst(Exit::Undone), Exit::Unknown);
    }
}
