//! A second key of a host, beside its first for a while: next to it wherever it is named or listed, and for the same
//! secrets.

use anyhow::{Context, Result};

use super::places::{take_out, ways};
use super::sources::Sources;
use super::{Edit, Enrollment, Expected, binding, enroll, expected_now, listing, old_key, prove};
use crate::error::Failure;
use crate::secrets::{Recipient, Rules, published};

/// Finds a change of the text after which every rule that lists the host's old key, and each of the secrets named,
/// lists the new one too, and proves it. Without an old key, or with one of the published examples, this is an enrolment.
/// Writes nothing.
pub async fn beside(rules: &Rules, wanted: &Enrollment<'_>) -> Result<Edit> {
    let key = Recipient::parse_all(wanted.key)
        .pop()
        .context("There is no key to enroll.")?;
    for name in wanted.secrets {
        rules.rule(name)?;
    }
    let sources = Sources::read(&rules.file, &rules.root)?;
    let added = wanted.added();
    let old = old_key::find(&sources, rules, wanted, &key)?;
    // an example key is nobody's: there is no card that must go on reading
    let stays = |old: &Recipient| !among(&added, old) && published::refuse(old).is_ok();
    let Some(old) = old.filter(stays) else {
        return enroll(rules, wanted).await;
    };
    let mut plain = sources.clone();
    for other in added.iter().filter(|other| other.key() != old.key()) {
        take_out(&mut plain, other);
    }
    let expected = expect(rules, wanted, &added, &old, &key);
    if expected == expected_now(rules) {
        let edit = prove(rules, &sources, &sources, &expected).await?;
        return Ok(Edit {
            replaced: Some(old),
            ..edit
        });
    }
    let both: Vec<&str> = expected
        .iter()
        .filter(|(_, keys)| keys.contains(key.key()))
        .map(|(name, _)| name.as_str())
        .collect();
    let lists = |name: &&str| among(&rules.entries()[*name].recipients, &old);
    let missing: Vec<&str> = both.iter().copied().filter(|name| !lists(name)).collect();
    for candidate in ways(&plain, wanted.name, wanted.key, &old, &key, &missing, &both) {
        let proven = reversible(rules, &sources, &plain, &candidate, &key, &expected);
        if let Ok(edit) = proven.await {
            return Ok(Edit {
                replaced: Some(old),
                ..edit
            });
        }
    }
    Err(by_hand(rules, &sources, wanted.name, &old, &both).into())
}

/// Proves a candidate, and that the key can be taken out of it again.
async fn reversible(
    rules: &Rules,
    sources: &Sources,
    plain: &Sources,
    candidate: &Sources,
    key: &Recipient,
    expected: &Expected,
) -> Result<Edit> {
    let edit = prove(rules, sources, candidate, expected).await?;
    let mut without = candidate.clone();
    take_out(&mut without, key);
    if !without.files().eq(plain.files()) {
        let same_files = without.files().map(|f| f.0).eq(plain.files().map(|f| f.0));
        anyhow::ensure!(same_files, "It would take a file of its own.");
        let mut before = expected.clone();
        for keys in before.values_mut() {
            keys.remove(key.key());
        }
        prove(rules, sources, &without, &before).await?;
    }
    Ok(edit)
}

/// The recipients every rule must have afterwards, by key.
fn expect(
    rules: &Rules,
    wanted: &Enrollment<'_>,
    added: &[Recipient],
    old: &Recipient,
    key: &Recipient,
) -> Expected {
    let mut expected = expected_now(rules);
    for (name, keys) in &mut expected {
        keys.retain(|k| k == old.key() || added.iter().all(|other| other.key() != k));
        if keys.contains(old.key()) || wanted.secrets.contains(name) {
            keys.insert(key.key().to_owned());
        }
    }
    expected
}

fn among(list: &[Recipient], key: &Recipient) -> bool {
    list.iter().any(|known| known.key() == key.key())
}

/// No change of the text does it: the place, and what can be done instead.
fn by_hand(
    rules: &Rules,
    sources: &Sources,
    host: &str,
    old: &Recipient,
    both: &[&str],
) -> Failure {
    let (path, text) = sources.rules();
    let shown = path.strip_prefix(&rules.root).unwrap_or(path);
    let names = binding::references(sources);
    let shown_key = |key: &Recipient| names.get(key.key()).cloned();
    let list = |name: &str| {
        let keys = rules.entries()[name].recipients.iter();
        let keys = keys.map(|r| shown_key(r).unwrap_or_else(|| binding::literal(&r.line())));
        let keys: Vec<_> = keys.collect();
        format!(
            "{}.publicKeys = [ {} ];",
            binding::literal(name),
            keys.join(" ")
        )
    };
    let snippet = crate::ui::snippet(
        shown,
        text,
        listing::place(sources, both),
        &format!("the recipients of {} are made from here", both.join(", ")),
        "no second key could be added beside the old one",
    );
    let written: Vec<_> = both.iter().map(|name| list(name)).collect();
    Failure::new(format!(
        "{} makes its rules in a way that a second key of {host} cannot be added beside {}; nothing was written.",
        shown.display(),
        shown_key(old).unwrap_or_else(|| old.name())
    ))
    .source(anyhow::anyhow!(snippet))
    .hint("--image bootstrap needs no second key: the new one takes the place of the old one once the card has shown it.")
    .hint(format!("Or write these rules out:\n{}", written.join("\n")))
}
