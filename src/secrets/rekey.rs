//! Bringing age files in line with the rules: only those that need it, all or none.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::header::Header;
use super::{Identities, Recipient, Rules, cipher};
use crate::error::Failure;
use crate::ui::Ui;

/// What is to be encrypted again.
#[derive(Debug, Default)]
pub struct Plan {
    files: Vec<Stale>,
}

#[derive(Debug)]
struct Stale {
    name: String,
    path: PathBuf,
    recipients: Vec<Recipient>,
    armor: bool,
    /// Recipients the file does not have yet.
    added: Vec<Recipient>,
}

impl Plan {
    /// Chooses among the rules named those whose files do not match, or may not; `all` takes the others too.
    /// Files that do not exist are passed over: there is nothing to encrypt.
    pub fn new(rules: &Rules, names: &[String], all: bool) -> Result<Self> {
        let mut plan = Self::default();
        for name in names {
            let rule = rules.rule(name)?;
            let path = rules.path_of(name);
            if !path.exists() {
                continue;
            }
            let header = Header::read(&path)?;
            if !all && header.matches(&rule.recipients) == Some(true) {
                continue;
            }
            let added = rule
                .recipients
                .iter()
                .filter(|r| header.lacks(r))
                .cloned()
                .collect();
            plan.files.push(Stale {
                name: name.clone(),
                path,
                recipients: rule.recipients.clone(),
                armor: rule.armor,
                added,
            });
        }
        Ok(plan)
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// One line a file: for whom it will be, and who is new.
    pub fn describe(&self) -> Vec<String> {
        let names = |list: &[Recipient]| {
            list.iter()
                .map(Recipient::name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let line = |file: &Stale| {
            let new = if file.added.is_empty() {
                String::new()
            } else {
                format!(" (new: {})", names(&file.added))
            };
            format!("{}: for {}{new}", file.name, names(&file.recipients))
        };
        self.files.iter().map(line).collect()
    }

    /// Recipients that some file does not have yet, by fingerprint, with the files.
    fn added(&self) -> BTreeMap<String, (&Recipient, Vec<&str>)> {
        let mut added: BTreeMap<String, (&Recipient, Vec<&str>)> = BTreeMap::new();
        for file in &self.files {
            for recipient in &file.added {
                added
                    .entry(recipient.fingerprint())
                    .or_insert((recipient, Vec::new()))
                    .1
                    .push(&file.name);
            }
        }
        added
    }

    /// New recipients are never added silently: each is shown and confirmed, unless its fingerprint is among the
    /// accepted ones. `--yes` does not answer this.
    fn confirm(&self, accepted: &[String], ui: &Ui) -> Result<()> {
        for (fingerprint, (recipient, files)) in self.added() {
            super::published::refuse(recipient)?;
            if accepted.contains(&fingerprint) {
                continue;
            }
            ui.say(format!(
                "{} ({fingerprint}) would be able to read: {}",
                recipient.name(),
                files.join(", ")
            ));
            let question = format!(
                "Let {} read {}? Type yes:",
                recipient.name(),
                if files.len() == 1 { "it" } else { "them" }
            );
            if ui.ask(&question, &format!("--accept-recipient {fingerprint}"))? != "yes" {
                return Err(Failure::new(format!(
                    "{} was not accepted; nothing was rekeyed.",
                    recipient.name()
                ))
                .hint("If it should not read these secrets, take it out of the rules.")
                .into());
            }
        }
        Ok(())
    }

    /// Encrypts all files again, everything in memory before the first is replaced. Returns their names.
    pub fn run(&self, identities: &Identities, accepted: &[String], ui: &Ui) -> Result<Vec<&str>> {
        self.confirm(accepted, ui)?;
        let mut prepared = Vec::new();
        for file in &self.files {
            let bytes = read(&file.path)?;
            let plain = cipher::decrypt(&bytes, identities)
                .map_err(|e| no_identity(&file.path, identities).source(e))?;
            let cipher = cipher::encrypt(&plain, &file.recipients, file.armor)
                .with_context(|| format!("while encrypting {}", file.name))?;
            let (temporary, target) = prepare(&file.path, &cipher)?;
            prepared.push((temporary, target, bytes));
        }
        let mut replaced: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        for (temporary, target, before) in prepared {
            if let Err(error) = temporary.persist(&target) {
                for (path, before) in &replaced {
                    let back =
                        prepare(path, before).and_then(|(file, path)| Ok(file.persist(path)?));
                    back.with_context(|| {
                        format!("{} could not be put back; git has it.", path.display())
                    })?;
                }
                let failure = Failure::new(format!(
                    "{} could not be replaced; all files are as before.",
                    target.display()
                ));
                return Err(failure.source(error.error).into());
            }
            replaced.push((target, before));
        }
        Ok(self.files.iter().map(|f| f.name.as_str()).collect())
    }
}

/// Fails, naming the file, unless every existing file of these rules can be decrypted.
pub fn can_decrypt_all(rules: &Rules, names: &[String], identities: &Identities) -> Result<()> {
    for path in names
        .iter()
        .map(|name| rules.path_of(name))
        .filter(|path| path.exists())
    {
        Header::read(&path)?;
        if !cipher::can_decrypt(&read(&path)?, identities) {
            return Err(no_identity(&path, identities).into());
        }
    }
    Ok(())
}

/// Makes a new secret for the recipients of its rule.
pub fn create(rules: &Rules, name: &str, content: &Zeroizing<Vec<u8>>) -> Result<()> {
    let rule = rules.rule(name)?;
    for recipient in &rule.recipients {
        super::published::refuse(recipient)?;
    }
    let path = rules.path_of(name);
    let cipher = cipher::encrypt(content, &rule.recipients, rule.armor)
        .with_context(|| format!("while encrypting {name}"))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(dir)?;
        file.write_all(&cipher)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(&path)?;
        Ok(())
    };
    write().with_context(|| format!("while writing {}", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("while reading {}", path.display()))
}

/// The new content beside its target, which may be behind a link; with the target's mode and owner.
fn prepare(path: &Path, content: &[u8]) -> Result<(NamedTempFile, PathBuf)> {
    let write = || -> std::io::Result<_> {
        let target = path.canonicalize()?;
        let meta = target.metadata()?;
        let dir = target.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::Builder::new()
            .prefix(".spinet-")
            .permissions(meta.permissions())
            .tempfile_in(dir)?;
        file.write_all(content)?;
        // the creation mode goes through the umask
        file.as_file().set_permissions(meta.permissions())?;
        let (uid, gid) = (
            std::os::unix::fs::MetadataExt::uid(&meta),
            std::os::unix::fs::MetadataExt::gid(&meta),
        );
        // only root can give a file away; for anybody else it is the same owner already
        let _ = std::os::unix::fs::fchown(file.as_file(), Some(uid), Some(gid));
        file.as_file().sync_all()?;
        Ok((file, target))
    };
    write().with_context(|| format!("while writing beside {}", path.display()))
}

fn no_identity(path: &Path, identities: &Identities) -> Failure {
    Failure::new(format!(
        "{} cannot be decrypted with {}.",
        path.display(),
        identities.describe()
    ))
    .hint("Name a private key that is among its recipients with -i FILE.")
}
