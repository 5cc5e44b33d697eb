//! What a check found, and the subject it belongs to.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::error::parts;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    /// It works, but not everything will, or not for ever.
    Warning,
    /// Something spinet does will fail because of it.
    Failure,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub subject: &'static str,
    /// Names the check within its subject; does not change between versions.
    pub check: &'static str,
    pub verdict: Verdict,
    /// A line, and what explains it on the lines after that.
    pub message: String,
    /// What to do, a line for each way; none when there is nothing to do.
    pub remedy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// Whose findings they are.
#[derive(Debug, Clone)]
pub struct Subject {
    name: &'static str,
    host: Option<String>,
}

impl Subject {
    /// Something of this machine, or of the flake.
    pub const fn of(name: &'static str) -> Self {
        Self { name, host: None }
    }

    pub fn host(name: &str) -> Self {
        Self {
            name: "host",
            host: Some(name.to_owned()),
        }
    }

    pub fn ok(&self, check: &'static str, message: impl Into<String>) -> Finding {
        self.find(check, Verdict::Ok, message)
    }

    pub fn warning(&self, check: &'static str, message: impl Into<String>) -> Finding {
        self.find(check, Verdict::Warning, message)
    }

    pub fn failure(&self, check: &'static str, message: impl Into<String>) -> Finding {
        self.find(check, Verdict::Failure, message)
    }

    /// An error, with its causes and hints.
    pub fn error(&self, check: &'static str, error: &anyhow::Error) -> Finding {
        let (message, causes, hints) = parts(error);
        let lines = std::iter::once(message).chain(causes);
        let mut finding = self.failure(check, lines.collect::<Vec<_>>().join("\n"));
        for hint in hints {
            finding = finding.remedy(hint);
        }
        finding
    }

    /// What a group of checks finds, or that it hangs.
    pub fn within(
        self,
        limit: Duration,
        work: impl Future<Output = Vec<Finding>>,
    ) -> impl Future<Output = Vec<Finding>> {
        let work = Box::pin(work);
        async move {
            let done = tokio::time::timeout(limit, work).await;
            done.unwrap_or_else(|_| {
                let seconds = limit.as_secs();
                let message = format!("This was not known after {seconds} s, and was given up.");
                vec![self.failure("time", message)]
            })
        }
    }

    fn find(&self, check: &'static str, verdict: Verdict, message: impl Into<String>) -> Finding {
        Finding {
            subject: self.name,
            check,
            verdict,
            message: message.into(),
            remedy: None,
            host: self.host.clone(),
        }
    }
}

impl Finding {
    /// Adds a way out.
    #[must_use]
    pub fn remedy(mut self, way: impl AsRef<str>) -> Self {
        let ways = self.remedy.get_or_insert_default();
        if !ways.is_empty() {
            ways.push('\n');
        }
        ways.push_str(way.as_ref());
        self
    }
}

/// The line to add on this machine: to its NixOS configuration, else as told.
pub fn line(nixos: &str, elsewhere: &str) -> String {
    if Path::new("/etc/NIXOS").exists() {
        format!("Add `{nixos}` to this machine's NixOS configuration and switch to it.")
    } else {
        elsewhere.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    #[test]
    fn an_error_becomes_a_finding_with_all_it_says() {
        let error = Failure::new("It broke.")
            .hint("Mend it.")
            .hint("Or buy a new one.");
        let error = error.source(anyhow::anyhow!("a screw was loose"));
        let finding = Subject::of("nix").error("version", &error.into());
        assert_eq!(finding.verdict, Verdict::Failure);
        assert_eq!(finding.message, "It broke.\na screw was loose");
        assert_eq!(finding.remedy.unwrap(), "Mend it.\nOr buy a new one.");
    }

    #[test]
    fn a_check_that_hangs_is_a_finding() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let hangs = std::future::pending();
        let found = runtime.block_on(Subject::of("nix").within(Duration::from_millis(1), hangs));
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Failure));
    }
}
