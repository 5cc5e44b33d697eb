//! Changes of the rules: a host's key in place of its old one or beside its neighbours, a rule for a new secret. The
//! text is changed through its syntax tree, and nothing is written before nix has evaluated the changed copy to exactly
//! what was meant.

mod add_rule;
mod beside;
mod binding;
mod enroll;
mod json;
mod key_file;
mod listing;
mod old_key;
mod places;
mod rules;
mod sources;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use similar::TextDiff;

use super::replace::{self, Replacement};
use super::rules::Rule;
use super::{Recipient, Rules};
use crate::error::Failure;
use crate::ui::Ui;
use sources::Sources;

pub use add_rule::{add_rule, names};
pub use beside::beside;
pub use enroll::{Enrollment, enroll, replaced};

/// The keys every rule must have after a change.
type Expected = BTreeMap<String, BTreeSet<String>>;

/// A proven change of the rules and the files they read.
#[derive(Debug)]
pub struct Edit {
    files: Vec<Change>,
    root: PathBuf,
    /// The rules as they are after it.
    pub after: BTreeMap<String, Rule>,
    /// The key that is replaced.
    pub replaced: Option<Recipient>,
}

#[derive(Debug)]
struct Change {
    path: PathBuf,
    /// None for a new file.
    before: Option<String>,
    after: String,
}

/// The keys every rule has now.
fn expected_now(rules: &Rules) -> Expected {
    let keys = |rule: &Rule| rule.recipients.iter().map(|r| r.key().to_owned()).collect();
    let entries = rules.entries().iter();
    entries
        .map(|(name, rule)| (name.clone(), keys(rule)))
        .collect()
}

