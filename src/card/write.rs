//! Writing an image to a card so that it boots whole or not at all:
//! 1. both ends of the card are zeroed, so that nothing of what was there boots or is found again;
//! 2. everything but the first block is written;
//! 3. all of it is read back, past the page cache, and compared with sums taken while writing;
//! 4. this host's files are put into the root file system, read back and checked;
//! 5. the first block is written, and read back.

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::{ScopedJoinHandle, scope};

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};

use super::buffer::Pool;
use super::device::Device;
use super::image::Image;
use super::seed::{self, SeedFile};
use super::source::{self, ALIGN, Chunk, chunks, length};
use super::sums::Sums;
use crate::error::Failure;

/// Chunks that wait between the reader and the writer.
const AHEAD: usize = 3;
/// Zeroed first at both ends: the boot record, both partition tables of a GPT, and superblocks of RAID at the end.
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

/// Writes `image` to the card, verifies it, puts `files` into its root file system, and makes it bootable. Returns how
/// many bytes were written.
///
/// `progress` is told phase, bytes done and bytes in all (a guess for compressed images), and says whether to go on.
/// After any error from the first byte on the card does not boot.
pub async fn write(
    device: &mut Device,
    image: &Image,
    files: &[SeedFile],
    mut progress: impl FnMut(Phase, u64, u64) -> bool,
) -> Result<u64> {
    device.make_room(image.size)?;
    if !files.is_empty() && image.root.is_none() {
        return Err(Failure::new(format!(
            "{} has no ext4 root file system to put this host's files into.",
            image.path.display()
        ))
        .hint("Nothing was written. What `sdImage` of the host's row makes must have an ext4 root.")
        .into());
    }
    device.is_the_same()?;
    zero_ends(device).map_err(|e| broken(device, &e, "could not be erased"))?;

    let (sums, first) = write_all(device, image, &mut progress)?;
    flush(device)?;
    verify(device, &sums, &mut progress)?;
    if let (Some(root), false) = (&image.root, files.is_empty()) {
        keep_on(progress(Phase::Seed, 0, 0))?;
        seed::seed(&device.file, root.bytes.start, files).await?;
    }
    flush(device)?;
    boot_block(device, &first).map_err(|e| broken(device, &e, "did not take its boot block"))?;
    Ok(sums.bytes() + first.len() as u64)
}

/// Returns the sums of what was written and the first block, which was not.
fn write_all(
    device: &Device,
    image: &Image,
    progress: &mut impl FnMut(Phase, u64, u64) -> bool,
) -> Result<(Sums, Vec<u8>)> {
    let (mut sums, mut first) = (Sums::default(), Vec::new());
    let direct = device.direct_while();
    let pool = Pool::default();
    let (full, to_write) = sync_channel::<Chunk>(AHEAD);
    scope(|scope| {
        let empty = || pool.take();
        // the channel's end goes with the thread
        let reader =
            scope.spawn(move || source::read(image, empty, |chunk| full.send(chunk).is_ok()));
        for mut chunk in to_write {
            for part in &chunk.parts {
                let (mut at, mut bytes) = (
                    chunk.at + part.start as u64,
                    &chunk.buffer.bytes()[part.clone()],
                );
                if at == 0 {
                    let (block, rest) = bytes.split_at(bytes.len().min(length(&(0..ALIGN))));
                    first = block.to_vec();
                    (at, bytes) = (ALIGN, rest);
                }
                if at + bytes.len() as u64 > device.room() {
                    return Err(device.too_small(at + bytes.len() as u64));
                }
                sums.add(at, bytes);
                direct.put(at, bytes).map_err(|e| {
                    broken(device, &e, &format!("could not be written at byte {at}"))
                })?;
            }
            pool.give_back(chunk.buffer);
            keep_on(progress(
                Phase::Write,
                sums.bytes(),
                image.expected().max(sums.bytes()),
            ))?;
        }
        joined(reader)
    })?;
    Ok((sums, first))
}

/// Reads back everything that was written.
fn verify(
    device: &Device,
    sums: &Sums,
    progress: &mut impl FnMut(Phase, u64, u64) -> bool,
) -> Result<()> {
    device.forget_cache();
    let direct = device.direct_while();
    let pool = Pool::default();
    let (full, to_compare) = sync_channel(AHEAD);
    let mut done = 0;
    scope(|scope| {
        let (pool, direct) = (&pool, &direct);
        let reader = scope.spawn(move || {
            for range in chunks(sums.ranges()) {
                let mut buffer = pool.take();
                let read = direct.get(range.start, &mut buffer.bytes()[..length(&range)]);
                read.map_err(|e| {
                    broken(
                        device,
                        &e,
                        &format!("could not be read back at byte {}", range.start),
                    )
                })?;
                if full.send((range, buffer)).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let mut compare = sums.compare();
        for (range, mut buffer) in to_compare {
            if let Some(bad) = compare.first_bad(&buffer.bytes()[..length(&range)]) {
                return Err(Failure::new(format!(
                    "{} did not keep what was written: something in the {ALIGN} bytes from byte {} differs.",
                    device.path.display(),
                    range.start + bad
                ))
                .hint("It does not boot now. The card is worn out, or a counterfeit with less room than it says: use another one.")
                .into());
            }
            pool.give_back(buffer);
            done += range.end - range.start;
            keep_on(progress(Phase::Verify, done, sums.bytes()))?;
        }
        joined(reader)
    })
}

fn joined(thread: ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn zero_ends(device: &Device) -> io::Result<()> {
    let zeros = vec![0; length(&(0..ENDS.min(device.size)))];
    device.write_through(0, &zeros)?;
    device.write_through(device.size - zeros.len() as u64, &zeros)
}

fn flush(device: &Device) -> Result<()> {
    device
        .file
        .sync_all()
        .map_err(|e| broken(device, &e, "could not be flushed"))
}

/// The one write that makes the card boot.
fn boot_block(device: &Device, block: &[u8]) -> io::Result<()> {
    device.write_through(0, block)?;
    device.forget_cache();
    let mut back = vec![0; block.len()];
    std::os::unix::fs::FileExt::read_exact_at(&device.file, &mut back, 0)?;
    if back == block {
        return Ok(());
    }
    // it must not boot after an error
    device.write_through(0, &vec![0; block.len()])?;
    Err(io::Error::other("the boot block reads back differently"))
}

fn keep_on(yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    // nobody listens any more who could be told
    Err(anyhow!("The writing was stopped."))
}

const AGAIN: &str = "The card does not boot now; write it again.";

/// The error for a card that did not do what it was asked to.
fn broken(device: &Device, error: &io::Error, what: &str) -> anyhow::Error {
    let card = device.path.display();
    let failure = Failure::new(format!("{card} {what}: {error}."));
    let failure = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            failure.hint("There is no room for it where the card file lies.")
        }
        _ => failure.hint("The card was pulled out, is write-protected, or is failing."),
    };
    failure.hint(AGAIN).into()
}
