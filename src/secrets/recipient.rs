//! Who can read a secret: SSH and age public keys as rules files hold them.

use anyhow::{Context, Result};
use ssh_key::{HashAlg, PublicKey};

use crate::error::Failure;

/// One public key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient {
    /// Type and key without a comment: what makes two recipients the same.
    key: String,
    comment: String,
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
        Self {
            key,
            comment: words.collect::<Vec<_>>().join(" "),
        }
    }

    /// Type and key, without comment.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The base64 of the key itself, by which it is found in a file.
    pub fn blob(&self) -> &str {
        self.key.rsplit(' ').next().unwrap_or_default()
    }

    /// As people tell keys apart: the comment, else the key's end.
    pub fn name(&self) -> String {
        if self.comment.is_empty() {
            let tail = self.key.char_indices().rev().nth(7).map_or(0, |(i, _)| i);
            format!("..{}", &self.key[tail..])
        } else {
            crate::ui::visible(&self.comment)
        }
    }

    /// `SHA256:..` as `ssh-keygen -lf` prints it; age keys are their own fingerprint.
    pub fn fingerprint(&self) -> String {
        match self.key.parse::<PublicKey>() {
            Ok(key) => key.fingerprint(HashAlg::Sha256).to_string(),
            Err(_) => self.key.clone(),
        }
    }

    /// The four bytes by which a file's SSH stanza names its recipient; none for keys that leave no trace in a file.
    pub fn tag(&self) -> Option<[u8; 4]> {
        // SHA-256 over the key in SSH's wire format, which is also what the fingerprint is made of
        let key: PublicKey = self.key.parse().ok()?;
        let digest = key.fingerprint(HashAlg::Sha256);
        let bytes = digest.as_bytes();
        Some([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// The recipient as age encrypts to it.
    pub fn to_age(&self) -> Result<Box<dyn age::Recipient + Send + Sync>> {
        if self.key.starts_with("ssh-") {
            let parsed = self.key.parse::<age::ssh::Recipient>();
            return Ok(Box::new(
                parsed
                    .map_err(|e| anyhow::anyhow!("{e:?}"))
                    .with_context(|| self.unusable())?,
            ));
        }
        if let Ok(parsed) = self.key.parse::<age::x25519::Recipient>() {
            return Ok(Box::new(parsed));
        }
        Err(Failure::new(self.unusable())
            .hint("Recipients are ssh-ed25519, ssh-rsa and age1.. keys; plugin recipients are rekeyed with agenix for now.")
            .into())
    }

    fn unusable(&self) -> String {
        format!(
            "Nothing can be encrypted for the recipient {}.",
            crate::ui::visible(&self.key)
        )
    }
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
