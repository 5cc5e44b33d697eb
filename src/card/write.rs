//! Writing an image to a card so that it boots whole or not at all: the first block comes last, after everything
//! else was written, read back and found right.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};
use serde::{Deserialize, Serialize};

use super::device::Device;
use super::image::{ALIGN, Image};
use super::seed::{self, SeedFile};
use crate::error::Failure;

/// Bytes moved at once.
const CHUNK: usize = 4 << 20;
/// Chunks read ahead of the card.
const AHEAD: usize = 3;
/// Zeroed first at both ends, so that what was on the card cannot boot half overwritten.
const ENDS: u64 = 1 << 20;

/// What is being done to the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Write,
    Verify,
    Seed,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Write => "writing",
            Self::Verify => "verifying",
            Self::Seed => "adding this host's files",
        })
    }
}

/// Writes `image` to the card, verifies it, puts `files` into its root file system, and makes it bootable.
/// `progress` is told phase, bytes done and bytes in all. After any error the card does not boot.
pub async fn write(
    device: &mut Device,
    image: &Image,
    files: &[SeedFile],
    mut progress: impl FnMut(Phase, u64, u64),
) -> Result<()> {
    device.make_room(image.size)?;
    if !files.is_empty() && image.root.is_none() {
        return Err(Failure::new(format!(
            "{} has no ext4 root file system to put this host's files into.",
            image.path.display()
        ))
        .into());
    }
    let shown = device.path.display().to_string();
    zero_ends(device).with_context(|| format!("while erasing the boot block of {shown}"))?;

    let direct = device.direct(true);
    let written = each_chunk(image, direct, |at, chunk, done| {
        put(device, at, chunk).map_err(|e| io_error(&e, &shown, at, "written"))?;
        progress(Phase::Write, done, image.used());
        Ok(())
    });
    device.direct(false);
    written?;
    device
        .file
        .sync_all()
        .map_err(|e| io_error(&e, &shown, 0, "flushed"))?;

    forget_cache(&device.file);
    let direct = device.direct(true);
    let mut buffer = Buffer::new();
    let verified = each_chunk(image, direct, |at, chunk, done| {
        let back = buffer.slice(chunk.len());
        get(device, at, back).map_err(|e| io_error(&e, &shown, at, "read back"))?;
        if let Some(bad) = (0..chunk.len()).find(|&i| back[i] != chunk[i]) {
            return Err(Failure::new(format!("{shown} did not keep what was written: byte {} differs.", at + bad as u64))
                .hint("The card is worn out, or a counterfeit with less room than it says: use another one.")
                .into());
        }
        progress(Phase::Verify, done, image.used());
        Ok(())
    });
    device.direct(false);
    verified?;

    if let (Some(root), false) = (&image.root, files.is_empty()) {
        progress(Phase::Seed, 0, 0);
        seed::seed(&device.file, root.start, files).await?;
    }
    device
        .file
        .sync_all()
        .map_err(|e| io_error(&e, &shown, 0, "flushed"))?;
    boot_block(device, image).map_err(|e| io_error(&e, &shown, 0, "written"))
}

fn zero_ends(device: &Device) -> io::Result<()> {
    let zeros = vec![0; usize::try_from(ENDS.min(device.size)).unwrap_or(0)];
    device.file.write_all_at(&zeros, 0)?;
    device
        .file
        .write_all_at(&zeros, device.size - zeros.len() as u64)?;
    device.file.sync_all()
}

/// The one write that makes the card boot.
fn boot_block(device: &Device, image: &Image) -> io::Result<()> {
    let mut block = vec![0; usize::try_from(ALIGN.min(image.size)).unwrap_or(0)];
    image.file.read_exact_at(&mut block, 0)?;
    device.file.write_all_at(&block, 0)?;
    device.file.sync_all()?;
    forget_cache(&device.file);
    let mut back = vec![0; block.len()];
    device.file.read_exact_at(&mut back, 0)?;
    if back == block {
        Ok(())
    } else {
        Err(io::Error::other("the boot block reads back differently"))
    }
}

