//! One host's update: copy, activate under the guard, confirm, and look at what came of it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Job;
use super::health;
use super::manifest::{Check, Manifest};
use super::report::Outcome;
use crate::error::{Exit, Failure};
use crate::host::facts::Facts;
use crate::host::guard::{self, Attempt, Guard, Phase, Started, Status};
use crate::host::ssh::Target;

/// A lost link while copying is tried again: nix continues with the paths that are still missing.
const COPIES: u32 = 3;
/// How often the guard is asked how far it is.
const POLL: Duration = Duration::from_millis(400);
/// How long one question over a fresh connection may take.
const QUESTION: Duration = Duration::from_secs(30);
/// How long after its deadline a host may need to undo, or to reboot, and be reachable again.
const GRACE: Duration = Duration::from_secs(240);

impl Job<'_> {
    /// Takes the host to `toplevel`, or tells why it is not there.
    pub(super) async fn run(&self, target: Target, facts: &Facts, toplevel: &Path) -> Outcome {
        match self.update(target, facts, toplevel).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(error),
        }
    }

    async fn update(&self, target: Target, facts: &Facts, toplevel: &Path) -> Result<Outcome> {
        let name = &self.host.name;
        let manifest = Manifest::of(toplevel)?;
        self.check(facts, &manifest)?;
        let (install, script) = self.guard().install();
        self.command(&target, &install, script)
            .await
            .context("while sending the guard")?;
        let before = self.command(&target, &self.guard().status(), &[]).await?;
        let before = Status::parse(&before).context("The guard gave no whole answer.")?;
        if before.settled_on(&toplevel.display().to_string()) && !before.guarded {
            return Ok(Outcome::Unchanged);
        }
        self.check_room(&target, facts, toplevel).await?;

        let deadline = self
            .deadline
            .unwrap_or(Duration::from_secs(manifest.deadline));
        let attempt = Attempt::new(toplevel, deadline);
        self.command(&target, &self.guard().protect(&attempt), &[])
            .await?;
        self.copy(&target, toplevel).await?;
        self.start(&target, &attempt).await?;
        drop(target);
        self.see_through(&attempt, &health::checks(&manifest)).await
    }

    fn guard(&self) -> Guard<'_> {
        Guard {
            user: &self.host.user,
        }
    }

    /// Runs a command of the guard that must succeed.
    async fn command(&self, target: &Target, command: &str, input: &[u8]) -> Result<String> {
        let output = target.script(command, input).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Failure::new(format!(
            "{} refused a command of the guard: {}",
            self.host.name,
            crate::ui::visible(output.stderr.trim())
        ))
        .hint("Any user but root needs sudo without a password for a deploy.")
        .into())
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
        let answer = self
            .command(target, &self.guard().start(attempt), &[])
            .await?;
        match guard::started(&answer) {
            Some(Started::Yes) => Ok(()),
            Some(Started::Refused { by }) => Err(Failure::new(format!(
                "Another deploy to {name} is under way (attempt {by})."
            ))
            .hint("Wait for its end; the host undoes it by itself if nobody confirms it.")
            .into()),
            Some(Started::Broken) => {
                Err(Failure::new(format!("{} is not whole on {name}.", attempt.toplevel)).into())
            }
            None => Err(Failure::new(format!("The guard on {name} did not start.")).into()),
        }
    }

    /// From the start of the activation to its end, every question over a fresh connection to a newly found
    /// host: whatever the new configuration did to network, address and sshd, the confirmation goes through it.
    async fn see_through(&self, attempt: &Attempt, checks: &[Check]) -> Result<Outcome> {
        let end = Instant::now() + attempt.deadline + GRACE;
        let mut told = false;
        while Instant::now() < end {
            let Some((target, status)) = self.ask().await else {
                tokio::time::sleep(POLL).await;
                continue;
            };
            let ours = status.id == attempt.id;
            match status.phase {
                _ if !ours => {
                    return Err(Failure::new(format!(
                        "{} answers for another attempt ({}).",
                        self.host.name, status.id
                    ))
                    .into());
                }
                Phase::Activated if !told => told = self.judge(&target, attempt, checks).await,
                Phase::Committed => return self.seen(&status, &attempt.toplevel),
                Phase::Undone => return Ok(undone(&status)),
                Phase::Rebooting if status.rebooted && status.running == status.old => {
                    return Ok(undone(&status));
                }
                // a guard that is gone without an end was cut off: by the rescue timer or the next deploy it is settled
                _ => {}
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(Outcome::Unknown {
            expect: format!(
                "{name} cannot be reached. Its guard undoes the activation {} s after it began, and reboots into the former system if that is not enough. `spinet deploy {name}` finds out how it ended.",
                attempt.deadline.as_secs(),
                name = self.host.name
            ),
        })
    }

    /// The guard's status over a connection made for this question alone; `None` while the host does not answer.
    async fn ask(&self) -> Option<(Target, Status)> {
        for target in self.search(QUESTION).targets(&self.key).await {
            let answer = target.fresh(&self.guard().status(), QUESTION).await;
            let status = answer
                .ok()
                .and_then(|o| Status::parse(&String::from_utf8_lossy(&o.stdout)));
            if let Some(status) = status {
                return Some((target, status));
            }
        }
        None
    }

    /// Checks the host's health and says the word; true once the guard has heard it.
    async fn judge(&self, target: &Target, attempt: &Attempt, checks: &[Check]) -> bool {
        let name = &self.host.name;
        let Ok(output) = target.fresh(&health::script(checks), QUESTION).await else {
            return false;
        };
        let Some(failed) = health::failed(checks, &String::from_utf8_lossy(&output.stdout)) else {
            return false;
        };
        if !failed.is_empty() {
            let reason = format!("failed checks: {}", failed.join(", "));
            self.ui.warn(format!("{name}: {reason}; undoing."));
            return target
                .fresh(&self.guard().undo(attempt, &reason), QUESTION)
                .await
                .is_ok();
        }
        let answer = target.fresh(&self.guard().confirm(attempt), QUESTION).await;
        let answer = answer
            .ok()
            .and_then(|o| guard::confirmed(&String::from_utf8_lossy(&o.stdout)));
        if answer == Some(true) {
            self.ui.say(format!(
                "{name}: confirmed over a new connection; making it permanent"
            ));
        }
        answer.is_some()
    }

    /// The guard says it is permanent: what the host runs and boots must agree.
    fn seen(&self, status: &Status, toplevel: &str) -> Result<Outcome> {
        if status.settled_on(toplevel) {
            return Ok(Outcome::Deployed);
        }
        Err(Failure::new(format!(
            "{} says the deploy is permanent, but runs {} and boots {}.",
            self.host.name, status.running, status.entry
        ))
        .into())
    }
}

fn undone(status: &Status) -> Outcome {
    let mut reason = status.reason.clone();
    if let Some(first) = reason.get(..1) {
        reason = first.to_uppercase() + &reason[1..];
    }
    if status.running == status.old {
        Outcome::Undone {
            reason: format!("{reason}."),
        }
    } else {
        Outcome::Unknown {
            expect: format!(
                "{reason}. The host runs {}, not its former system {}.",
                status.running, status.old
            ),
        }
    }
}
