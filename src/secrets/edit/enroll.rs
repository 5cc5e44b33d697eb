//! A host's key into the rules.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::places::take_out;
use super::sources::Sources;
use super::{Edit, Expected, expected_now, listing, old_key, prove};
use crate::error::Failure;
use crate::secrets::rules::Rule;
use crate::secrets::{Recipient, Rules};

/// What is to be true afterwards.
pub struct Enrollment<'a> {
    /// The host, as its key is called in the rules.
    pub name: &'a str,
    /// Its public key.
    pub key: &'a str,
    /// The key it replaces, when that is known; else it is looked for under the host's name.
    pub old_key: Option<&'a str>,
    /// Keys that were put beside it for a card (see [`super::beside`]) and go with it.
    pub added: &'a [String],
    /// The rules that must list it.
    pub secrets: &'a [String],
    /// Chooses among several keys that could be the old one.
    pub choose: &'a dyn Fn(&str, &[Recipient]) -> Result<usize>,
}

impl Enrollment<'_> {
    /// The keys that were put beside the old one.
    pub(super) fn added(&self) -> Vec<Recipient> {
        let keys = self.added.iter();
        keys.flat_map(|key| Recipient::parse_all(key)).collect()
    }
}

/// Finds the smallest change of the text that makes the enrolment true, and proves it. Writes nothing.
pub async fn enroll(rules: &Rules, wanted: &Enrollment<'_>) -> Result<Edit> {
    let key = Recipient::parse_all(wanted.key)
        .pop()
        .context("There is no key to enroll.")?;
    for name in wanted.secrets {
        rules.rule(name)?;
    }
    let sources = Sources::read(&rules.file, &rules.root)?;
    let old = old_key::find(&sources, rules, wanted, &key)?;
    let mut edited = sources.clone();
    let mut gone = wanted.added();
    // where there is no other, the one that was added is the host's by now
    gone.retain(|added| match &old {
        Some(old) => added.key() != old.key(),
        None => added.key() != key.key(),
    });
    for added in &gone {
        take_out(&mut edited, added);
    }
    if let Some(old) = &old {
        old_key::replace(&mut edited, old, &key);
    }
    let expected = expect(rules, wanted, old.as_ref(), &gone, &key);
    // named twice counts once
    let secrets: BTreeSet<&str> = wanted.secrets.iter().map(String::as_str).collect();
    let missing: Vec<&str> = secrets
        .into_iter()
        .filter(|name| !lists(&rules.entries()[*name], old.as_ref(), &gone, &key))
        .collect();
    let mut last = None;
    // the ways to write it down, the one people would choose first; the evaluation decides which one is right
    for candidate in listing::ways(&edited, wanted.name, wanted.key, &key, &missing) {
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
    let failure = by_hand(rules, &sources, wanted, old.as_ref(), &missing);
    Err(match last {
        // both sides, and how to do it by hand
        Some(why) => failure.source(why).into(),
        None => failure.into(),
    })
}

/// The key that would be replaced, if there is one.
pub fn replaced(rules: &Rules, wanted: &Enrollment<'_>) -> Result<Option<Recipient>> {
    let key = Recipient::parse_all(wanted.key)
        .pop()
        .context("There is no key to enroll.")?;
    let sources = Sources::read(&rules.file, &rules.root)?;
    old_key::find(&sources, rules, wanted, &key)
}

/// A rule that needs nothing more, once the keys in `gone` are taken out and the old one is replaced.
fn lists(rule: &Rule, old: Option<&Recipient>, gone: &[Recipient], key: &Recipient) -> bool {
    let stays = |r: &&Recipient| gone.iter().all(|g| g.key() != r.key());
    rule.recipients
        .iter()
        .filter(stays)
        .any(|r| r.key() == key.key() || old.is_some_and(|o| o.key() == r.key()))
}

/// The recipients every rule must have afterwards, by key.
fn expect(
    rules: &Rules,
    wanted: &Enrollment<'_>,
    old: Option<&Recipient>,
    gone: &[Recipient],
    key: &Recipient,
) -> Expected {
    let mut expected = expected_now(rules);
    for (name, keys) in &mut expected {
        keys.retain(|k| gone.iter().all(|g| g.key() != k));
        if old.is_some_and(|old| keys.remove(old.key())) || wanted.secrets.contains(name) {
            keys.insert(key.key().to_owned());
        }
    }
    expected
}

/// No change of the text does it: what to write, and the place.
fn by_hand(
    rules: &Rules,
    sources: &Sources,
    wanted: &Enrollment<'_>,
    old: Option<&Recipient>,
    missing: &[&str],
) -> Failure {
    let (name, key) = (wanted.name, wanted.key.trim());
    let (path, text) = sources.rules();
    let shown = path.strip_prefix(&rules.root).unwrap_or(path);
    let failure = Failure::new(format!(
        "{} makes its rules in a way that cannot be edited for you; nothing was written.",
        shown.display()
    ));
    if let Some(old) = old.filter(|_| missing.is_empty()) {
        return failure.hint(format!(
            "Put this key\n{key}\nin the place of the old one\n{}\nand run the same command again.",
            old.key()
        ));
    }
    let snippet = crate::ui::snippet(
        shown,
        text,
        listing::place(sources, missing),
        &format!(
            "the recipients of {} are made from here",
            missing.join(", ")
        ),
        "add the key to what this is made from",
    );
    failure.source(anyhow::anyhow!(snippet)).hint(format!(
        "Make this key a recipient of {} there, and run the same command again:\n{name} = \"{key}\";",
        missing.join(", ")
    ))
}
