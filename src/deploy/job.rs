//! One host's update up to the start of the activation: reach it, hold the build against it, copy, start.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::Run;
use super::copy::is_full;
use super::options::{Mode, Source};
use super::report::Outcome;
use super::room::Lacking;
use super::stage::Stage;
use super::system::Build;
use crate::error::Failure;
use crate::fleet::Host;
use crate::host::guard::{self, Attempt, Guard};
use crate::host::health;
use crate::host::root::{Remote, Root};
use crate::host::sightings::Sightings;
use crate::host::ssh::Target;
use crate::host::status::{self, Status};
use crate::host::wait::Search;
use crate::process::{Output, quote};
use crate::ui::{Ui, visible};

/// One host's share of a deploy.
pub struct Job<'a> {
    pub run: &'a Run<'a>,
    pub host: Host,
    /// Its pinned key.
    pub key: String,
    /// The switch said that the new system needs a restart.
    pub wants_restart: Cell<bool>,
    /// What answered under its name since the activation began.
    pub seen: RefCell<Sightings>,
}

/// A host that was logged in to.
pub struct Reached {
    pub target: Target,
    pub status: Status,
    at: Instant,
}

/// A build can take hours: what a host said longer ago is asked again.
const STALE: Duration = Duration::from_secs(60);

impl<'a> Job<'a> {
    pub fn new(run: &'a Run<'a>, host: Host, key: String) -> Self {
        Self {
            run,
            host,
            key,
            wants_restart: Cell::default(),
            seen: RefCell::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.host.name
    }

    pub fn ui(&self) -> &'a Ui {
        self.run.ui
    }

    /// Finds the host, logs in under its pinned key and looks at it, in one go. A user that only the new configuration
    /// has cannot log in yet: root can.
    pub async fn reach(&self) -> Result<Reached> {
        self.stage(Stage::Reach, "reaching it");
        let reached = self.enter().await;
        // what is built is seen meanwhile
        self.ui().leave(self.name());
        reached
    }

    async fn enter(&self) -> Result<Reached> {
        let look = |user: &str| self.guard(user).look();
        let search = self.search(&self.host, self.run.options.reach);
        let users = self.host.users();
        let (target, output) = search.enter(&self.key, &users, look, self.ui()).await?;
        let text = self.accept(&target, &output)?;
        let name = self.name();
        let status =
            Status::parse(&text).with_context(|| format!("{name} cannot be looked at."))?;
        if status.current.is_empty() {
            return Err(Failure::new(format!(
                "{} does not look like NixOS: it has no /run/current-system.",
                self.name()
            ))
            .hint("spinet deploys to NixOS only; `spinet bootstrap` makes such a card.")
            .into());
        }
        let at = Instant::now();
        Ok(Reached { target, status, at })
    }

    pub fn search<'s>(&'s self, host: &'s Host, timeout: Duration) -> Search<'s> {
        Search {
            host,
            address: self.run.options.address.as_deref(),
            timeout,
        }
    }

    pub fn guard(&self, user: &str) -> Guard {
        let password = self.run.options.password.as_ref();
        Guard {
            root: Root::of(user, password),
        }
    }

    /// Runs a script that must succeed.
    pub async fn must(&self, target: &Target, remote: &Remote) -> Result<String> {
        let output = target.run(remote, None, |_| ()).await?;
        self.accept(target, &output)
    }

