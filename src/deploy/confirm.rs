//! From the start of an activation to its end. The confirmation goes over a connection made after the switch, to a newly
//! found host, as the user of the new configuration: whatever that did to network, address, sshd and users, it counts.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::job::Job;
use super::options::Mode;
use super::report::Outcome;
use super::stage::Stage;
use super::system::Build;
use crate::error::Failure;
use crate::fleet::Host;
use crate::host::guard::{Attempt, BEAT, is_end, withdrawn};
use crate::host::health;
use crate::host::manifest::Check;
use crate::host::ssh::{Login, Target};
use crate::host::status::{self, Status};
use crate::process::Output;

/// Between two looks at a host that is busy or does not answer.
const PAUSE: Duration = Duration::from_millis(400);
/// How long one question may take, the login included.
const QUESTION: Duration = Duration::from_secs(30);
/// How long the guard may take from a decision to its end.
pub(super) const DECISION: Duration = Duration::from_secs(400);
/// How long after its deadline a host may need to undo, or to restart, and be reachable again.
const GRACE: Duration = Duration::from_secs(300);
/// A journal that is silent for so long has lost its link.
const SILENCE: Duration = Duration::from_secs(5);
/// How often nobody may be able to log in as the new configuration's user, while the former user can.
const SHUT_OUT: u32 = 3;

/// What switch-to-configuration says when it refuses to go to a system in place: changed components that it cannot replace
/// (`system.switch.inhibitors`), or another stage 2 (exit 100).
const NEEDS_RESTART: [&str; 2] = [
    "There are changes to critical components",
    "won't take effect until you reboot",
];

/// Who is asked, and what is known so far.
struct Watch<'w> {
    attempt: &'w Attempt,
    build: &'w Build,
    checks: &'w [Check],
    /// The host with the user that the new configuration has, and with the one it had.
    new: Host,
    former: Host,
    /// The switch was seen at its end: a connection made from now on is newer.
    ended: bool,
    shut_out: u32,
    /// Why this run undoes it.
    reason: Option<String>,
}

