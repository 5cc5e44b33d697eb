//! The child's side: one request after the other until its standard input ends. A card that is not finished then
//! stays without a boot block.

use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::{CardInfo, Grant, Reply, Request, SeedFile, Written};
use crate::card::device::{CardRequest, Device};
use crate::card::image::Image;
use crate::card::user::User;
use crate::card::write;
use crate::error::{Failure, parts};
use crate::wifi::files;

/// No request is longer: the files for a card are keys and profiles.
const REQUEST: u64 = 8 << 20;

/// `spinet privileged`
pub fn run_child(grant: Grant) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return ExitCode::FAILURE;
    };
    // An interrupt typed at the terminal reaches this process as well. It is for the parent to say what it means: when
    // the parent goes, so does standard input.
    let _interrupts = runtime.block_on(async { signal(SignalKind::interrupt()) });
    let gone = Arc::new(AtomicBool::new(false));
    let requests = listen(gone.clone());
    let user = match runtime.block_on(User::who_asked()) {
        Ok(user) => user,
        Err(error) => {
            send(&failed(&error));
            return ExitCode::FAILURE;
        }
    };
    let mut child = Child {
        grant,
        user,
        card: Card::Closed,
        gone,
    };
    for line in requests {
        let reply = match serde_json::from_slice(&line) {
            Ok(request) => runtime
                .block_on(child.answer(request))
                .unwrap_or_else(|e| failed(&e)),
            Err(_) => failed(&refusal("was asked for something it does not know")),
        };
        if !send(&reply) {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Hands over line after line of standard input; at its end, or at a line that no parent of ours sends, `gone` is set.
fn listen(gone: Arc<AtomicBool>) -> Receiver<Zeroizing<Vec<u8>>> {
    let (lines, requests) = channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Zeroizing::new(Vec::new());
            let read = input.by_ref().take(REQUEST).read_until(b'\n', &mut line);
            if read.is_err() || line.last() != Some(&b'\n') || lines.send(line).is_err() {
                gone.store(true, Ordering::Relaxed);
                return;
            }
        }
    });
    requests
}

struct Child {
    grant: Grant,
    /// Whose rights count when images and card files are opened.
    user: User,
    card: Card,
    /// Nobody listens any more.
    gone: Arc<AtomicBool>,
}

enum Card {
    Closed,
    Open(Device),
    Confirmed(Device),
    /// One card is written in a child's life.
    Done,
}

impl Child {
    async fn answer(&mut self, request: Request) -> Result<Reply> {
        match request {
            Request::WifiProfiles => files::of_system().map(Reply::Profiles),
            Request::Open { sequence } => self.open(sequence).await.map(Reply::Card),
            Request::Confirm(typed) => {
                self.confirm(&typed)?;
                Ok(Reply::Confirmed)
            }
            Request::Write { image, files } => self.write(&image, &files).await.map(Reply::Written),
        }
    }

    async fn open(&mut self, sequence: Option<u64>) -> Result<CardInfo> {
        let (Card::Closed, Some(path)) = (&self.card, &self.grant.card) else {
            return Err(refusal("was asked to open a card it was not started for"));
        };
        let request = CardRequest {
            path: path.clone(),
            allow_fixed_disk: self.grant.allow_fixed_disk,
            sequence,
        };
        let device = Device::open(&request, &self.user).await?;
        let info = CardInfo {
            path: request.path,
            describe: device.describe.clone(),
            confirmed: device.blank || self.grant.confirmed,
        };
        self.card = if info.confirmed {
            Card::Confirmed(device)
        } else {
            Card::Open(device)
        };
        Ok(info)
    }

    fn confirm(&mut self, typed: &str) -> Result<()> {
        match std::mem::replace(&mut self.card, Card::Done) {
            Card::Open(device) if is_name_of(typed, &device.path) => {
                self.card = Card::Confirmed(device);
                Ok(())
            }
            Card::Open(device) => Err(Failure::new(format!(
                "{} was not confirmed; nothing was written.",
                device.path.display()
            ))
            .into()),
            _ => Err(refusal("has no card to be confirmed")),
        }
    }

    async fn write(&mut self, image: &Path, files: &[SeedFile]) -> Result<Written> {
        let Card::Confirmed(mut device) = std::mem::replace(&mut self.card, Card::Done) else {
            return Err(refusal("was asked to write a card that nobody confirmed"));
        };
        let image = self.user.run(|| Image::open(image))??;
        let start = Instant::now();
        let mut last = None;
        let bytes = write::write(&mut device, &image, files, |phase, done, total| {
            // one message for each percent is enough for any display
            let percent = done * 100 / total.max(1);
            let shown =
                last == Some((phase, percent)) || send(&Reply::Progress(phase, done, total));
            last = Some((phase, percent));
            shown && !self.gone.load(Ordering::Relaxed)
        })
        .await?;
        Ok(Written {
            bytes,
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}

/// The whole path, or its last part.
fn is_name_of(typed: &str, path: &Path) -> bool {
    !typed.is_empty()
        && (Path::new(typed) == path || path.file_name().is_some_and(|name| name == typed))
}

/// Only a parent that is not ours, or not itself any more, meets these.
fn refusal(what: &str) -> anyhow::Error {
    Failure::new(format!("The process with rights {what}.")).into()
}

fn failed(error: &anyhow::Error) -> Reply {
    let (message, details, hints) = parts(error);
    Reply::Failed {
        message,
        details,
        hints,
    }
}

fn send(reply: &Reply) -> bool {
    let Ok(line) = serde_json::to_string(reply).map(Zeroizing::new) else {
        return false;
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", *line)
        .and_then(|()| out.flush())
        .is_ok()
}
