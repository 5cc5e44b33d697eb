//! The parent's side.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use zeroize::Zeroizing;

use super::{CardInfo, Phase, Reply, Request, SeedFile, Written};
use crate::card::user::ASKED_BY;
use crate::error::Failure;
use crate::process::{self, Cmd};
use crate::wifi::{ProfileFile, files};

/// Ways to become root that ask on the terminal, in order of preference.
const ELEVATORS: [&str; 3] = ["sudo", "run0", "doas"];

/// The card that the user named or chose.
#[derive(Debug, Clone)]
pub struct CardChoice {
    pub path: PathBuf,
    /// `--allow-fixed-disk`
    pub allow_fixed_disk: bool,
    /// Named together with `--yes`: what is on it may be lost.
    pub confirmed: bool,
}

/// A running child. Dropping it ends it; a card that is not finished then does not boot.
pub struct Rights {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// Whether a card (a device), or the wifi profiles of this machine, can only be used by root and we are not.
pub fn needs_root(card: Option<&Path>, own_wifi: bool) -> bool {
    if rustix::process::geteuid().is_root() {
        return false;
    }
    let device =
        |path: &Path| std::fs::metadata(path).is_ok_and(|m| m.file_type().is_block_device());
    card.is_some_and(device) || own_wifi && files::system_is_closed()
}

/// The way to become root here.
pub fn elevator() -> Option<&'static str> {
    ELEVATORS.into_iter().find(|e| process::find(e).is_some())
}

impl Rights {
    /// Starts the child, as root if `root` says so: the one time the user is asked for a password. `card` is the only
    /// one it will open.
    pub fn start(card: Option<&CardChoice>, root: bool) -> Result<Self> {
        let own = std::env::current_exe().context("while looking for spinet's own program")?;
        let mut cmd = if root {
            let Some(elevator) = elevator() else {
                return Err(Failure::new("Reading wifi profiles and writing disks needs root, and none of sudo, run0 and doas is here.")
                    .hint("Run the same command as root.")
                    .into());
            };
            Cmd::new(elevator).arg(own)
        } else {
            // in a shell that sudo has started, root's own rights are meant
            ASKED_BY.into_iter().fold(Cmd::new(own), Cmd::without_env)
        };
        cmd = cmd.arg("privileged");
        if let Some(card) = card {
            cmd = cmd.arg("--card").arg(&card.path);
            let flags = [
                (card.allow_fixed_disk, "--allow-fixed-disk"),
                (card.confirmed, "--confirmed"),
            ];
            cmd = cmd.args(
                flags
                    .into_iter()
                    .filter_map(|(on, flag)| on.then_some(flag)),
            );
        }
        let mut child = cmd.spawn_piped()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let input = input.context("The process with rights has no input.")?;
        let output = output.context("The process with rights has no output.")?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output).lines(),
        })
    }

    /// The files in this machine's own places.
    pub async fn wifi_profiles(&mut self) -> Result<Vec<ProfileFile>> {
        match self.ask(&Request::WifiProfiles, |_, _, _| ()).await? {
            Reply::Profiles(files) => Ok(files),
            _ => Err(unexpected()),
        }
    }

    /// Opens the card for this run alone; it stays open until it is written. `sequence`: the kernel's number of the card
    /// that was chosen from a list.
    pub async fn open_card(&mut self, sequence: Option<u64>) -> Result<CardInfo> {
        match self.ask(&Request::Open { sequence }, |_, _, _| ()).await? {
            Reply::Card(info) => Ok(info),
            _ => Err(unexpected()),
        }
    }

    /// Hands on what the user typed as the card's name; an error when it is not.
    pub async fn confirm_card(&mut self, typed: String) -> Result<()> {
        match self.ask(&Request::Confirm(typed), |_, _, _| ()).await? {
            Reply::Confirmed => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// Writes, verifies and seeds the open card, closes it, and ends the child. `progress`: phase, bytes done, bytes in
    /// all.
    pub async fn write(
        mut self,
        image: &Path,
        files: Vec<SeedFile>,
        progress: impl FnMut(Phase, u64, u64),
    ) -> Result<Written> {
        let request = Request::Write {
            image: image.to_owned(),
            files,
        };
        let reply = self.ask(&request, progress).await?;
        // nobody else has the card open when this returns
        drop(self.input);
        self.child
            .wait()
            .await
            .context("while waiting for the process with rights")?;
        match reply {
            Reply::Written(written) => Ok(written),
            _ => Err(unexpected()),
        }
    }

    async fn ask(
        &mut self,
        request: &Request,
        mut progress: impl FnMut(Phase, u64, u64),
    ) -> Result<Reply> {
        let mut line = Zeroizing::new(
            serde_json::to_vec(request).context("while asking the process with rights")?,
        );
        line.push(b'\n');
        // if it is gone, reading tells
        let _ = self.input.write_all(&line).await;
        let _ = self.input.flush().await;
        loop {
            let reply = self
                .output
                .next_line()
                .await
                .context("while listening to the process with rights")?;
            let Some(reply) = reply.map(Zeroizing::new) else {
                return Err(Failure::new("The process with rights ended before it was done.")
                    .hint("Was its password refused? If a card was being written, it does not boot now; run the same command again.")
                    .into());
            };
            match serde_json::from_str(&reply).map_err(|_| unexpected())? {
                Reply::Progress(phase, done, total) => progress(phase, done, total),
                Reply::Failed {
                    message,
                    details,
                    hints,
                } => {
                    let mut failure = Failure::new(message);
                    for hint in hints {
                        failure = failure.hint(hint);
                    }
                    if !details.is_empty() {
                        failure = failure.source(anyhow::anyhow!(details.join("\n")));
                    }
                    return Err(failure.into());
                }
                reply => return Ok(reply),
            }
        }
    }
}

fn unexpected() -> anyhow::Error {
    Failure::new("The process with rights gave an answer that makes no sense.")
        .hint("Something prints before it: `sudo true` (run0 or doas, where there is no sudo) must print nothing.")
        .into()
}
