//! Files put into the ext4 root of a card that is not mounted: by `debugfs` on the descriptor the writer holds.
//! debugfs ends with 0 whatever happens, so everything is read back, and `e2fsck` has the last word.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::process::{self, Cmd};

/// A file for the card's root file system, owned by root.
#[derive(Clone, Serialize, Deserialize)]
pub struct SeedFile {
    /// Absolute, as the host will see it.
    path: String,
    /// Permission bits.
    mode: u32,
    content: Zeroizing<Vec<u8>>,
}

impl SeedFile {
    pub fn new(path: &str, mode: u32, content: Zeroizing<Vec<u8>>) -> Self {
        Self {
            path: path.to_owned(),
            mode,
            content,
        }
    }

    /// The folders above it, outermost first, with their permission bits if they have to be made.
    fn folders(&self) -> Vec<(String, u32)> {
        let ends = self
            .path
            .match_indices('/')
            .skip(1)
            .map(|(end, _)| &self.path[..end]);
        ends.map(|path| {
            (
                path.to_owned(),
                if path == "/var/lib/iwd" { 0o700 } else { 0o755 },
            )
        })
        .collect()
    }
}

/// Writes the files into the file system that begins `offset` bytes into the card; those that are there are replaced.
pub async fn seed(card: &File, offset: u64, files: &[SeedFile]) -> Result<()> {
    for file in files {
        // what debugfs cannot quote
        if file.path.contains(['"', '\n', '\\']) || !file.path.starts_with('/') {
            return Err(Failure::new(format!(
                "{} cannot be the name of a file on the card.",
                crate::ui::visible(&file.path)
            ))
            .into());
        }
    }
    fcntl_setfd(card, FdFlags::empty()).context("while lending the card to debugfs")?;
    let target = format!("/proc/self/fd/{}?offset={offset}", card.as_raw_fd());
    let result = fill(&target, files).await;
    // no other program inherits the card
    fcntl_setfd(card, FdFlags::CLOEXEC).context("while taking the card back from debugfs")?;
    result
}

async fn fill(target: &str, files: &[SeedFile]) -> Result<()> {
    let mut script = String::new();
    let folders: BTreeSet<_> = files.iter().flat_map(SeedFile::folders).collect();
    for (path, mode) in &folders {
        if stat(target, path).await?.is_none() {
            script.push_str(&format!("mkdir \"{path}\"\nsif \"{path}\" mode 040{mode:03o}\nsif \"{path}\" uid 0\nsif \"{path}\" gid 0\n"));
        }
    }
    let mut lent: Vec<OwnedFd> = Vec::new();
    for file in files {
        if stat(target, &file.path).await?.is_some() {
            script.push_str(&format!("rm \"{}\"\n", file.path));
        }
        let memory =
            memfd_create("spinet", MemfdFlags::empty()).context("while making a file in memory")?;
        let mut memory = File::from(memory);
        memory
            .write_all(&file.content)
            .context("while filling a file in memory")?;
        let (fd, path, mode) = (memory.as_raw_fd(), &file.path, file.mode);
        script.push_str(&format!("write /proc/self/fd/{fd} \"{path}\"\nsif \"{path}\" mode 0100{mode:03o}\nsif \"{path}\" uid 0\nsif \"{path}\" gid 0\n"));
        lent.push(memory.into());
    }
    let output = debugfs(&["-w", "-f", "-", target])
        .input(script)
        .run()
        .await?;
    drop(lent);
    check(target, files, &folders).await.map_err(|e| {
        Failure::new("This host's files did not arrive on the card.")
            .hint("The card does not boot now. `debugfs` of e2fsprogs puts the files there: take a newer one, and write the card again.")
            .source(anyhow::anyhow!("{e:#}\n{}", output.stderr))
    })?;
    Ok(())
}

/// Everything is there, with its owner and mode, and the file system is clean.
async fn check(target: &str, files: &[SeedFile], folders: &BTreeSet<(String, u32)>) -> Result<()> {
    for (path, _) in folders {
        stat(target, path)
            .await?
            .with_context(|| format!("The folder {path} is missing."))?;
    }
    for file in files {
        let path = &file.path;
        let found = stat(target, path)
            .await?
            .with_context(|| format!("{path} is missing."))?;
        let wanted = Stat {
            mode: file.mode,
            user: 0,
            group: 0,
        };
        anyhow::ensure!(
            found == wanted,
            "{path} has {found:?} instead of {wanted:?}."
        );
        let back = debugfs(&["-R", &format!("cat \"{path}\""), target])
            .run()
            .await?;
        anyhow::ensure!(
            *back.stdout == *file.content,
            "{path} reads back differently."
        );
    }
    let fsck = Cmd::new(process::tool("e2fsck"))
        .args(["-f", "-n", target])
        .or_install("Install e2fsprogs.");
    fsck.run().await.map(drop)
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    mode: u32,
    user: u32,
    group: u32,
}

/// Mode and owner of a path; `None` when it is not there.
async fn stat(target: &str, path: &str) -> Result<Option<Stat>> {
    let output = debugfs(&["-R", &format!("stat \"{path}\""), target])
        .run()
        .await?;
    Ok(parse_stat(&String::from_utf8_lossy(&output.stdout)))
}

/// `Inode: 12   Type: regular    Mode:  0600   Flags: ..` and `User:     0   Group:     0   Project: ..`
fn parse_stat(text: &str) -> Option<Stat> {
    let word = |key: &str| text.split_once(key)?.1.split_whitespace().next();
    Some(Stat {
        mode: u32::from_str_radix(word("Mode:")?, 8).ok()?,
        user: word("User:")?.parse().ok()?,
        group: word("Group:")?.parse().ok()?,
    })
}

fn debugfs(args: &[&str]) -> Cmd {
    Cmd::new(process::tool("debugfs"))
        .args(args)
        // no pager, whatever the user has set
        .env("DEBUGFS_PAGER", "__none__")
        .or_install("Install e2fsprogs.")
}
