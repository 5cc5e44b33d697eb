//! Several files replaced as one: all of them or none, also when the run is killed.
//!
//! Each new content is written beside its target first; a journal outside the tree says which ones, and from when on
//! they count. A later run finishes what was being put in place and removes what was not.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{CWD, FlockOperation, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Failure;
use crate::ui::hex;

/// Replaces, or creates, all of these files or none of them.
pub fn all(root: &Path, files: &[(PathBuf, Vec<u8>)], tell: impl FnMut(String)) -> Result<()> {
    let targets: Vec<PathBuf> = files.iter().map(|(path, _)| path.clone()).collect();
    let batch = Batch::begin(root, &targets, tell)?;
    let prepared = files.iter().enumerate();
    let prepared = prepared.map(|(index, (_, content))| batch.prepare(index, content));
    let prepared = prepared.collect::<Result<Vec<_>>>()?;
    batch.commit(prepared)
}

/// Files about to be replaced. Dropped before [`Batch::commit`], it leaves everything as it was.
#[derive(Debug)]
pub struct Batch {
    journal: Journal,
    path: PathBuf,
    committed: bool,
    /// Other runs are kept out of the same tree.
    _lock: File,
}

#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    phase: Phase,
    files: Vec<Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    /// The new contents are being written beside their targets: none of them counts yet.
    Preparing,
    /// All new contents are on disk: each is put in its target's place.
    Replacing,
}

/// One target and its new content.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    /// Behind links; what a link points to is replaced, the link stays.
    target: PathBuf,
    fresh: PathBuf,
    /// SHA-256 of the target as it was found; none when there was none.
    before: Option<String>,
    /// SHA-256 of the new content, once it is written.
    after: Option<String>,
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
        recover_locked(&path, tell)?;
        let attempt = Sha256::digest(format!(
            "{}{:?}",
            std::process::id(),
            std::time::SystemTime::now()
        ));
        let attempt = hex(&attempt[..4]);
        let entry = |target: &PathBuf| {
            let describe = || format!("while reading {}", target.display());
            let target = real(target).with_context(describe)?;
            let name = target.file_name().unwrap_or_default().to_string_lossy();
            Ok(Entry {
                fresh: target.with_file_name(format!(".{name}.spinet-{attempt}")),
                before: digest_of(&target).with_context(describe)?,
                after: None,
                target,
            })
        };
        let batch = Self {
            journal: Journal {
                phase: Phase::Preparing,
                files: targets.iter().map(entry).collect::<Result<_>>()?,
            },
            path,
            committed: false,
            _lock: lock,
        };
        batch.journal.write(&batch.path)?;
        Ok(batch)
    }

    /// Writes the new content of one target beside it, durably, with the target's mode and owner. Returns what to give
    /// to [`Batch::commit`]; several threads may prepare at once.
    pub fn prepare(&self, index: usize, content: &[u8]) -> Result<Prepared> {
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
                .mode(if meta.is_some() { 0o600 } else { 0o666 })
                .open(&entry.fresh)?;
            file.write_all(content)?;
            if let Some(meta) = meta {
                // only root can give a file away; for anybody else it is the same owner already
                let _ = std::os::unix::fs::fchown(&file, Some(meta.uid()), Some(meta.gid()));
                file.set_permissions(Permissions::from_mode(meta.mode() & 0o7777))?;
            }
            file.sync_all()
        };
        write().map_err(|e| {
            Failure::new(format!(
                "Nothing could be written beside {}.",
                entry.target.display()
            ))
            .hint("Nothing was replaced. Make room, or allow writing in that folder.")
            .source(e)
        })?;
        Ok(Prepared(index, hex(&Sha256::digest(content))))
    }

    /// Puts the prepared contents in place; every target must have been prepared. On an error all targets are as before.
    pub fn commit(mut self, prepared: Vec<Prepared>) -> Result<()> {
        for Prepared(index, after) in prepared {
            self.journal.files[index].after = Some(after);
        }
        anyhow::ensure!(
            self.journal.files.iter().all(|f| f.after.is_some()),
            "A file was to be replaced without a new content."
        );
        for entry in &self.journal.files {
            if digest_of(&entry.target)? != entry.before {
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
            let Err(error) = put_in_place(entry) else {
                continue;
            };
            let failure =
                Failure::new(format!("{} could not be replaced.", entry.target.display()))
                    .source(error);
            let undone = self.journal.files[..index].iter().try_for_each(take_back);
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
        clean_up(&self.journal, &self.path)
    }
}

/// A content that lies beside its target.
#[derive(Debug)]
pub struct Prepared(usize, String);

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.committed {
            let _ = clean_up(&self.journal, &self.path);
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
    recover_locked(&path, tell)
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

fn recover_locked(path: &Path, mut tell: impl FnMut(String)) -> Result<()> {
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
        return clean_up(&journal, path);
    }
    let mut finished = 0;
    for entry in &journal.files {
        let now = digest_of(&entry.target)
            .with_context(|| format!("while reading {}", entry.target.display()))?;
        if now == entry.after {
            continue;
        }
        if now == entry.before && digest_of(&entry.fresh)? == entry.after {
            put_in_place(entry)
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
    clean_up(&journal, path)
}

/// The new content takes the target's name; the former one, if any, takes the other until everything is done.
fn put_in_place(entry: &Entry) -> std::io::Result<()> {
    let rename = |flags| rustix::fs::renameat_with(CWD, &entry.fresh, CWD, &entry.target, flags);
    let careful = if entry.before.is_some() {
        RenameFlags::EXCHANGE
    } else {
        RenameFlags::NOREPLACE
    };
    match rename(careful) {
        // file systems that cannot exchange two names, such as NFS
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            std::fs::rename(&entry.fresh, &entry.target)
        }
        result => Ok(result?),
    }
}

fn take_back(entry: &Entry) -> std::io::Result<()> {
    if entry.before.is_none() {
        return std::fs::remove_file(&entry.target);
    }
    Ok(rustix::fs::renameat_with(
        CWD,
        &entry.fresh,
        CWD,
        &entry.target,
        RenameFlags::EXCHANGE,
    )?)
}

/// Makes the names durable, then removes what lies beside the targets, and the journal last.
fn clean_up(journal: &Journal, path: &Path) -> Result<()> {
    let mut folders: Vec<_> = journal
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
    let others = journal.files.iter().map(|f| f.fresh.as_path());
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

impl Journal {
    fn write(&self, path: &Path) -> Result<()> {
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
}

/// Where a file really is; the file itself may be missing.
fn real(path: &Path) -> std::io::Result<PathBuf> {
    match path.canonicalize() {
        Err(e) if e.kind() == ErrorKind::NotFound && !path.is_symlink() => {
            let folder = path.parent().unwrap_or(Path::new("/")).canonicalize()?;
            Ok(folder.join(path.file_name().unwrap_or_default()))
        }
        found => found,
    }
}

fn digest_of(path: &Path) -> std::io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut digest = Sha256::new();
    std::io::copy(&mut file, &mut digest)?;
    Ok(Some(hex(&digest.finalize())))
}

#[cfg(test)]
mod tests;
