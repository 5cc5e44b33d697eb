//! Bringing age files in line with the rules: only those that need it, all or none.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::cipher::{self, Audience};
use super::header::Header;
use super::identity::plain;
use super::replace::Batch;
use super::{Identities, Recipient, Rules, published};
use crate::error::Failure;
use crate::parallel::on_all_cores;
use crate::ui::Ui;

/// What is to be encrypted again.
#[derive(Debug)]
pub struct Plan {
    files: Vec<Stale>,
    root: PathBuf,
}

#[derive(Debug)]
struct Stale {
    name: String,
    path: PathBuf,
    recipients: Vec<Recipient>,
    armor: bool,
    /// Recipients the file does not have yet, or may not have.
    added: Vec<Recipient>,
}

impl Plan {
    /// Chooses among the rules named those whose files do not match, or may not; `all` takes the others too.
    /// Files that do not exist are passed over: there is nothing to encrypt.
    pub fn new(rules: &Rules, names: &[String], all: bool) -> Result<Self> {
        let mut files = Vec::new();
        for name in names {
            let rule = rules.rule(name)?;
            let path = rules.path_of(name);
            let Some(header) = Header::find(&path)? else {
                continue;
            };
            if all || header.matches(&rule.recipients) != Some(true) {
                let new = |r: &&Recipient| header.may_lack(r);
                files.push(Stale {
                    name: name.clone(),
                    path,
                    recipients: rule.recipients.clone(),
                    armor: rule.armor,
                    added: rule.recipients.iter().filter(new).cloned().collect(),
                });
            }
        }
        Ok(Self {
            files,
            root: rules.root.clone(),
        })
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files by the names their rules have.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.name.as_str())
    }

    /// One line a file: for whom it will be, and who is or may be new.
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

    /// New recipients are never added silently: each is shown and confirmed, unless its fingerprint is among the
    /// accepted ones or it is a key of the user's own. `--yes` does not answer this. Returns all that are accepted now.
    pub fn confirm(
        &self,
        accepted: &[String],
        identities: &Identities,
        ui: &Ui,
    ) -> Result<Vec<String>> {
        let mut added: Readers = BTreeMap::new();
        for file in &self.files {
            for recipient in &file.added {
                added
                    .entry(recipient.fingerprint())
                    .or_insert((recipient, Vec::new()))
                    .1
                    .push(&file.name);
            }
        }
        confirm_readers(added, accepted, identities, ui)
    }

    /// Encrypts all files again; none is replaced before all are on disk under another name. On an error, or when no
    /// identity fits some file, all files are as before.
    pub fn run(&self, identities: &mut Identities, ui: &Ui) -> Result<()> {
        let audience = self.files.iter().flat_map(|f| &f.recipients);
        let audience = Audience::of(audience, ui.plugin_prompts())?;
        let targets: Vec<PathBuf> = self.files.iter().map(|f| f.path.clone()).collect();
        let batch = Batch::begin(&self.root, &targets, |text| ui.say(text))?;
        let prepared = open_all(&targets, identities, ui, |index, cipher, plain| {
            let file = &self.files[index];
            let fresh = audience
                .encrypt(plain, &file.recipients, file.armor)
                .with_context(|| format!("while encrypting {}", file.name))?;
            batch.prepare(index, Some(cipher), &fresh)
        })?;
        batch.commit(prepared)
    }
}

/// Recipients by their fingerprints, and the files they would be able to read.
pub type Readers<'a> = BTreeMap<String, (&'a Recipient, Vec<&'a str>)>;

