//! Waiting until a host answers and shows who it is.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::discover::Resolver;
use super::ssh::{Login, Target};
use crate::error::Failure;
use crate::fleet::Host;
use crate::process::Cmd;
use crate::ui::{Ui, visible};

const PAUSE: Duration = Duration::from_millis(300);
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
        let mut heard = Heard::default();
        let found = self
            .rounds(ui, async |address| {
                let target = Target::new(self.host, Some(address), key)?;
                match target.login(ATTEMPT).await? {
                    Login::Accepted => return Ok(Some(target)),
                    Login::Stranger => {
                        if heard.strangers.insert(address) {
                            ui.warn(format!("{address} answers as {}, but shows another key than the pinned one; it is ignored.", self.name()));
                        }
                    }
                    denied @ Login::Denied => {
                        return Err(denied.into_failure(self.host, anyhow::anyhow!("Permission denied (publickey).")).into());
                    }
                    Login::Unreachable(why) => heard.last = Some(why),
                }
                Ok(None)
            })
            .await?;
        found.ok_or_else(|| self.gave_up(&heard))
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

    async fn rounds<T>(
        &self,
        ui: &Ui,
        mut attempt: impl AsyncFnMut(SocketAddr) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let resolver = Resolver::new(self.name(), self.host.port, self.address.is_some());
        let start = Instant::now();
        loop {
            let candidates = resolver.candidates().await;
            let state = if candidates.is_empty() {
                "nothing heard yet"
            } else {
                "somebody answers"
            };
            ui.progress(
                &format!("Waiting for {}: {state}", visible(self.name())),
                0,
                0,
            );
            for address in candidates {
                let result = attempt(address).await;
                if !matches!(result, Ok(None)) {
                    ui.progress_done();
                    return result;
                }
            }
            if start.elapsed() > self.timeout {
                ui.progress_done();
                return Ok(None);
            }
            tokio::time::sleep(PAUSE).await;
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
