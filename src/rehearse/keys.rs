//! Keys made for the occasion in the place of those a flake names: nobody's private key is needed, and nothing made in a
//! rehearsal is of use to anybody.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::host::key::HostKey;
use crate::secrets::Recipient;

/// A made key for each of the flake's.
#[derive(Default)]
pub struct Keys(BTreeMap<Recipient, Made>);

/// A key in the place of another.
pub struct Made {
    pub key: HostKey,
    /// Its public half, `ssh-ed25519 AAAA..`, without a comment.
    pub public: String,
}

impl Keys {
    /// Makes one for each key, once however often it is named.
    pub fn make<'a>(wanted: impl IntoIterator<Item = &'a Recipient>) -> Result<Self> {
        let mut made: BTreeMap<Recipient, Made> = BTreeMap::new();
        for old in wanted {
            if made.keys().any(|known| known.key() == old.key()) {
                continue;
            }
            let key = HostKey::generate_for("made for a rehearsal")?;
            let public = crate::host::known_hosts::bare(&key.public()?).to_owned();
            made.insert(old.clone(), Made { key, public });
        }
        Ok(Self(made))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Recipient, &Made)> {
        self.0.iter()
    }

    /// Whether a public key is one of those made.
    pub fn has_made(&self, key: &str) -> bool {
        self.0.values().any(|made| made.public == key)
    }

    /// A file's text with the made keys in it; none if it names no key.
    pub fn put_into(&self, text: &str) -> Option<String> {
        let mut changed = text.to_owned();
        for (old, made) in &self.0 {
            if changed.contains(old.blob()) {
                changed = changed.replace(old.key(), &made.public);
                // the type may stand elsewhere
                let blob = made.public.rsplit(' ').next().unwrap_or_default();
                changed = changed.replace(old.blob(), blob);
            }
        }
        (changed != text).then_some(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_gets_one_of_its_own_wherever_it_stands() {
        let old = Recipient::parse_all(
            "ssh-ed25519 AAAAone me\nssh-rsa AAAAtwo\nage1three x\nssh-ed25519 AAAAone again",
        );
        let keys = Keys::make(&old).unwrap();
        assert_eq!(keys.iter().count(), 3);
        let made = |n: usize| {
            let mut all = keys.iter();
            let (_, made) = all.find(|(key, _)| key.key() == old[n].key()).unwrap();
            made.public.clone()
        };
        assert_eq!(made(0), made(3));
        assert_ne!(made(0), made(1));
        let text = "a = \"ssh-ed25519 AAAAone me\"; b = \"ssh-rsa AAAAtwo\"; c = \"age1three\"; d = type + \" AAAAone\";";
        let blob = made(0).split_once(' ').unwrap().1.to_owned();
        let want = format!(
            "a = \"{} me\"; b = \"{}\"; c = \"{}\"; d = type + \" {blob}\";",
            made(0),
            made(1),
            made(2)
        );
        assert_eq!(keys.put_into(text), Some(want));
        assert_eq!(keys.put_into("no key"), None);
        assert!(keys.has_made(&made(2)) && !keys.has_made(old[0].key()));
    }
}