fn forget_cache(file: &File) {
    // without it a file's verification reads memory; direct access already goes past the cache
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}

/// Hands every chunk to be written to `each`, with its place on the card and the bytes done after it. The image is
/// read ahead by a thread of its own. The first block is left out.
fn each_chunk(
    image: &Image,
    direct: bool,
    mut each: impl FnMut(u64, &[u8], u64) -> Result<()>,
) -> Result<()> {
    let (full, to_use) = sync_channel::<io::Result<(u64, Buffer, usize)>>(AHEAD);
    let (empty, to_fill) = sync_channel::<Buffer>(AHEAD + 2);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for chunk in chunks(&image.ranges) {
                let mut buffer = to_fill.try_recv().unwrap_or_else(|_| Buffer::new());
                let length = usize::try_from(chunk.end - chunk.start).unwrap_or(CHUNK);
                let read = image.file.read_exact_at(buffer.slice(length), chunk.start);
                let failed = read.is_err();
                if full
                    .send(read.map(|()| (chunk.start, buffer, length)))
                    .is_err()
                    || failed
                {
                    return;
                }
            }
        });
        let mut done = 0;
        for message in to_use {
            let (at, mut buffer, length) =
                message.with_context(|| format!("while reading {}", image.path.display()))?;
            done += length as u64;
            let (mut at, mut chunk) = (at, &buffer.slice(length)[..]);
            if at == 0 {
                let skipped = chunk.len().min(usize::try_from(ALIGN).unwrap_or(0));
                (at, chunk) = (ALIGN, &chunk[skipped..]);
            }
            // the last bytes of an image of odd size cannot go direct
            let whole = if direct {
                chunk.len() / 4096 * 4096
            } else {
                chunk.len()
            };
            for (at, part) in [(at, &chunk[..whole]), (at + whole as u64, &chunk[whole..])] {
                if !part.is_empty() {
                    each(at, part, done)?;
                }
            }
            let _ = empty.try_send(buffer);
        }
        Ok(())
    })
}

fn chunks(ranges: &[Range<u64>]) -> impl Iterator<Item = Range<u64>> {
    let chunk = CHUNK as u64;
    ranges.iter().flat_map(move |range| {
        (range.start..range.end)
            .step_by(CHUNK)
            .map(move |at| at..(at + chunk).min(range.end))
    })
}

fn put(device: &Device, at: u64, bytes: &[u8]) -> io::Result<()> {
    unless_direct_is_refused(device, || device.file.write_all_at(bytes, at))
}

fn get(device: &Device, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    match device.file.read_exact_at(bytes, at) {
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
            device.direct(false);
            device.file.read_exact_at(bytes, at)
        }
        done => done,
    }
}

/// Some file systems take the flag and refuse the access: the page cache then, and the sync at the end.
fn unless_direct_is_refused(
    device: &Device,
    access: impl Fn() -> io::Result<()>,
) -> io::Result<()> {
    match access() {
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
            device.direct(false);
            access()
        }
        done => done,
    }
}

fn io_error(error: &io::Error, card: &str, at: u64, what: &str) -> anyhow::Error {
    let failure = Failure::new(format!("{card} could not be {what} at byte {at}: {error}."));
    match error.kind() {
        io::ErrorKind::StorageFull => {
            failure.hint("There is no room left where the card file lies.")
        }
        _ => failure
            .hint("The card was pulled out, or is failing. It does not boot now; write it again."),
    }
    .into()
}

/// Memory aligned for direct access.
struct Buffer {
    memory: Vec<u8>,
}

impl Buffer {
    fn new() -> Self {
        Self {
            memory: vec![0; CHUNK + 4096],
        }
    }

    fn slice(&mut self, length: usize) -> &mut [u8] {
        let skip = self.memory.as_ptr().align_offset(4096).min(4096);
        &mut self.memory[skip..skip + length]
    }
}
