//! The journal of files being replaced, and what a later run makes of it.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Failure;
use crate::ui::hex;

#[derive(Debug, Serialize, Deserialize)]
pub struct Journal {
    pub phase: Phase,
    pub files: Vec<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The new contents are being written beside their targets: none of them counts yet.
    Preparing,
    /// All new contents are on disk: each is put in its target's place.
    Replacing,
}

/// One target and its new content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Behind links; what a link points to is replaced, the link stays.
    pub target: PathBuf,
    pub fresh: PathBuf,
    /// SHA-256 of the target as it was found; none when there was none.
    pub before: Option<String>,
    /// SHA-256 of the new content, once it is written.
    pub after: Option<String>,
}

/// Finishes or undoes what the journal at `path`, if there is one, tells of. The caller holds the lock.
pub fn recover(path: &Path, mut tell: impl FnMut(String)) -> Result<()> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).with_context(|| format!("while reading {}", path.display())),
    };
    let journal: Journal = serde_json::from_slice(&text).map_err(|e| {
        Failure::new(format!("The journal {} is damaged.", path.display()))
            .hint("Files named .NAME.spinet-.. beside the secrets are what it was about: remove them and the journal, then run `spinet secrets rekey`.")
            .source(e)
    })?;
    if journal.phase == Phase::Preparing {
        tell("A run that was stopped before it replaced anything was cleared away.".into());
        return journal.clean_up(path);
    }
    let mut finished = 0;
    for entry in &journal.files {
        let now = digest_of(&entry.target)
            .with_context(|| format!("while reading {}", entry.target.display()))?;
        if now == entry.after {
            continue;
        }
        if now == entry.before && digest_of(&entry.fresh)? == entry.after {
            entry
                .put_in_place()
                .with_context(|| format!("while replacing {}", entry.target.display()))?;
            finished += 1;
        } else {
            tell(format!(
                "{} was changed after a run that was stopped; it was left as it is.",
                entry.target.display()
            ));
        }
    }
    tell(format!(
        "A run that was stopped while it replaced {} files was finished ({finished} were still to do).",
        journal.files.len()
    ));
    journal.clean_up(path)
}

impl Journal {
    /// Replaces the journal at `path`, durably.
    pub fn write(&self, path: &Path) -> Result<()> {
        let write = || -> Result<()> {
            let folder = path.parent().unwrap_or(Path::new("."));
            // always the same name, under the lock: killed runs leave no litter
            let fresh = path.with_extension("new");
            let mut file = File::create(&fresh)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()?;
            std::fs::rename(&fresh, path)?;
            Ok(File::open(folder)?.sync_all()?)
        };
        write().with_context(|| format!("while writing the journal {}", path.display()))
    }

    /// Makes the names durable, then removes what lies beside the targets, and the journal last.
    pub fn clean_up(&self, path: &Path) -> Result<()> {
        let mut folders: Vec<_> = self
            .files
            .iter()
            .filter_map(|f| f.target.parent())
            .collect();
        folders.sort();
        folders.dedup();
        for folder in folders {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .with_context(|| format!("while writing {}", folder.display()))?;
        }
        let others = self.files.iter().map(|f| f.fresh.as_path());
        for path in others.chain([path]) {
            match std::fs::remove_file(path) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(e).with_context(|| format!("while removing {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Entry {
    /// The new content takes the target's name; the former one, if any, takes the other until everything is done.
    pub fn put_in_place(&self) -> std::io::Result<()> {
        let rename = |flags| rustix::fs::renameat_with(CWD, &self.fresh, CWD, &self.target, flags);
        let careful = if self.before.is_some() {
            RenameFlags::EXCHANGE
        } else {
            RenameFlags::NOREPLACE
        };
        match rename(careful) {
            // file systems that cannot exchange two names, such as NFS
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                std::fs::rename(&self.fresh, &self.target)
            }
            result => Ok(result?),
        }
    }

    /// The former content, if any, takes its name again.
    pub fn take_back(&self) -> std::io::Result<()> {
        if self.before.is_none() {
            return std::fs::remove_file(&self.target);
        }
        Ok(rustix::fs::renameat_with(
            CWD,
            &self.fresh,
            CWD,
            &self.target,
            RenameFlags::EXCHANGE,
        )?)
    }
}

/// SHA-256, in hexadecimal.
pub fn digest(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// Of a file; none when there is none.
pub fn digest_of(path: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(digest(&content))),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