/// Evaluates the candidate in a copy of the work tree and compares it rule by rule.
async fn prove(
    rules: &Rules,
    before: &Sources,
    candidate: &Sources,
    expected: &Expected,
) -> Result<Edit> {
    let files: Vec<Change> = candidate
        .files()
        .filter_map(|(path, after)| {
            let before = before.text(path);
            (before != Some(after)).then(|| Change {
                path: path.clone(),
                before: before.map(str::to_owned),
                after: after.to_owned(),
            })
        })
        .collect();
    let after = if files.is_empty() {
        rules.entries().clone()
    } else {
        let copy = mirror(&rules.root, candidate)?;
        rules
            .evaluate_copy(copy.path())
            .await
            .context("while proving the change of the rules")?
    };
    let edit = Edit {
        files,
        root: rules.root.clone(),
        after,
        replaced: None,
    };
    for (name, wanted) in expected {
        let found: BTreeSet<String> = edit
            .after
            .get(name)
            .into_iter()
            .flat_map(|r| &r.recipients)
            .map(|r| r.key().to_owned())
            .collect();
        if found != *wanted {
            let list = |keys: &BTreeSet<String>| {
                keys.iter()
                    .map(|k| format!("  {k}"))
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            let change = if edit.is_empty() {
                "The text as it is gives".to_owned()
            } else {
                format!("The change:\n{}\nwould give", edit.diff())
            };
            return Err(Failure::new(format!("The change of the rules would not do what was meant for {name}, so nothing was written."))
                .source(anyhow::anyhow!("{change}\n{}\ninstead of\n{}", list(&found), list(wanted)))
                .into());
        }
    }
    let same_rules = edit.after.keys().eq(expected.keys())
        && edit.after.iter().all(|(name, rule)| {
            let old = rules.entries().get(name);
            old.is_none_or(|old| old.armor == rule.armor)
        });
    anyhow::ensure!(
        same_rules,
        "The change of the rules would touch other rules, so nothing was written."
    );
    Ok(edit)
}

/// The work tree again, with the texts of `sources` in it: real folders on the way to them, because nix follows links
/// before it looks at relative paths, and links for all else.
fn mirror(root: &Path, sources: &Sources) -> Result<tempfile::TempDir> {
    let copy = tempfile::tempdir().context("while making a copy of the rules to evaluate")?;
    let mut real: BTreeSet<PathBuf> = BTreeSet::new();
    for (path, _) in sources.files() {
        let inside = path
            .strip_prefix(root)
            .context("A file of the rules lies outside the work tree.")?;
        real.extend(inside.ancestors().skip(1).map(Path::to_owned));
    }
    // rules made from a folder's listing must find the same kinds of files; for all others no ciphertext matters, and a
    // link for each of thousands would take longer than the evaluation
    let listing = ["readDir", "pathExists", "readFileType"];
    let listed = sources
        .files()
        .any(|(_, text)| listing.iter().any(|word| text.contains(word)));
    let secret = |name: &std::ffi::OsStr| name.as_encoded_bytes().ends_with(b".age");
    let make = || -> std::io::Result<()> {
        for folder in &real {
            let (from, to) = (root.join(folder), copy.path().join(folder));
            std::fs::create_dir_all(&to)?;
            for entry in std::fs::read_dir(&from)? {
                let entry = entry?;
                let name = entry.file_name();
                if real.contains(&folder.join(&name)) || sources.text(&entry.path()).is_some() {
                    continue;
                }
                if listed && entry.file_type()?.is_file() {
                    std::fs::copy(entry.path(), to.join(name))?;
                } else if listed || !secret(&name) {
                    std::os::unix::fs::symlink(entry.path(), to.join(name))?;
                }
            }
        }
        for (path, text) in sources.files() {
            std::fs::write(
                copy.path().join(path.strip_prefix(root).unwrap_or(path)),
                text,
            )?;
        }
        Ok(())
    };
    make().context("while making a copy of the rules to evaluate")?;
    Ok(copy)
}

/// Tries every change there is on a text and panics if one is not parsed again.
#[cfg(any(fuzzing, test))]
pub fn try_all(path: &Path, text: &str) {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKcR2N0Gv8dr1mXD9KMS3zPXDNmzDYAD1nvvvDFWFbvK root@bach";
    let valid = |text: &str| rnix::Root::parse(text).errors().is_empty();
    if !valid(text) {
        return;
    }
    let sources = Sources::of_text(path, text);
    let written = rules::rules(&sources);
    let names: BTreeSet<&str> = written.iter().map(|rule| rule.name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let key = Recipient::parse_all(KEY).remove(0);
    let mut all = Vec::new();
    for missing in [&names[..], &names[..names.len().min(1)], &["none.age"]] {
        all.extend(listing::ways(&sources, "bach", KEY, &key, missing));
    }
    for (old, _) in binding::named(&sources) {
        let mut replaced = sources.clone();
        old_key::replace(&mut replaced, &Recipient::parse_all(&old).remove(0), &key);
        all.push(replaced);
        let old = Recipient::parse_all(&old).remove(0);
        for way in places::ways(&sources, "bach", KEY, &old, &key, &[], &names) {
            let mut without = way.clone();
            places::take_out(&mut without, &key);
            all.extend([way, without]);
        }
    }
    all.extend(add_rule::candidates(&sources, "new \"$.age", &[key]));
    for way in all {
        let (_, text) = way.rules();
        assert!(valid(text), "a change made this:\n{text}");
    }
}

impl Edit {
    /// Everything is right already.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The change as a unified diff, with paths relative to the work tree.
    pub fn diff(&self) -> String {
        let mut text = String::new();
        for change in &self.files {
            let path = change
                .path
                .strip_prefix(&self.root)
                .unwrap_or(&change.path)
                .display()
                .to_string();
            let before = change.before.as_deref().unwrap_or_default();
            let diff = TextDiff::from_lines(before, &change.after);
            text.push_str(
                &diff
                    .unified_diff()
                    .context_radius(1)
                    .header(&format!("a/{path}"), &format!("b/{path}"))
                    .to_string(),
            );
        }
        text.trim_end().to_owned()
    }

    /// The files it changes.
    pub fn replacements(&self) -> Vec<Replacement> {
        let replacement = |change: &Change| Replacement {
            path: change.path.clone(),
            before: change.before.clone().map(String::into_bytes),
            after: change.after.clone().into_bytes(),
        };
        self.files.iter().map(replacement).collect()
    }

    /// Replaces the files, all or none.
    pub fn write(&self, ui: &Ui) -> Result<()> {
        replace::all(&self.root, &self.replacements(), |text| ui.say(text))
    }

    /// Files that were not there before.
    pub fn created(&self) -> Vec<PathBuf> {
        let new = self.files.iter().filter(|change| change.before.is_none());
        new.map(|change| change.path.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