impl Job<'_> {
    /// Until the attempt is over or the host is lost.
    pub(super) async fn see_through(
        &self,
        first: Target,
        attempt: &Attempt,
        build: &Build,
        checks: &[Check],
    ) -> Result<Outcome> {
        let name = self.name();
        let mut watch = Watch {
            attempt,
            build,
            checks,
            new: Host {
                user: build.manifest.user.clone(),
                ..self.host.clone()
            },
            former: first.host.clone(),
            ended: false,
            shut_out: 0,
            reason: None,
        };
        let end = Instant::now() + attempt.deadline + GRACE;
        watch.ended = self.follow(&first, attempt).await;
        first.close().await;
        self.stage(Stage::Confirm, "waiting for a new connection");
        while Instant::now() < end {
            if let Some((target, status)) = self.ask(&mut watch).await {
                let outcome = self.step(&mut watch, &target, status).await;
                target.close().await;
                if let Some(outcome) = outcome? {
                    return Ok(outcome);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        let seconds = attempt.deadline.as_secs();
        let expect = match attempt.mode {
            "boot" => format!("{name} cannot be reached. It boots either configuration."),
            "reboot" => format!(
                "{name} cannot be reached. If the new system came up, it goes back {seconds} s after its start; if it did not, choose the former one in the boot menu, or flash the card again."
            ),
            _ => format!(
                "{name} cannot be reached. Its guard undoes the activation {seconds} s after it began, and restarts the host into its former system if that is not enough."
            ),
        };
        Ok(Outcome::Unknown {
            expect: format!("{expect} `spinet status {name}` finds out how it ended."),
        })
    }

    /// Shows the attempt's journal until the switch is over; whether it was seen to its end.
    async fn follow(&self, target: &Target, attempt: &Attempt) -> bool {
        let (id, limit) = (attempt.id.as_str(), attempt.deadline + DECISION);
        let (heard, ended) = (Cell::new(Instant::now()), Cell::new(false));
        let remote = self.guard(&target.host.user).follow(id);
        let reading = target.run(&remote, None, |line| {
            heard.set(Instant::now());
            if is_end(line, id) {
                ended.set(true);
            } else if line.starts_with("ssh: ") {
                // not the host's words
                self.ui().detail(line);
            } else if line != BEAT {
                if NEEDS_RESTART.iter().any(|words| line.contains(words)) {
                    self.wants_restart.set(true);
                }
                self.show(line);
            }
        });
        let silent = async {
            while heard.get().elapsed() < SILENCE && !ended.get() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            _ = reading => {}
            () = silent => {}
            () = tokio::time::sleep(limit) => {}
        }
        ended.get()
    }

    /// The status over a new connection, as the new configuration's user or else as the former one.
    async fn ask(&self, watch: &mut Watch<'_>) -> Option<(Target, Status)> {
        let found = self.look(&watch.new).await;
        if found.is_some() || watch.new.user == watch.former.user {
            watch.shut_out = 0;
            return found;
        }
        let found = self.look(&watch.former).await;
        watch.shut_out += u32::from(found.is_some());
        found
    }

    pub(super) async fn look(&self, host: &Host) -> Option<(Target, Status)> {
        let guard = self.guard(&host.user);
        let (there, brought) = (guard.status(), guard.look());
        let read = |a: Output| Status::parse(&String::from_utf8_lossy(&a.stdout)).ok();
        let status = async |target: &Target| {
            let (login, answer) = target.enter(&there, QUESTION).await;
            if let Some(status) = answer.and_then(read) {
                return (login, Some(status));
            }
            if login != Login::Accepted {
                return (login, None);
            }
            // a host that keeps nothing over a restart, or lost it, has no guard any more
            let (login, answer) = target.enter(&brought, QUESTION).await;
            (login, answer.and_then(read))
        };
        self.search(host, QUESTION)
            .ask(&self.key, &self.seen, self.ui(), status)
            .await
    }

    /// What the host's state asks for; its outcome when that is the end.
    async fn step(
        &self,
        watch: &mut Watch<'_>,
        target: &Target,
        status: Status,
    ) -> Result<Option<Outcome>> {
        let id = &watch.attempt.id;
        let guard = self.guard(&target.host.user);
        let Some(last) = status.last.clone().filter(|last| last.id == *id) else {
            // its start may still be on its way
            let remote = guard.withdraw(id);
            let answer = target.run(&remote, Some(QUESTION), |_| ()).await;
            if answer.is_ok_and(|a| withdrawn(&String::from_utf8_lossy(&a.stdout), id)) {
                return Err(self.never_began());
            }
            return Ok(None);
        };
        match &last.outcome {
            status::Outcome::Waiting { .. } if !watch.ended => {
                // this connection may be older than the end of the switch
                watch.ended = true;
                Ok(None)
            }
            status::Outcome::Waiting { .. } if target.host.user != watch.new.user => {
                if watch.shut_out >= SHUT_OUT {
                    let why = format!("Nobody can log in as {}.", watch.new.user);
                    let status = self.undo(target, watch, why).await;
                    return status.map_or(Ok(None), |s| self.end(watch, &s));
                }
                Ok(None)
            }
            status::Outcome::Waiting { .. } => match self.judge(target, watch, &status).await {
                Some(status) => self.end(watch, &status),
                None => Ok(None),
            },
            status::Outcome::Busy { phase, .. } if phase == "undoing" => {
                // a login works: the guard need not restart the host to be reachable
                let _ = target.run(&guard.seen(id), Some(QUESTION), |_| ()).await;
                Ok(None)
            }
            status::Outcome::Busy { phase, .. } if phase == "activating" => {
                watch.ended = self.follow(target, watch.attempt).await;
                Ok(None)
            }
            status::Outcome::Busy { .. } => Ok(None),
            status::Outcome::Interrupted { phase }
                if last.mode == "reboot" && matches!(phase.as_str(), "rebooting" | "waiting") =>
            {
                let _ = target.run(&guard.awake(id), Some(QUESTION), |_| ()).await;
                Ok(None)
            }
            // its guard is gone: this takes its place and ends the attempt
            status::Outcome::Interrupted { .. } => {
                let _ = target.run(&guard.settle(), Some(DECISION), |_| ()).await;
                Ok(None)
            }
            _ => self.end(watch, &status),
        }
    }

    /// The outcome of an attempt that is over; none while the host still has to restart.
    fn end(&self, watch: &Watch<'_>, status: &Status) -> Result<Option<Outcome>> {
        let (toplevel, runs) = (&watch.build.toplevel, &watch.build.runs);
        let mode = Mode::of(watch.attempt.mode);
        let Some(last) = &status.last else {
            return Ok(None);
        };
        if status.current.is_empty() {
            // it is on its way down
            return Ok(None);
        }
        match &last.outcome {
            status::Outcome::Committed | status::Outcome::Tested
                if mode.is_done(status, toplevel, runs) =>
            {
                Ok(Some(Outcome::Deployed(mode)))
            }
            // the former system's own switch failed: the host restarts into it
            status::Outcome::Undone { .. } if status.current == *runs && mode != Mode::Boot => {
                Ok(None)
            }
            status::Outcome::Undone { .. } if !status.is_back() => {
                Err(self.inconsistent("It was undone.", status))
            }
            status::Outcome::Undone { reason } => {
                let mut reason = watch.reason.clone().unwrap_or_else(|| reason.clone());
                if self.wants_restart.get() {
                    let name = self.name();
                    reason += &format!(" `spinet deploy {name} --reboot` goes there by a restart.");
                }
                Ok(Some(Outcome::Undone { reason }))
            }
            status::Outcome::Committed | status::Outcome::Tested => {
                Err(self.inconsistent("It was confirmed.", status))
            }
            status::Outcome::Failed { reason } => Err(self.inconsistent(reason, status)),
            _ => Ok(None),
        }
    }

    /// Checks the host's health over the fresh connection and says the word. The status after it, if the guard was heard
    /// to the end.
    async fn judge(
        &self,
        target: &Target,
        watch: &mut Watch<'_>,
        status: &Status,
    ) -> Option<Status> {
        self.stage(Stage::Confirm, "looking whether it is healthy");
        let bad = self.unhealthy(target, watch.checks, status).await?;
        if !bad.is_empty() {
            self.show_units(target, &status.newly_failed).await;
            let why = format!("Not healthy: {}.", bad.join(", "));
            return self.undo(target, watch, why).await;
        }
        let name = self.name();
        let permanent = if watch.attempt.mode == "test" {
            "leaving it"
        } else {
            "making it permanent"
        };
        self.stage(Stage::Confirm, permanent);
        self.ui().say(format!(
            "{name}: reached over a new connection and healthy; {permanent}"
        ));
        let remote = self.guard(&target.host.user).confirm(&watch.attempt.id);
        let output = target.run(&remote, Some(DECISION), |_| ()).await.ok()?;
        Status::parse(&String::from_utf8_lossy(&output.stdout)).ok()
    }

    async fn undo(&self, target: &Target, watch: &mut Watch<'_>, why: String) -> Option<Status> {
        let name = self.name();
        self.ui().warn(format!("{name}: {why} Undoing."));
        self.stage(Stage::Confirm, "undoing");
        watch.reason = Some(why);
        let remote = self.guard(&target.host.user).undo(&watch.attempt.id);
        let asked = target.run(&remote, Some(DECISION), |_| ()).await;
        // an undo can restart the host or the network: then it is looked at anew
        Status::parse(&String::from_utf8_lossy(&asked.ok()?.stdout)).ok()
    }

    /// What is wrong with the host, if it could be asked.
    pub(super) async fn unhealthy(
        &self,
        target: &Target,
        checks: &[Check],
        status: &Status,
    ) -> Option<Vec<String>> {
        let root = &self.guard(&target.host.user).root;
        let failed = health::ask(target, root, checks, QUESTION).await.ok()??;
        let units = status
            .newly_failed
            .iter()
            .map(|unit| format!("unit {unit}"));
        Some(units.chain(failed).collect())
    }

    /// What a failed unit said last, shown.
    pub(super) async fn show_units(&self, target: &Target, units: &[String]) {
        for unit in units {
            let words = [
                "journalctl",
                "--no-pager",
                "--lines=10",
                "--output=cat",
                "--unit",
                unit,
            ];
            let remote = self.guard(&target.host.user).root.run(&words, &[]);
            let Ok(output) = target.run(&remote, Some(QUESTION), |_| ()).await else {
                return;
            };
            self.show(&format!("{unit} said last:"));
            for line in String::from_utf8_lossy(&output.stdout).lines() {
                self.show(&format!("  {line}"));
            }
        }
    }

    fn never_began(&self) -> anyhow::Error {
        Failure::new(format!(
            "The activation never began on {}: the link broke before. The host was not changed.",
            self.name()
        ))
        .hint("Deploy again; what was copied already is there.")
        .into()
    }

    pub(super) fn inconsistent(&self, why: &str, status: &Status) -> anyhow::Error {
        Failure::new(format!(
            "{} is in no clear state: {}",
            self.name(),
            crate::ui::visible(why)
        ))
        .hint(format!(
            "It runs {}, its profile names {}, and it would boot {}.",
            status.current, status.profile, status.boot_entry
        ))
        .into()
    }
}
