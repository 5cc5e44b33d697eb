//! The child's side: one request after the other until its standard input ends. A card that is not finished then
//! stays without a boot block.

use std::io::{BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{CardInfo, Reply, Request, Written};
use crate::card::device::Device;
use crate::card::image::Image;
use crate::card::write;
use crate::error::{Failure, parts};

/// No wifi profile is larger; enterprise ones carry certificates.
const PROFILE: u64 = 256 * 1024;

/// `spinet privileged`
pub fn run_child() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return ExitCode::FAILURE;
    };
    let mut card = None;
    let mut line = Zeroizing::new(String::new());
    let mut input = std::io::stdin().lock();
    while input.read_line(&mut line).is_ok_and(|n| n > 0) {
        let reply = match serde_json::from_str(&line) {
            Ok(request) => runtime
                .block_on(answer(request, &mut card))
                .unwrap_or_else(|e| failed(&e)),
            Err(_) => failed(
                &Failure::new("The process with rights was asked for something it does not know.")
                    .into(),
            ),
        };
        line = Zeroizing::new(String::new());
        if !send(&reply) {
            break;
        }
    }
    ExitCode::SUCCESS
}

async fn answer(request: Request, card: &mut Option<Device>) -> Result<Reply> {
    match request {
        Request::WifiProfiles(dir) => Ok(Reply::Profiles(profiles(&dir)?)),
        Request::Open(wanted) => {
            let device = Device::open(&wanted.path, wanted.allow_fixed_disk).await?;
            let info = CardInfo {
                path: wanted.path,
                describe: device.describe.clone(),
                blank_file: device.blank,
            };
            *card = Some(device);
            Ok(Reply::Card(info))
        }
        Request::Write { image, files } => {
            let mut device = card.take().context("No card is open.")?;
            let image = Image::open(&image)?;
            let start = Instant::now();
            let mut last = (None, 0);
            write::write(&mut device, &image, &files, |phase, done, total| {
                // one message for each percent is enough for any display
                let percent = done * 100 / total.max(1);
                if last != (Some(phase), percent) {
                    last = (Some(phase), percent);
                    send(&Reply::Progress(phase, done, total));
                }
            })
            .await?;
            Ok(Reply::Written(Written {
                bytes: image.used(),
                seconds: start.elapsed().as_secs_f64(),
            }))
        }
    }
}

fn profiles(dir: &Path) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>> {
    let entries = std::fs::read_dir(dir).map_err(|e| {
        let failure = Failure::new(format!("The wifi profiles in {} could not be read.", dir.display()));
        failure.hint("They are iwd's. Name another folder with --wifi-dir, or use --no-wifi for a wired host.").source(e)
    })?;
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if ![".psk", ".open", ".8021x"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            continue;
        }
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let file = std::fs::File::options()
            .read(true)
            .custom_flags(flags)
            .open(entry.path());
        let Ok((file, meta)) = file.and_then(|f| f.metadata().map(|m| (f, m))) else {
            continue;
        };
        if !meta.is_file() || meta.len() > PROFILE {
            continue;
        }
        let mut content = Zeroizing::new(Vec::new());
        std::io::Read::read_to_end(&mut std::io::Read::take(file, PROFILE), &mut content)
            .with_context(|| format!("while reading {}", crate::ui::visible(&name)))?;
        // iwd touches a profile whenever it joins its network
        found.push((
            meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            name,
            content,
        ));
    }
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    Ok(found
        .into_iter()
        .map(|(_, name, content)| (name, content))
        .collect())
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
