//! What is seen of the virtual Pi from outside, by `spinet status`, and of the runs of spinet beside it.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::time::Instant;

use super::Rehearsal;
use super::network::PI;
use crate::error::Failure;
use crate::process::Background;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Seconds that an emulated machine may take to greet.
const PATIENT: &str = "10";

/// What `spinet status --json` tells, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    pub reached: bool,
    #[serde(default)]
    pub current: String,
    #[serde(default)]
    profile: String,
    #[serde(default)]
    boot_entry: String,
    /// What the flake builds.
    built: Option<String>,
    pending: Option<serde_json::Value>,
    #[serde(default)]
    failed_units: Vec<String>,
    failing_checks: Option<Vec<String>>,
}

impl Seen {
    /// What it runs is what it would boot.
    pub fn is_permanent(&self) -> bool {
        self.profile == self.current && self.boot_entry == self.current
    }

    /// It runs what the flake builds.
    pub fn is_built(&self) -> bool {
        self.built.as_deref() == Some(self.current.as_str())
    }

    /// What its configuration promises and does not keep: secrets, its own checks.
    pub fn failing(&self) -> &[String] {
        self.failing_checks.as_deref().unwrap_or_default()
    }

    /// Units that failed. Those of drivers may, without the board: that new ones do is for the deploy to find.
    pub fn failed_units(&self) -> &[String] {
        &self.failed_units
    }
}

impl Rehearsal<'_> {
    /// The arguments, and where the host is if nobody here can tell by its name.
    fn found<'s>(&self, args: &[&'s str]) -> Vec<&'s str> {
        let mut args = args.to_vec();
        if !self.host.address.ends_with(".local") && args.first() != Some(&"secrets") {
            args.extend(["--address", PI]);
        }
        args
    }

    /// Starts spinet on the scratch flake.
    pub fn start(&self, args: &[&str]) -> Result<Background> {
        let args = &self.found(args);
        self.ui.detail(format!("spinet {}", args.join(" ")));
        let cmd = self.scratch.spinet(self.network, args)?;
        cmd.in_background(&self.scratch.file("spinet.log"))
    }

    /// Runs spinet to its end.
    pub async fn spinet(&self, args: &[&str]) -> Result<Ended> {
        Ended::of(self.start(args)?).await
    }

    async fn ask(&self, flags: &[&str]) -> Result<Seen> {
        let args = [
            &["status", &self.host.name, "--json", "--timeout", PATIENT],
            flags,
        ]
        .concat();
        let cmd = self.scratch.spinet(self.network, &self.found(&args))?;
        let output = cmd.output().await?;
        let rows: Vec<Seen> = serde_json::from_slice(&output.stdout).with_context(|| {
            format!("while reading what `spinet status` said: {}", output.stderr)
        })?;
        rows.into_iter()
            .next()
            .context("`spinet status` told nothing.")
    }

    /// What was seen of the host last, for nothing happened to it since.
    pub async fn before(&mut self) -> Result<Seen> {
        match self.seen.clone() {
            Some(seen) => Ok(seen),
            None => self.settled().await,
        }
    }

    /// Waits until the host answers and no attempt is undecided.
    pub async fn settled(&mut self) -> Result<Seen> {
        self.settle(&["--no-build"]).await
    }

    /// The same, with what the flake builds.
    pub async fn settled_and_built(&mut self) -> Result<Seen> {
        self.settle(&[]).await
    }

    async fn settle(&mut self, flags: &[&str]) -> Result<Seen> {
        let end = Instant::now() + self.patience;
        loop {
            self.machine.check()?;
            let seen = self.ask(flags).await?;
            if seen.reached && seen.pending.is_none() {
                self.seen = Some(seen.clone());
                return Ok(seen);
            }
            if Instant::now() > end {
                let what = if seen.reached {
                    "decided nothing"
                } else {
                    "did not answer"
                };
                let failure = Failure::new(format!(
                    "{} {what} within {} s.",
                    self.host.name,
                    self.patience.as_secs()
                ));
                return Err(failure
                    .source(anyhow::anyhow!("{}", self.console_tail()))
                    .into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until spinet has printed a text.
    pub async fn until(&self, running: &mut Background, text: &str) -> Result<()> {
        if running.prints(text, self.patience).await {
            return Ok(());
        }
        let failure = Failure::new(format!("spinet never said \"{text}\"."));
        Err(failure
            .source(anyhow::anyhow!("{}", running.output()))
            .into())
    }

    /// The last lines of the console.
    pub fn console_tail(&self) -> String {
        let bytes = std::fs::read(self.machine.console()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().map(crate::ui::visible).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// A run of spinet that has ended.
pub struct Ended {
    /// None if it was killed.
    pub code: Option<i32>,
    pub output: String,
}

impl Ended {
    /// Waits for it.
    pub async fn of(mut running: Background) -> Result<Self> {
        let status = running.wait().await?;
        Ok(Self {
            code: status.code(),
            output: running.output(),
        })
    }

    /// Fails unless it ended with this code.
    pub fn expect(&self, code: i32) -> Result<()> {
        if self.code == Some(code) {
            return Ok(());
        }
        let got = self
            .code
            .map_or("a signal".into(), |code| format!("exit code {code}"));
        let failure = Failure::new(format!("spinet ended with {got}, not {code}."));
        Err(failure.source(anyhow::anyhow!("{}", self.output)).into())
    }
}
