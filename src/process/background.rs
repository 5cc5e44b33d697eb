//! A command that runs beside what follows, its output in a file.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::{Child, ChildStdin};
use tokio::time::Instant;

use super::Cmd;
use crate::ui::visible;

/// How often the file is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// A running command. Dropping it kills it.
pub struct Background {
    child: Child,
    /// Open for as long as this is there, unless it is waited for.
    stdin: Option<ChildStdin>,
    log: PathBuf,
    /// Where in the file its output begins.
    start: usize,
}

impl Cmd {
    /// Starts the command; what it prints, on either stream, goes to the end of the file `log`.
    pub fn in_background(&self, log: &Path) -> Result<Background> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("while opening {}", log.display()))?;
        let start = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let mut command = self.prepare();
        command.stdin(Stdio::piped());
        command.stdout(file.try_clone()?).stderr(file);
        let mut child = command.spawn().map_err(|e| self.not_started(e))?;
        Ok(Background {
            stdin: child.stdin.take(),
            child,
            log: log.to_owned(),
            start,
        })
    }
}

impl Background {
    /// The number of the process; none once it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        // a program that reads on gets to its end
        self.stdin = None;
        self.child
            .wait()
            .await
            .context("while waiting for a process")
    }

    /// Ends it at once, as the kernel's SIGKILL does.
    pub async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }

    /// What it has printed so far, escaped.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let own = bytes.get(self.start..).unwrap_or_default();
        let text = String::from_utf8_lossy(own);
        let lines: Vec<_> = text.lines().map(visible).collect();
        lines.join("\n")
    }

    /// Waits until it has printed a text; false if it ends before, or does not within `limit`.
    pub async fn prints(&mut self, text: &str, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            // in this order: what it printed last counts as well
            let running = self.is_running();
            if self.output().contains(text) {
                return true;
            }
            if !running || Instant::now() > end {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
