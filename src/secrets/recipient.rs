//! Who can read a secret: SSH and age public keys as rules files hold them.

use std::sync::Arc;

use ssh_key::{HashAlg, PublicKey};

/// One public key. Rules hold the same few keys thousands of times: a copy is cheap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient(Arc<Parts>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Parts {
    /// Type and key without a comment: what makes two recipients the same.
    key: String,
    comment: String,
    tag: Option<[u8; 4]>,
}

impl Recipient {
    /// Every recipient in a string of the rules; one string may hold several lines.
    pub fn parse_all(text: &str) -> Vec<Self> {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(Self::parse).collect()
    }

    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let key = if first.starts_with("age1") {
            first.to_owned()
        } else {
            format!("{first} {}", words.next().unwrap_or_default())
                .trim_end()
                .to_owned()
        };
        let comment = words.collect::<Vec<_>>().join(" ");
        let tag = tag(&key);
        Self(Arc::new(Parts { key, comment, tag }))
    }

    /// Type and key, without comment.
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The base64 of the key itself, by which it is found in a file.
    pub fn blob(&self) -> &str {
        self.0.key.rsplit(' ').next().unwrap_or_default()
    }

    /// Type, key and comment on one line, as a rule holds it.
    pub fn line(&self) -> String {
        format!("{} {}", self.0.key, self.0.comment)
            .trim_end()
            .to_owned()
    }

    /// As people tell keys apart: the comment, else the key's end.
    pub fn name(&self) -> String {
        let Parts { key, comment, .. } = &*self.0;
        if comment.is_empty() {
            let tail = key.char_indices().rev().nth(7).map_or(0, |(i, _)| i);
            format!("..{}", &key[tail..])
        } else {
            crate::ui::visible(comment)
        }
    }

    /// `SHA256:..` as `ssh-keygen -lf` prints it; age keys are their own fingerprint.
    pub fn fingerprint(&self) -> String {
        match self.0.key.parse::<PublicKey>() {
            Ok(key) => key.fingerprint(HashAlg::Sha256).to_string(),
            Err(_) => self.0.key.clone(),
        }
    }

    /// The four bytes by which a file's SSH stanza names its recipient; none for keys that leave no trace in a file.
    pub fn tag(&self) -> Option<[u8; 4]> {
        self.0.tag
    }
}

/// SHA-256 over the key in SSH's wire format, which is also what the fingerprint is made of.
fn tag(key: &str) -> Option<[u8; 4]> {
    let key: PublicKey = key.parse().ok()?;
    let digest = key.fingerprint(HashAlg::Sha256);
    digest.as_bytes().get(..4)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_string_can_hold_two_keys_and_comments_do_not_matter() {
        let two = Recipient::parse_all("ssh-ed25519 AAAA a b\n\n# no\nage1xyz c\n");
        assert_eq!(two.len(), 2);
        assert_eq!(
            (two[0].key(), two[0].name()),
            ("ssh-ed25519 AAAA", "a b".into())
        );
        assert_eq!((two[1].key(), two[1].name()), ("age1xyz", "c".into()));
    }

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        let key = &Recipient::parse_all(include_str!("../../tests/keys/admin.pub"))[0];
        assert_eq!(
            key.fingerprint(),
            crate::host::key::fingerprint(key.key()).unwrap()
        );
    }
}