/// Shows each new reader and asks, unless it is accepted already or the user's own. Returns all that are accepted now.
pub fn confirm_readers(
    added: Readers<'_>,
    accepted: &[String],
    identities: &Identities,
    ui: &Ui,
) -> Result<Vec<String>> {
    let mut accepted = accepted.to_vec();
    for (fingerprint, (recipient, files)) in added {
        published::refuse(recipient)?;
        if accepted.contains(&fingerprint) || identities.owns(recipient) {
            continue;
        }
        let certain = if recipient.tag().is_some() {
            ""
        } else {
            ", unless it can already (a key of this kind leaves no trace in a file)"
        };
        ui.say(format!(
            "{} ({fingerprint}) would be able to read{certain}: {}",
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
        accepted.push(fingerprint);
    }
    Ok(accepted)
}

/// Fails, naming the files, unless every existing file of these rules can be decrypted.
pub fn can_decrypt_all(
    rules: &Rules,
    names: &[String],
    identities: &mut Identities,
    ui: &Ui,
) -> Result<()> {
    let paths: Vec<PathBuf> = names.iter().map(|name| rules.path_of(name)).collect();
    let paths: Vec<PathBuf> = paths.into_iter().filter(|path| path.exists()).collect();
    open_all(&paths, identities, ui, |_, _, _| Ok(()))?;
    Ok(())
}

/// The decrypted content of one file.
pub fn open_one(
    path: &PathBuf,
    identities: &mut Identities,
    ui: &Ui,
) -> Result<zeroize::Zeroizing<Vec<u8>>> {
    let plain = open_all(std::slice::from_ref(path), identities, ui, |_, _, plain| {
        Ok(zeroize::Zeroizing::new(plain.to_vec()))
    })?;
    plain
        .into_iter()
        .next()
        .context("There is no file to decrypt.")
}

/// Decrypts every file and hands both its contents on, as it is and in clear, on all cores: with the keys at hand first, with those under a
/// passphrase for what is left (asked for once), with plugins last, one file at a time. Results are in no special order.
fn open_all<T: Send>(
    paths: &[PathBuf],
    identities: &mut Identities,
    ui: &Ui,
    work: impl Fn(usize, &[u8], &[u8]) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    enum Outcome<T> {
        Done(Result<T>),
        Closed(anyhow::Error),
    }
    let mut done = Vec::new();
    let mut closed: Vec<(usize, anyhow::Error)> = Vec::new();
    let mut sort = |outcomes: Vec<(usize, Outcome<T>)>| {
        let mut closed = Vec::new();
        for (index, outcome) in outcomes {
            match outcome {
                Outcome::Done(result) => done.push(result?),
                Outcome::Closed(why) => closed.push((index, why)),
            }
        }
        anyhow::Ok(closed)
    };
    let attempt = |index: usize, keys: &[Box<dyn age::Identity + Send + Sync>]| {
        let outcome = match std::fs::read(&paths[index])
            .with_context(|| format!("while reading {}", paths[index].display()))
        {
            Err(e) => Outcome::Done(Err(e)),
            Ok(bytes) => {
                let keys = keys.iter().map(|key| &**key as &dyn age::Identity);
                match cipher::decrypt(&bytes, keys) {
                    Ok(plain) => Outcome::Done(work(index, &bytes, &plain)),
                    Err(why) => Outcome::Closed(why),
                }
            }
        };
        (index, outcome)
    };
    let all: Vec<usize> = (0..paths.len()).collect();
    let outcomes = on_all_cores(&all, |index| attempt(*index, identities.open()));
    closed.extend(sort(outcomes)?);
    while !closed.is_empty() {
        let headers = closed
            .iter()
            .map(|(index, _)| Header::read(&paths[*index]))
            .collect::<Result<Vec<_>>>()?;
        if !identities.unlock_for(&headers, ui)? {
            break;
        }
        let left: Vec<usize> = closed.drain(..).map(|(index, _)| index).collect();
        let outcomes = on_all_cores(&left, |index| attempt(*index, identities.open()));
        closed.extend(sort(outcomes)?);
    }
    if !closed.is_empty() && !identities.plugins().is_empty() {
        let left: Vec<usize> = closed.drain(..).map(|(index, _)| index).collect();
        let tried = left
            .into_iter()
            .map(|index| attempt(index, identities.plugins()));
        closed.extend(sort(tried.collect())?);
    }
    if closed.is_empty() {
        return Ok(done);
    }
    Err(no_identity(paths, closed, identities))
}

fn no_identity(
    paths: &[PathBuf],
    closed: Vec<(usize, anyhow::Error)>,
    identities: &Identities,
) -> anyhow::Error {
    let one = closed.len() == 1;
    let first = closed.first().map_or(0, |(index, _)| *index);
    let what = if one {
        paths[first].display().to_string()
    } else {
        format!("{} files", closed.len())
    };
    if identities.is_empty() {
        return Failure::new(format!(
            "{what} cannot be decrypted: there is neither ~/.ssh/id_ed25519 nor ~/.ssh/id_rsa."
        ))
        .hint("Name a private key that is among the recipients with -i FILE. Nothing was changed.")
        .into();
    }
    let keys = identities.describe();
    let mut failure = Failure::new(format!("{what} cannot be decrypted with {keys}."));
    let mut list = Vec::new();
    let mut remedies = Vec::new();
    for (index, why) in closed {
        let (reason, remedy) = reason(&why);
        list.push(if one {
            reason
        } else {
            format!("{}: {reason}", paths[index].display())
        });
        remedies.extend(remedy.filter(|remedy| !remedies.contains(remedy)));
    }
    for remedy in remedies {
        failure = failure.hint(format!("{remedy} Nothing was changed."));
    }
    failure.source(anyhow::anyhow!(list.join("\n"))).into()
}

/// Why a file stayed closed, and what to do about it.
fn reason(why: &anyhow::Error) -> (String, Option<&'static str>) {
    use age::DecryptError::{DecryptionFailed, InvalidHeader, InvalidMac, Io, NoMatchingKeys};
    let cause = why.root_cause();
    match why.downcast_ref() {
        Some(NoMatchingKeys) => (
            "It is for other keys.".into(),
            Some("Name a private key that is among the recipients with -i FILE."),
        ),
        None | Some(DecryptionFailed | InvalidHeader | InvalidMac | Io(_)) => (
            format!("It is damaged or cut short ({cause})."),
            Some("Restore what is damaged from git."),
        ),
        // of a plugin, or of a file for a passphrase
        Some(_) => (plain(&cause.to_string()), None),
    }
}
