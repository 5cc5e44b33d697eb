//! Which key of the rules is the host's old one, and putting the new one in its place.

use anyhow::Result;

use super::sources::Sources;
use super::{Enrollment, binding, tree};
use crate::secrets::{Recipient, Rules};

/// The host's old key: the one given if the rules hold it, else the one written under the host's name,
/// else the one commented with it. Among several of a kind the user chooses.
pub fn find(
    sources: &Sources,
    rules: &Rules,
    wanted: &Enrollment<'_>,
    new: &Recipient,
) -> Result<Option<Recipient>> {
    let known: Vec<&Recipient> = rules
        .entries()
        .values()
        .flat_map(|r| &r.recipients)
        .collect();
    if let Some(old) = wanted.old_key.and_then(|k| Recipient::parse_all(k).pop())
        && known.iter().any(|k| k.key() == old.key())
    {
        return Ok((old.key() != new.key()).then_some(old));
    }
    let added = wanted.added();
    let is_added = |key: &Recipient| added.iter().any(|a| a.key() == key.key());
    let written = || {
        sources
            .files()
            .flat_map(|(path, text)| binding::keys_of(path, text))
    };
    let comment = |key: &tree::Key| key.recipient.name();
    let host = wanted.name;
    let named = |key: &tree::Key| key.name() == Some(host);
    let partly = |key: &tree::Key| {
        key.name()
            .is_some_and(|n| n.split(['_', '-', '.']).any(|part| part == host))
    };
    let commented = |key: &tree::Key| {
        comment(key).rsplit('@').next() == Some(host) && comment(key).starts_with("root@")
    };
    for fits in [&named as &dyn Fn(&tree::Key) -> bool, &partly, &commented] {
        let mut found: Vec<Recipient> =
            written().filter(|k| fits(k)).map(|k| k.recipient).collect();
        found.sort();
        found.dedup_by(|a, b| a.key() == b.key());
        // what was put beside the old key is the old key only where there is no other
        if found.iter().any(|k| !is_added(k)) {
            found.retain(|k| !is_added(k));
        }
        match found.as_slice() {
            [] => {}
            [one] if one.key() == new.key() => return Ok(None),
            [one] => return Ok(Some(one.clone())),
            several => {
                let question =
                    format!("Several keys in the rules could be the old key of {host}. Which one?");
                return Ok(Some(several[(wanted.choose)(&question, several)?].clone()));
            }
        }
    }
    Ok(None)
}

/// The key itself is replaced, wherever it is written; names, comments and layout stay.
pub fn replace(sources: &mut Sources, old: &Recipient, new: &Recipient) {
    sources.replace_key(old.key(), new.key());
    // the type stands elsewhere: the string is put together from parts
    sources.replace_key(old.blob(), new.blob());
}
