//! Waiting until a host answers and shows who it is.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::discover::Resolver;
use super::ssh::{Login, Target};
use crate::error::Failure;
use crate::fleet::Host;
use crate::parallel::join_all;
use crate::process::Cmd;
use crate::ui::{Ui, visible};

/// Between two rounds while nobody answers.
const PAUSE: Duration = Duration::from_millis(300);
/// Between two rounds when somebody answered, but did not let us in: a hasty sender is shut out by sshd.
const BACK_OFF: Duration = Duration::from_secs(2);
const ATTEMPT: Duration = Duration::from_secs(15);

/// Where to look for a host and for how long.
pub struct Search<'a> {
    pub host: &'a Host,
    /// `--address`, in place of the host's own.
    pub address: Option<&'a str>,
    pub timeout: Duration,
}

/// What was heard while waiting, for the error at the end.
#[derive(Default)]
struct Heard {
    strangers: BTreeSet<SocketAddr>,
    last: Option<String>,
}

impl Search<'_> {
    /// Waits until the host can be logged in to under `key`, and returns where.
    pub async fn pinned(&self, key: &str, ui: &Ui) -> Result<Target> {
        let heard = RefCell::new(Heard::default());
        let found = self
            .rounds(ui, async |address| {
                let target = Target::new(self.host, Some(address), key)?;
                match target.login(ATTEMPT).await? {
                    Login::Accepted => return Ok(Some(target)),
                    Login::Stranger => {
                        if heard.borrow_mut().strangers.insert(address) {
                            ui.warn(format!("{address} answers as {}, but shows another key than the pinned one; it is ignored.", self.name()));
                        }
                    }
                    denied @ Login::Denied => {
                        return Err(denied.into_failure(self.host, anyhow::anyhow!("Permission denied (publickey).")).into());
                    }
                    Login::Unreachable(why) => heard.borrow_mut().last = Some(why),
                }
                Ok(None)
            })
            .await?;
        found.ok_or_else(|| self.gave_up(&heard.borrow()))
    }

    /// Everything that answers under the host's name right now; only the pinned key gets past the next question.
    pub async fn targets(&self, key: &str) -> Vec<Target> {
        let resolver = Resolver::new(self.name(), self.host.port, self.address.is_some());
        let found = resolver.candidates().await.into_iter();
        found
            .filter_map(|address| Target::new(self.host, Some(address), key).ok())
            .collect()
    }

    /// Waits until the host answers and returns the ed25519 key it shows. Nothing says yet whose key that is.
    pub async fn shown_key(&self, ui: &Ui) -> Result<(SocketAddr, String)> {
        let found = self
            .rounds(ui, async |address| {
                Ok(scan(address).await?.map(|key| (address, key)))
            })
            .await?;
        found.ok_or_else(|| self.gave_up(&Heard::default()))
    }

    fn name(&self) -> &str {
        self.address.unwrap_or(&self.host.address)
    }

    /// Tries everything that is heard, side by side, until one attempt has a result or the time is over.
    async fn rounds<T>(
        &self,
        ui: &Ui,
        attempt: impl AsyncFn(SocketAddr) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let resolver = Resolver::new(self.name(), self.host.port, self.address.is_some());
        let start = Instant::now();
        loop {
            let candidates = resolver.candidates().await;
            let heard = !candidates.is_empty();
            let state = if heard {
                "somebody answers"
            } else {
                "nothing heard yet"
            };
            ui.progress(
                &format!("Waiting for {}: {state}", visible(self.name())),
                0,
                0,
            );
            for result in join_all(candidates.into_iter().map(|a| attempt(a))).await {
                if !matches!(result, Ok(None)) {
                    ui.progress_done();
                    return result;
                }
            }
            if start.elapsed() > self.timeout {
                ui.progress_done();
                return Ok(None);
            }
            tokio::time::sleep(if heard { BACK_OFF } else { PAUSE }).await;
        }
    }

    fn gave_up(&self, heard: &Heard) -> anyhow::Error {
        let seconds = self.timeout.as_secs();
        let name = visible(self.name());
        let failure = if heard.strangers.is_empty() {
            Failure::new(format!("{name} did not answer within {seconds} s."))
                .hint("Is the card in, the power LED on, the network in range (a Pi 3B or Zero has no 5 GHz; a wrong wifi country hides channels)?")
                .hint("Does the access point isolate its clients, or a firewall here block UDP 5353? `--address` names the host's address instead.")
        } else {
            let who: Vec<_> = heard.strangers.iter().map(ToString::to_string).collect();
            Failure::new(format!("Only strangers answered as {name} within {seconds} s: {}.", who.join(", ")))
                .hint(format!("They show another key than the one pinned for {}. Is an older card of it still running somewhere?", self.host.name))
        };
        match &heard.last {
            Some(why) => failure.source(anyhow::anyhow!("The last attempt said: {why}")),
            None => failure,
        }
        .into()
    }
}

/// The ed25519 key shown at an address, by `ssh-keyscan`.
async fn scan(address: SocketAddr) -> Result<Option<String>> {
    let host = match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        other => other.ip().to_string(),
    };
    let output = Cmd::new("ssh-keyscan")
        .args([
            "-T",
            "5",
            "-t",
            "ed25519",
            "-p",
            &address.port().to_string(),
            &host,
        ])
        .or_install("Install OpenSSH.")
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let key = text
        .lines()
        .filter(|l| !l.starts_with('#'))
        .find_map(|l| l.split_once(' '));
    Ok(key.map(|(_, key)| key.trim().to_owned()))
}
