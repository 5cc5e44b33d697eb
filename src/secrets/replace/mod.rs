//! Several files replaced as one: all of them or none, also when the run is killed.
//!
//! Each new content is written beside its target first; a journal outside the tree says which ones, and from when on
//! they count. A later run finishes what was being put in place and removes what was not.

mod journal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};

use crate::error::Failure;
use crate::ui::hex;
use journal::{Entry, Journal, Phase, digest, digest_of};

/// A file and what it is to hold.
#[derive(Debug)]
pub struct Replacement {
    pub path: PathBuf,
    /// What it holds as far as the caller knows; none when there must be no such file.
    pub before: Option<Vec<u8>>,
    pub after: Vec<u8>,
}

/// Replaces, or creates, all of these files or none of them.
pub fn all(root: &Path, files: &[Replacement], tell: impl FnMut(String)) -> Result<()> {
    let targets: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
    let batch = Batch::begin(root, &targets, tell)?;
    let prepare = |(index, file): (usize, &Replacement)| {
        batch.prepare(index, file.before.as_deref(), &file.after)
    };
    let prepared = files.iter().enumerate().map(prepare);
    let prepared = prepared.collect::<Result<Vec<_>>>()?;
    batch.commit(prepared)
}

/// From so many files on, their file systems are synchronized once instead of every file by itself.
const MANY: usize = 16;

/// Files about to be replaced. Dropped before [`Batch::commit`], it leaves everything as it was.
#[derive(Debug)]
pub struct Batch {
    journal: Journal,
    path: PathBuf,
    /// One folder on each file system, when there are many files. Opened before anything is written: syncfs(2) then
    /// reports what could not be.
    systems: Vec<File>,
    committed: bool,
    /// Other runs are kept out of the same tree.
    _lock: File,
}

impl Batch {
    /// Locks the tree at `root` against other runs of spinet and finishes or undoes what a killed one left;
    /// `tell` hears about that. The targets may be missing; their folders may not.
    pub fn begin(root: &Path, targets: &[PathBuf], tell: impl FnMut(String)) -> Result<Self> {
        Self::begin_in(&crate::state::of_tree(root)?, root, targets, tell)
    }

    fn begin_in(
        state: &Path,
        root: &Path,
        targets: &[PathBuf],
        tell: impl FnMut(String),
    ) -> Result<Self> {
        let (lock, path) = lock(state, root)?;
        journal::recover(&path, tell)?;
        let attempt = Sha256::digest(format!(
            "{}{:?}",
            std::process::id(),
            std::time::SystemTime::now()
        ));
        let attempt = hex(&attempt[..4]);
        let mut folders = Folders::default();
        let entry = |target: &PathBuf| {
            let target = folders
                .real(target)
                .with_context(|| format!("while reading {}", target.display()))?;
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            Ok(Entry {
                fresh: target.with_file_name(format!(".{name}.spinet-{attempt}")),
                before: None,
                after: None,
                target,
            })
        };
        let files: Vec<Entry> = targets.iter().map(entry).collect::<Result<_>>()?;
        let systems = if files.len() < MANY {
            Vec::new()
        } else {
            folders.systems()?
        };
        let batch = Self {
            journal: Journal {
                phase: Phase::Preparing,
                files,
            },
            path,
            systems,
            committed: false,
            _lock: lock,
        };
        batch.journal.write(&batch.path)?;
        Ok(batch)
    }

    /// Writes the new content of one target beside it, with the target's mode and owner; `before` is what the target
    /// was read to hold. Returns what to give to [`Batch::commit`]; several threads may prepare at once.
    pub fn prepare(&self, index: usize, before: Option<&[u8]>, content: &[u8]) -> Result<Prepared> {
        let entry = &self.journal.files[index];
        let write = || -> std::io::Result<()> {
            let meta = match entry.target.metadata() {
                Ok(meta) => Some(meta),
                Err(e) if e.kind() == ErrorKind::NotFound => None,
                Err(e) => return Err(e),
            };
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(meta.as_ref().map_or(0o666, |meta| meta.mode() & 0o777))
                .open(&entry.fresh)?;
            file.write_all(content)?;
            if let Some(meta) = meta {
                let made = file.metadata()?;
                if (made.uid(), made.gid()) != (meta.uid(), meta.gid()) {
                    // only root can give a file away
                    let _ = std::os::unix::fs::fchown(&file, Some(meta.uid()), Some(meta.gid()));
                }
                if made.mode() != meta.mode() {
                    file.set_permissions(Permissions::from_mode(meta.mode() & 0o7777))?;
                }
            }
            if self.systems.is_empty() {
                file.sync_all()?;
            }
            Ok(())
        };
        write().map_err(|e| {
            Failure::new(format!(
                "Nothing could be written beside {}.",
                entry.target.display()
            ))
            .hint("Nothing was replaced. Make room, or allow writing in that folder.")
            .source(e)
        })?;
        Ok(Prepared {
            index,
            before: before.map(digest),
            after: digest(content),
        })
    }

