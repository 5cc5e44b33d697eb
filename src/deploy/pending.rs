//! `--confirm` and `--undo`: an attempt that an earlier run left waiting is decided by this one.

use anyhow::Result;

use super::Run;
use super::confirm::DECISION;
use super::job::{Job, Reached};
use super::options::Mode;
use super::report::Outcome;
use super::stage::Tally;
use crate::error::Failure;
use crate::host::health;
use crate::host::manifest::Manifest;
use crate::host::status::{self, Last, Status};
use crate::parallel::at_most;

impl<'a> Run<'a> {
    pub(super) async fn decide(
        &'a self,
        words: &[String],
        confirm: bool,
    ) -> Result<Vec<(String, Outcome)>> {
        let action = if confirm { "confirm" } else { "undo" };
        let jobs = self.jobs(words, action).await?;
        let tally = &Tally::new(&jobs, self.ui);
        let work = jobs.iter().map(|job| async move {
            let decided = job.decide(confirm).await;
            let outcome = decided.unwrap_or_else(Outcome::Failed);
            self.record.ended(job.name(), &outcome);
            tally.ended(job.name(), &outcome);
            (job.name().to_owned(), outcome)
        });
        Ok(at_most(self.options.parallel, work).await)
    }
}

impl Job<'_> {
    async fn decide(&self, confirm: bool) -> Result<Outcome> {
        let reached = self.reach().await?;
        let Some(last) = reached.status.last.clone().filter(Last::is_pending) else {
            return Err(
                Failure::new(format!("Nothing waits to be decided on {}.", self.name()))
                    .hint(format!(
                        "`spinet status {}` tells what it runs.",
                        self.name()
                    ))
                    .into(),
            );
        };
        self.run.record.system(self.name(), &last.toplevel);
        self.run.record.attempt(self.name(), &last.id);
        if confirm {
            self.check_health(&reached, &last).await?;
        }
        let guard = self.guard(&reached.target.host.user);
        let interrupted = matches!(last.outcome, status::Outcome::Interrupted { .. });
        if interrupted && last.mode == "reboot" {
            self.must(&reached.target, &guard.awake(&last.id)).await?;
        }
        let word = if confirm {
            guard.confirm(&last.id)
        } else {
            guard.undo(&last.id)
        };
        let output = reached.target.run(&word, Some(DECISION), |_| ()).await?;
        let status = Status::parse(&String::from_utf8_lossy(&output.stdout))?;
        let mode = Mode::of(&last.mode);
        match status.last.as_ref().map(|last| last.outcome.clone()) {
            Some(status::Outcome::Undone { .. }) if !status.is_back() => {
                Err(self.inconsistent("It was undone.", &status))
            }
            Some(status::Outcome::Committed | status::Outcome::Tested) => {
                Ok(Outcome::Deployed(mode))
            }
            Some(status::Outcome::Undone { reason }) => {
                let asked = !confirm && reason == "It was asked for.";
                Ok(if asked {
                    Outcome::Withdrawn
                } else {
                    Outcome::Undone { reason }
                })
            }
            other => {
                let name = self.name();
                let state = match other {
                    Some(
                        status::Outcome::Busy { phase, .. }
                        | status::Outcome::Interrupted { phase },
                    ) => format!("it is still {phase}."),
                    Some(status::Outcome::Failed { reason }) => reason,
                    Some(status::Outcome::Waiting { .. }) => "it waits still.".into(),
                    _ => "it knows of no deploy.".into(),
                };
                Err(
                    Failure::new(format!("The attempt on {name} is not decided: {state}"))
                        .hint(format!("`spinet status {name}` tells how it ends."))
                        .into(),
                )
            }
        }
    }

    /// Nothing is confirmed that a deploy would not have confirmed. This connection is newer than the switch if the
    /// attempt waits.
    async fn check_health(&self, reached: &Reached, last: &Last) -> Result<()> {
        let name = self.name();
        let status::Outcome::Waiting { .. } = last.outcome else {
            return Err(
                Failure::new(format!("The attempt on {name} cannot be confirmed now: its switch still runs, or its guard is gone."))
                    .hint("Wait a moment, or undo it with --undo.")
                    .into(),
            );
        };
        let manifest = Manifest::on(&reached.target, &last.toplevel).await?;
        let checks = health::checks(&manifest);
        let bad = self
            .unhealthy(&reached.target, &checks, &reached.status)
            .await
            .ok_or_else(|| {
                Failure::new(format!("{name} did not answer when asked for its health."))
                    .hint("Confirm it again, or undo it with --undo.")
            })?;
        if bad.is_empty() {
            return Ok(());
        }
        self.show_units(&reached.target, &reached.status.newly_failed)
            .await;
        Err(
            Failure::new(format!("{name} is not healthy: {}.", bad.join(", ")))
                .hint("It is undone at its deadline; --undo does it now.")
                .into(),
        )
    }
}