    fn accept(&self, target: &Target, output: &Output) -> Result<String> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(self.refused(target, &output.stderr))
    }

    fn refused(&self, target: &Target, stderr: &str) -> anyhow::Error {
        let what = match stderr.trim() {
            "" => format!("The guard on {} failed and said nothing.", self.name()),
            said => format!("The guard on {} failed: {}", self.name(), visible(said)),
        };
        if is_full(stderr) {
            return self.no_room(&what).into();
        }
        let mut failure = Failure::new(what);
        let user = &target.host.user;
        if let Some(remedy) = self.guard(user).root.remedy(user, stderr) {
            failure = failure.hint(remedy);
        }
        failure.into()
    }

    /// Takes the host to what was built for it, or tells why it is not there.
    pub async fn run(
        &self,
        reached: Option<Result<Reached>>,
        built: impl Future<Output = Option<Result<PathBuf>>>,
    ) -> Outcome {
        let reach = async {
            match reached {
                Some(reached) => reached,
                None => self.reach().await,
            }
        };
        let (reached, built) = tokio::join!(reach, built);
        if let Some(Err(error)) = built {
            return Outcome::Failed(error);
        }
        let update = async {
            let mut reached = reached?;
            self.stage(Stage::Copy, "comparing");
            if reached.at.elapsed() > STALE {
                let look = self.guard(&reached.target.host.user).look();
                reached.status = Status::parse(&self.must(&reached.target, &look).await?)?;
            }
            let system = self.system(&reached, built).await?;
            self.run.record.system(self.name(), &system.toplevel);
            self.update(reached, system).await
        };
        update.await.unwrap_or_else(Outcome::Failed)
    }

    async fn update(&self, reached: Reached, build: Build) -> Result<Outcome> {
        let Reached { target, status, .. } = reached;
        let mode = self.run.options.mode;
        self.check(&status, &build.manifest)?;
        if mode.is_done(&status, &build.toplevel, &build.runs) {
            target.close().await;
            return Ok(Outcome::Unchanged(mode));
        }
        self.check_pending(&status)?;
        self.check_origin(&status)?;
        let copies = matches!(self.run.options.source, Source::Here | Source::BuildHost(_));
        let lacking = if copies {
            self.lacking(&target, &status, Path::new(&build.toplevel))
                .await?
        } else {
            Lacking::default()
        };
        let options = &self.run.options;
        let seconds = Duration::from_secs(build.manifest.deadline);
        let attempt = Attempt {
            id: new_id(),
            toplevel: build.toplevel.clone(),
            specialisation: options.specialisation.clone(),
            deadline: options.deadline.unwrap_or(seconds),
            mode: mode.word(),
        };
        let guard = self.guard(&target.host.user);
        self.must(&target, &guard.install(&attempt))
            .await
            .context("while sending the guard")?;
        if lacking.paths > 0 {
            self.copy(&target, Path::new(&build.toplevel), &lacking)
                .await?;
        }
        if mode == Mode::DryActivate {
            return self.dry_activate(&target, &attempt, &build.runs).await;
        }
        let checks = health::checks(&build.manifest);
        self.run.begun(self.name(), &attempt.id);
        let ended = async {
            self.start(&target, &attempt).await?;
            self.see_through(target, &attempt, &build, &checks).await
        }
        .await;
        self.run.over(self.name());
        ended
    }

    /// Another attempt is decided before a new one begins.
    fn check_pending(&self, status: &Status) -> Result<()> {
        let Some(last) = status.last.as_ref() else {
            return Ok(());
        };
        match last.outcome {
            status::Outcome::Busy { .. } | status::Outcome::Waiting { .. } => {
                Err(self.busy(&last.id))
            }
            // the guard of the new attempt settles it first
            _ => Ok(()),
        }
    }

    fn busy(&self, id: &str) -> anyhow::Error {
        let name = self.name();
        Failure::new(format!(
            "Another deploy to {name} is under way (attempt {}).",
            visible(id)
        ))
        .hint(format!("Wait for its end (the host undoes it by itself if nobody confirms it), or decide it with `spinet deploy {name} --confirm` or `--undo`."))
        .into()
    }

    async fn dry_activate(
        &self,
        target: &Target,
        attempt: &Attempt,
        runs: &str,
    ) -> Result<Outcome> {
        self.stage(Stage::Activate, "showing what it would do");
        let guard = self.guard(&target.host.user);
        let script = format!("{runs}/bin/switch-to-configuration");
        let remote = guard.root.run(&[&script, "dry-activate"], &[]);
        let output = target.run(&remote, None, |line| self.show(line)).await;
        let _ = target.run(&guard.release(&attempt.id), None, |_| ()).await;
        let output = output?;
        if output.status.success() {
            return Ok(Outcome::Tried);
        }
        Err(Failure::new(format!(
            "`{} dry-activate` failed on {} ({}).",
            quote(&script),
            self.name(),
            output.status
        ))
        .hint("What it printed stands above; nothing was activated.")
        .into())
    }

    /// A line the host printed.
    pub fn show(&self, line: &str) {
        self.ui()
            .say(format!("{} | {}", self.name(), visible(line)));
    }

    async fn start(&self, target: &Target, attempt: &Attempt) -> Result<()> {
        let name = self.name();
        let seconds = attempt.deadline.as_secs();
        let what = match attempt.mode {
            "boot" => "making it what boots".to_owned(),
            "reboot" => format!(
                "making it what boots, and restarting; taken back {seconds} s after that unless confirmed"
            ),
            _ => format!("activating; undone after {seconds} s unless confirmed"),
        };
        self.ui().say(format!("{name}: {what}"));
        self.stage(Stage::Activate, &what);
        let remote = self.guard(&target.host.user).start(attempt);
        let Ok(output) = target.run(&remote, None, |_| ()).await else {
            // the link broke, or ssh was killed: whether the guard started is seen over the next connection
            return Ok(());
        };
        match output.status.code() {
            Some(0) => Ok(()),
            Some(guard::REFUSED) => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                Err(self.busy(guard::refused_by(&text).unwrap_or("of unknown name")))
            }
            _ => Err(self.refused(target, &output.stderr)),
        }
    }
}

/// A name no other attempt on the host has.
fn new_id() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", now.as_millis(), std::process::id())
}
