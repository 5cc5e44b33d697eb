//! One host's update: copy, activate under the guard, confirm, and look at what came of it.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::Job;
use super::health;
use super::manifest::{Check, Manifest};
use super::report::Outcome;
use crate::error::{Exit, Failure};
use crate::host::facts::Facts;
use crate::host::guard::{self, Attempt, Guard, Remote, Status};
use crate::host::ssh::Target;

/// A lost link while copying is tried again: nix continues with the paths that are still missing.
const COPIES: u32 = 3;
/// How often the guard is asked how far it is.
const POLL: Duration = Duration::from_millis(400);
/// How long one question over a fresh connection may take.
const QUESTION: Duration = Duration::from_secs(30);
/// How long the guard may take from a decision to its end.
const DECISION: Duration = Duration::from_secs(400);
/// How long after its deadline a host may need to undo, or to restart, and be reachable again.
const GRACE: Duration = Duration::from_secs(300);

impl Job<'_> {
    /// Takes the host to `toplevel`, or tells why it is not there.
    pub(super) async fn run(&self, target: Target, facts: &Facts, toplevel: &Path) -> Outcome {
        match self.update(target, facts, toplevel).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(error),
        }
    }

    async fn update(&self, target: Target, facts: &Facts, toplevel: &Path) -> Result<Outcome> {
        let manifest = Manifest::of(toplevel)?;
        self.check(facts, &manifest)?;
        self.command(&target, &self.guard().upload())
            .await
            .context("while sending the guard")?;
        let before = Status::parse(&self.command(&target, &self.guard().status()).await?)?;
        let wanted = toplevel.display().to_string();
        if before.unchanged(&wanted) {
            return Ok(Outcome::Unchanged);
        }
        self.check_room(&target, facts, toplevel).await?;

        let deadline = self
            .deadline
            .unwrap_or(Duration::from_secs(manifest.deadline));
        let attempt = Attempt {
            id: new_id(),
            toplevel: wanted,
            deadline,
        };
        self.command(&target, &self.guard().protect(&attempt))
            .await?;
        self.copy(&target, toplevel).await?;
        self.start(&target, &attempt).await?;
        drop(target);
        self.see_through(&attempt, &health::checks(&manifest)).await
    }

    fn guard(&self) -> Guard {
        let prefix = if self.host.user == "root" {
            &[][..]
        } else {
            &["sudo", "-n"]
        };
        Guard {
            prefix: prefix.iter().map(ToString::to_string).collect(),
        }
    }

    /// Runs a command of the guard that must succeed.
    async fn command(&self, target: &Target, remote: &Remote) -> Result<String> {
        let output = target.script(&remote.script, &remote.stdin).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(self.refused(&output.stderr))
    }

    fn refused(&self, stderr: &str) -> anyhow::Error {
        let failure = Failure::new(format!(
            "The guard on {} failed: {}",
            self.host.name,
            crate::ui::visible(stderr.trim())
        ));
        if self.host.user == "root" {
            failure.into()
        } else {
            failure
                .hint(format!(
                    "{} needs sudo without a password there.",
                    self.host.user
                ))
                .into()
        }
    }

    async fn copy(&self, target: &Target, toplevel: &Path) -> Result<()> {
        let name = &self.host.name;
        self.ui.say(format!("{name}: copying the closure"));
        let mut tries = 1;
        loop {
            let (options, to) = (target.shared_options(), target.destination());
            match self
                .nix
                .copy(toplevel, &to, &options, |line| self.ui.detail(line))
                .await
            {
                Ok(()) => return Ok(()),
                Err(error) if tries == COPIES => return Err(error),
                Err(_) => {
                    tries += 1;
                    self.ui.warn(format!(
                        "{name}: the copy broke off; trying again ({tries} of {COPIES})."
                    ));
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
            }
        }
    }

    async fn start(&self, target: &Target, attempt: &Attempt) -> Result<()> {
        let name = &self.host.name;
        let seconds = attempt.deadline.as_secs();
        self.ui.say(format!(
            "{name}: activating; undone after {seconds} s unless confirmed"
        ));
        self.ui.if_stopped(
            format!("The guard on {name} undoes an activation within {seconds} s unless it was confirmed; `spinet deploy {name}` finds out."),
            Exit::Unknown,
        );
        let remote = self.guard().start(attempt);
        let Ok(output) = target.script(&remote.script, &remote.stdin).await else {
            // the link broke: whether the guard started is seen over the next connection
            return Ok(());
        };
        match output.status.code() {
            Some(0) => Ok(()),
            Some(guard::REFUSED) => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let by = guard::refused_by(&text).unwrap_or("of unknown name");
                Err(Failure::new(format!(
                    "Another deploy to {name} is under way (attempt {by})."
                ))
                .hint("Wait for its end; the host undoes it by itself if nobody confirms it.")
                .into())
            }
            _ => Err(self.refused(&output.stderr)),
        }
    }

    /// From the start of the activation to its end, every question over a fresh connection to a newly found
    /// host: whatever the new configuration did to network, address and sshd, the confirmation goes through it.
    async fn see_through(&self, attempt: &Attempt, checks: &[Check]) -> Result<Outcome> {
        let name = &self.host.name;
        let end = Instant::now() + attempt.deadline + GRACE;
        let mut reason = None;
        while Instant::now() < end {
            let Some((target, status)) = self.ask().await else {
                tokio::time::sleep(POLL).await;
                continue;
            };
            let Some((_, outcome)) = status.attempt.as_ref().filter(|(id, _)| *id == attempt.id)
            else {
                return Err(Failure::new(format!(
                    "The attempt never began on {name}: the link broke before."
                ))
                .into());
            };
            match outcome {
                guard::Outcome::Waiting { .. } => {
                    self.judge(&target, attempt, &status, checks, &mut reason)
                        .await;
                }
                // its guard is gone: this takes its place and ends the attempt
                guard::Outcome::Interrupted { .. } => {
                    let remote = self.guard().settle();
                    let _ = target.fresh(&remote.script, DECISION).await;
                }
                guard::Outcome::Busy { phase, .. } if phase == "undoing" => {
                    // a login works: the guard need not restart the host to be reachable
                    let _ = target
                        .fresh(&self.guard().seen(&attempt.id).script, QUESTION)
                        .await;
                }
                guard::Outcome::Busy { .. } => {}
                guard::Outcome::Committed | guard::Outcome::Tested
                    if status.unchanged(&attempt.toplevel) =>
                {
                    return Ok(Outcome::Deployed);
                }
                // the former system's own switch failed: the host restarts into it
                guard::Outcome::Undone { .. } if status.current == attempt.toplevel => {}
                guard::Outcome::Undone { reason: guards } => {
                    let reason = reason.unwrap_or_else(|| guards.clone());
                    return Ok(Outcome::Undone { reason });
                }
                guard::Outcome::Committed
                | guard::Outcome::Tested
                | guard::Outcome::Failed { .. } => {
                    return Err(self.inconsistent(outcome, &status));
                }
            }
            tokio::time::sleep(POLL).await;
        }
        let seconds = attempt.deadline.as_secs();
        Ok(Outcome::Unknown {
            expect: format!(
                "{name} cannot be reached. Its guard undoes the activation {seconds} s after it began, and restarts the host into its former system if that is not enough. `spinet deploy {name}` finds out how it ended."
            ),
        })
    }

    /// The guard's status over a connection made for this question alone; `None` while the host does not answer.
    async fn ask(&self) -> Option<(Target, Status)> {
        let script = self.guard().status().script;
        let status = async |target: &Target| {
            let answer = target.fresh(&script, QUESTION).await.ok()?;
            Status::parse(&String::from_utf8_lossy(&answer.stdout)).ok()
        };
        self.search(QUESTION).ask(&self.key, status).await
    }

    /// Checks the host's health over the fresh connection and says the word.
    async fn judge(
        &self,
        target: &Target,
        attempt: &Attempt,
        status: &Status,
        checks: &[Check],
        reason: &mut Option<String>,
    ) {
        let name = &self.host.name;
        let mut bad: Vec<String> = status
            .newly_failed
            .iter()
            .map(|unit| format!("unit {unit}"))
            .collect();
        let Ok(output) = target.fresh(&health::script(checks), QUESTION).await else {
            return;
        };
        let Some(failed) = health::failed(checks, &String::from_utf8_lossy(&output.stdout)) else {
            return;
        };
        bad.extend(failed.into_iter().map(str::to_owned));
        if bad.is_empty() {
            self.ui.say(format!(
                "{name}: reached over a new connection and healthy; making it permanent"
            ));
            let _ = target
                .fresh(&self.guard().confirm(&attempt.id).script, DECISION)
                .await;
        } else {
            let why = format!("Not healthy: {}.", bad.join(", "));
            self.ui.warn(format!("{name}: {why} Undoing."));
            *reason = Some(why);
            let _ = target
                .fresh(&self.guard().undo(&attempt.id).script, DECISION)
                .await;
        }
    }

    fn inconsistent(&self, outcome: &guard::Outcome, status: &Status) -> anyhow::Error {
        let why = match outcome {
            guard::Outcome::Failed { reason } => reason.as_str(),
            _ => "It was confirmed.",
        };
        Failure::new(format!("{} is in no clear state: {why}", self.host.name))
            .hint(format!(
                "It runs {}, its profile names {}, and it would boot {}.",
                status.current, status.profile, status.boot_entry
            ))
            .into()
    }
}

/// A name no other attempt on the host has.
fn new_id() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", now.as_millis(), std::process::id())
}