    /// Puts the prepared contents in place; every target must have been prepared. On an error all targets are as before.
    pub fn commit(mut self, prepared: Vec<Prepared>) -> Result<()> {
        for file in prepared {
            let entry = &mut self.journal.files[file.index];
            (entry.before, entry.after) = (file.before, Some(file.after));
        }
        anyhow::ensure!(
            self.journal.files.iter().all(|f| f.after.is_some()),
            "A file was to be replaced without a new content."
        );
        for system in &self.systems {
            rustix::fs::syncfs(system).map_err(|e| {
                Failure::new("The new contents could not be written; nothing was replaced.")
                    .hint("Look at the disk (`dmesg`), then run the same command again.")
                    .source(std::io::Error::from(e))
            })?;
        }
        for entry in &self.journal.files {
            let now = digest_of(&entry.target)
                .with_context(|| format!("while reading {}", entry.target.display()))?;
            if now != entry.before {
                return Err(Failure::new(format!(
                    "{} was changed by somebody else meanwhile; nothing was replaced.",
                    entry.target.display()
                ))
                .hint("Look at the change, then run the same command again.")
                .into());
            }
        }
        self.journal.phase = Phase::Replacing;
        self.journal.write(&self.path)?;
        for (index, entry) in self.journal.files.iter().enumerate() {
            let Err(error) = entry.put_in_place() else {
                continue;
            };
            let failure =
                Failure::new(format!("{} could not be replaced.", entry.target.display()))
                    .source(error);
            let undone = self.journal.files[..index]
                .iter()
                .try_for_each(Entry::take_back);
            // what cannot be taken back is finished by the next run
            self.committed = undone.is_err();
            return Err(match undone {
                Ok(()) => failure.hint("All files are as before."),
                Err(_) => failure.hint(
                    "Some files are replaced already. Clear the cause and run the same command again: it finishes the rest.",
                ),
            }
            .into());
        }
        self.committed = true;
        self.journal.clean_up(&self.path)
    }
}

/// A content that lies beside its target.
#[derive(Debug)]
pub struct Prepared {
    index: usize,
    before: Option<String>,
    after: String,
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.committed {
            let _ = self.journal.clean_up(&self.path);
        }
    }
}

/// Finishes or undoes what a killed run left in the tree at `root`. Does nothing when another run is at work.
pub fn recover(root: &Path, tell: impl FnMut(String)) -> Result<()> {
    let state = crate::state::of_tree(root)?;
    if !state.join(JOURNAL).exists() {
        return Ok(());
    }
    let (_lock, path) = lock(&state, root)?;
    journal::recover(&path, tell)
}

/// Whether a run was stopped half-way, or is at work right now.
pub fn is_pending(root: &Path) -> bool {
    crate::state::of_tree(root).is_ok_and(|state| state.join(JOURNAL).exists())
}

const JOURNAL: &str = "replace.json";

fn lock(state: &Path, root: &Path) -> Result<(File, PathBuf)> {
    std::fs::create_dir_all(state)
        .with_context(|| format!("while making the folder {}", state.display()))?;
    let path = state.join("replace.lock");
    let lock = File::create(&path).with_context(|| format!("while opening {}", path.display()))?;
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(Failure::new(format!(
            "Another spinet is changing files in {} already.",
            root.display()
        ))
        .hint("Wait until it is through, or stop it.")
        .into());
    }
    Ok((lock, state.join(JOURNAL)))
}

/// The folders that targets are in, by the names they are given and as they really are.
#[derive(Default)]
struct Folders(BTreeMap<PathBuf, PathBuf>);

impl Folders {
    /// Where a file really is; the file itself may be missing.
    fn real(&mut self, path: &Path) -> std::io::Result<PathBuf> {
        if path.is_symlink() {
            let target = path.canonicalize()?;
            let folder = target.parent().unwrap_or(Path::new("/")).to_owned();
            self.0.insert(folder.clone(), folder);
            return Ok(target);
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        if !self.0.contains_key(folder) {
            self.0.insert(folder.to_owned(), folder.canonicalize()?);
        }
        Ok(self.0[folder].join(path.file_name().unwrap_or_default()))
    }

    /// One folder on each file system.
    fn systems(&self) -> Result<Vec<File>> {
        let mut devices = BTreeSet::new();
        let mut systems = Vec::new();
        for folder in self.0.values() {
            let open = || -> std::io::Result<(File, u64)> {
                let file = File::open(folder)?;
                let device = file.metadata()?.dev();
                Ok((file, device))
            };
            let (file, device) =
                open().with_context(|| format!("while opening {}", folder.display()))?;
            if devices.insert(device) {
                systems.push(file);
            }
        }
        Ok(systems)
    }
}
