//! A host's key into the rules: in place of its old one, or beside its neighbours. The text is changed through its
//! syntax tree, and nothing is written before nix has evaluated the changed copy to exactly what was meant.

mod insert;
mod replace;
mod sources;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use similar::TextDiff;

use super::rules::Rule;
use super::{Recipient, Rules};
use crate::error::Failure;
use sources::Sources;

/// What is to be true afterwards.
pub struct Enrollment<'a> {
    /// The host, as its key is called in the rules.
    pub name: &'a str,
    /// Its public key.
    pub key: &'a str,
    /// The key it replaces, when that is known; else it is looked for under the host's name.
    pub old_key: Option<&'a str>,
    /// The rules that must list it.
    pub secrets: &'a [String],
}

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
    before: String,
    after: String,
}

/// Finds the smallest change of the text that makes the enrolment true, and proves it. Writes nothing.
pub async fn plan(rules: &Rules, wanted: &Enrollment<'_>) -> Result<Edit> {
    let key = Recipient::parse_all(wanted.key)
        .pop()
        .context("There is no key to enroll.")?;
    for name in wanted.secrets {
        rules.rule(name)?;
    }
    let sources = Sources::read(&rules.file, &rules.root)?;
    let old = replace::find_old(&sources, rules, wanted, &key)?;
    let mut edited = sources.clone();
    if let Some(old) = &old {
        replace::replace(&mut edited, old, &key);
    }
    let expected = expect(rules, wanted, old.as_ref(), &key);
    let missing: Vec<&str> = wanted
        .secrets
        .iter()
        .map(String::as_str)
        .filter(|name| !lists(&rules.entries()[*name], old.as_ref(), &key))
        .collect();
    let mut last = None;
    // the ways to write it down, the one people would choose first; the evaluation decides which one is right
    for candidate in insert::ways(&edited, wanted.name, wanted.key, &key, &missing) {
        match prove(rules, &sources, &candidate, &expected).await {
            Ok(edit) => {
                return Ok(Edit {
                    replaced: old,
                    ..edit
                });
            }
            Err(why) => last = Some(why),
        }
    }
    Err(last.unwrap_or_else(|| by_hand(rules, wanted, &key, &missing)))
}

fn lists(rule: &Rule, old: Option<&Recipient>, key: &Recipient) -> bool {
    rule.recipients
        .iter()
        .any(|r| r.key() == key.key() || old.is_some_and(|o| o.key() == r.key()))
}

/// The recipients every rule must have afterwards, by key.
fn expect(
    rules: &Rules,
    wanted: &Enrollment<'_>,
    old: Option<&Recipient>,
    key: &Recipient,
) -> BTreeMap<String, BTreeSet<String>> {
    let expected = rules.entries().iter().map(|(name, rule)| {
        let mut keys: BTreeSet<String> =
            rule.recipients.iter().map(|r| r.key().to_owned()).collect();
        if old.is_some_and(|old| keys.remove(old.key())) || wanted.secrets.contains(name) {
            keys.insert(key.key().to_owned());
        }
        (name.clone(), keys)
    });
    expected.collect()
}

/// Evaluates the candidate in a copy of the work tree and compares it rule by rule.
async fn prove(
    rules: &Rules,
    before: &Sources,
    candidate: &Sources,
    expected: &BTreeMap<String, BTreeSet<String>>,
) -> Result<Edit> {
    let files: Vec<Change> = candidate
        .files()
        .filter_map(|(path, after)| {
            let before = before.text(path)?;
            (before != after).then(|| Change {
                path: path.clone(),
                before: before.to_owned(),
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
            return Err(Failure::new(format!("The change of the rules would not do what was meant for {name}, so nothing was written."))
                .source(anyhow::anyhow!("The change:\n{}\nwould give\n{}\ninstead of\n{}", edit.diff(), list(&found), list(wanted)))
                .into());
        }
    }
    let same_rules = edit.after.len() == expected.len()
        && edit.after.iter().all(|(name, rule)| {
            rules
                .entries()
                .get(name)
                .is_some_and(|old| old.armor == rule.armor)
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
    let make = || -> std::io::Result<()> {
        for folder in &real {
            let (from, to) = (root.join(folder), copy.path().join(folder));
            std::fs::create_dir_all(&to)?;
            for entry in std::fs::read_dir(&from)? {
                let entry = entry?;
                if !real.contains(&folder.join(entry.file_name()))
                    && sources.text(&entry.path()).is_none()
                {
                    std::os::unix::fs::symlink(entry.path(), to.join(entry.file_name()))?;
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

/// The rules are made in a way no text edit can follow: say what to write and where.
fn by_hand(
    rules: &Rules,
    wanted: &Enrollment<'_>,
    key: &Recipient,
    missing: &[&str],
) -> anyhow::Error {
    let name = wanted.name;
    Failure::new(format!("{} builds its rules in a way that cannot be edited for you.", rules.file.display()))
        .hint(format!("Add this key there, as a recipient of {}, and run the same command again:\n{name} = \"{} root@{name}\";", missing.join(", "), key.key()))
        .into()
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
            let diff = TextDiff::from_lines(&change.before, &change.after);
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

    /// Replaces the files: all prepared beside their targets before the first is renamed.
    pub fn write(&self) -> Result<()> {
        let mut prepared = Vec::new();
        for change in &self.files {
            let write = || -> std::io::Result<_> {
                let meta = std::fs::symlink_metadata(&change.path)?;
                let dir = change.path.parent().unwrap_or(Path::new("."));
                let mut file = tempfile::Builder::new()
                    .permissions(meta.permissions())
                    .tempfile_in(dir)?;
                file.write_all(change.after.as_bytes())?;
                file.as_file().sync_all()?;
                Ok(file)
            };
            prepared.push((
                write().with_context(|| format!("while writing {}", change.path.display()))?,
                &change.path,
            ));
        }
        for (file, path) in prepared {
            file.persist(path)
                .with_context(|| format!("while replacing {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
