//! Before a full image is built: the key of its card goes into the rules beside the old one, so that both cards can read
//! what the image is built with. What a run put there is remembered before it is, and goes with the next one's.

use anyhow::Result;

use super::preflight::{Ready, Writing};
use super::{Story, card};
use crate::enroll::{self, Access, Enrollment};
use crate::error::Exit;
use crate::secrets::{Recipient, Rules};
use crate::state::Pending;

pub async fn run(story: &mut Story<'_>, writing: &mut Writing, ready: &mut Ready) -> Result<()> {
    let pending = card::pending(story, writing)?;
    let Some(key) = &pending.key else {
        return Ok(());
    };
    card::keep(story, writing).await?;
    let rules = story.rules().await?;
    let (recorded, left) = added(&rules, &story.added, key);
    story.state.remember(&Pending {
        added: recorded.clone(),
        ..pending.clone()
    })?;
    story.added = recorded;
    story.ui.if_stopped(story.unfinished(), Exit::Failed);
    let names = enroll::rule_names(&ready.needs.secrets, &story.flake, &rules);
    let enrollment = Enrollment {
        name: &story.host.name,
        key,
        old_key: writing.replaces.as_deref(),
        added: &story.added,
        secrets: &names,
    };
    let access = Access {
        identities: &mut ready.identities,
        accepted: &ready.accepted,
    };
    let member = story.member(&ready.needs, ready.profile.as_ref());
    enroll::admit(&rules, &enrollment, &member, access, story.ui).await?;
    story.added = left;
    Ok(())
}

/// The keys that spinet may have put into the rules while it puts `key` there, and once it has. A key that somebody else
/// wrote there is not spinet's to take out.
fn added(rules: &Rules, before: &[String], key: &str) -> (Vec<String>, Vec<String>) {
    let is = |other: &String| bare(other) == bare(key);
    let known = before.iter().any(is);
    let listed = !rules.names_for(&[], Some(key)).is_empty();
    let ours: Vec<String> = (known || !listed)
        .then(|| key.to_owned())
        .into_iter()
        .collect();
    let mut recorded: Vec<String> = before.iter().filter(|other| !is(other)).cloned().collect();
    recorded.extend(ours.clone());
    (recorded, ours)
}

fn bare(key: &str) -> Option<Recipient> {
    Recipient::parse_all(key).pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_spinet_put_into_the_rules_are_remembered_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secrets.nix");
        std::fs::write(&file, "").unwrap();
        let json = r#"{ "a.age": { "publicKeys": ["ssh-ed25519 OLD", "ssh-ed25519 HAND", "ssh-ed25519 FIRST"] } }"#;
        let rules = Rules::evaluated(&file, json).unwrap();
        let keys = |list: &[&str]| -> Vec<String> {
            let key = |name: &&str| format!("ssh-ed25519 {name}");
            list.iter().map(key).collect()
        };
        let added = |before: &[&str], key: &str| {
            added(&rules, &keys(before), &format!("ssh-ed25519 {key}"))
        };
        assert_eq!(added(&[], "NEW"), (keys(&["NEW"]), keys(&["NEW"])));
        // the key of a run that was given up may still be there
        let both = (keys(&["FIRST", "NEW"]), keys(&["NEW"]));
        assert_eq!(added(&["FIRST"], "NEW"), both);
        assert_eq!(
            added(&["FIRST"], "FIRST"),
            (keys(&["FIRST"]), keys(&["FIRST"]))
        );
        // somebody wrote it there
        assert_eq!(added(&[], "HAND"), (vec![], vec![]));
        assert_eq!(added(&["FIRST"], "HAND"), (keys(&["FIRST"]), vec![]));
    }
}
