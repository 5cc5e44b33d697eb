//! What an age file's header tells without any private key (age-encryption.org/v1): the tags of its SSH recipients,
//! and how many recipients there are that leave no tag.

use std::path::Path;

use anyhow::{Context, Result};

use super::Recipient;
use crate::error::Failure;

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// The recipients of a file as far as its header shows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Tags of the SSH recipients, sorted.
    pub tags: Vec<[u8; 4]>,
    /// Recipients that cannot be told apart: age keys, plugins.
    pub untagged: usize,
}

impl Header {
    /// Reads a file's header, armored or not.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("while reading {}", path.display()))?;
        Self::parse(&bytes).ok_or_else(|| {
            Failure::new(format!("{} is no age file.", path.display()))
                .hint("Encrypt it with `agenix -e`, or restore it from git.")
                .into()
        })
    }

    /// Reads a header from the start of a file; `None` if it is none.
    pub fn parse(file: &[u8]) -> Option<Self> {
        let decoded;
        let mut text = file;
        if file.starts_with(BEGIN.as_bytes()) {
            let armored = std::str::from_utf8(file).ok()?;
            let body: String = armored
                .lines()
                .skip(1)
                .take_while(|l| !l.starts_with('-'))
                .collect();
            decoded = unbase64(&body);
            text = &decoded;
        }
        let end = text.windows(4).position(|w| w == b"\n---")?;
        let mut lines = std::str::from_utf8(&text[..end]).ok()?.lines();
        if lines.next()? != "age-encryption.org/v1" {
            return None;
        }
        let mut header = Self::default();
        for stanza in lines.filter_map(|line| line.strip_prefix("-> ")) {
            let mut words = stanza.split(' ');
            match words.next()? {
                "ssh-ed25519" | "ssh-rsa" => {
                    header.tags.push(unbase64(words.next()?).try_into().ok()?);
                }
                kind if kind.ends_with("-grease") => {}
                _ => header.untagged += 1,
            }
        }
        header.tags.sort_unstable();
        Some(header)
    }

    /// Whether the file is encrypted for exactly these recipients; `None` when only a private key could tell.
    pub fn matches(&self, recipients: &[Recipient]) -> Option<bool> {
        let mut tags: Vec<_> = recipients.iter().filter_map(Recipient::tag).collect();
        tags.sort_unstable();
        let untagged = recipients.len() - tags.len();
        if tags != self.tags || untagged != self.untagged {
            return Some(false);
        }
        (untagged == 0).then_some(true)
    }

    /// Whether a recipient is certainly none of the file's.
    pub fn lacks(&self, recipient: &Recipient) -> bool {
        match recipient.tag() {
            Some(tag) => !self.tags.contains(&tag),
            None => self.untagged == 0,
        }
    }
}

/// Whether the file at `path` is certainly not encrypted for the public key.
pub fn lacks(path: &Path, public_key: &str) -> Result<bool> {
    let header = Header::read(path)?;
    Ok(Recipient::parse_all(public_key)
        .iter()
        .any(|key| header.lacks(key)))
}

/// Standard base64; anything else ends it, which the caller sees as a header that does not parse.
fn unbase64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len() * 3 / 4), 0_u32, 0);
    for digit in text.bytes().map_while(value) {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::cipher::encrypt;

    fn example(name: &str) -> Recipient {
        let keys = [
            include_str!("../../tests/keys/admin.pub"),
            include_str!("../../tests/keys/bach.pub"),
        ];
        Recipient::parse_all(keys[usize::from(name == "bach")]).remove(0)
    }

    #[test]
    fn recipients_are_told_without_a_private_key() {
        let both = [example("admin"), example("bach")];
        for armor in [false, true] {
            let header = Header::parse(&encrypt(b"secret", &both, armor).unwrap()).unwrap();
            assert_eq!(header.matches(&both), Some(true));
            assert_eq!(header.matches(&both[..1]), Some(false));
            let header = Header::parse(&encrypt(b"secret", &both[..1], armor).unwrap()).unwrap();
            assert!(header.lacks(&both[1]) && !header.lacks(&both[0]));
        }
    }

    #[test]
    fn age_keys_leave_it_open() {
        let age_key =
            Recipient::parse_all("age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg")
                .remove(0);
        let header =
            Header::parse(&encrypt(b"", std::slice::from_ref(&age_key), false).unwrap()).unwrap();
        assert_eq!(header.matches(std::slice::from_ref(&age_key)), None);
        assert_eq!(header.matches(&[age_key, example("bach")]), Some(false));
    }

    #[test]
    fn what_is_no_age_file_is_none() {
        for bytes in [
            &b""[..],
            b"hello",
            b"age-encryption.org/v1\n",
            b"-----BEGIN AGE ENCRYPTED FILE-----\n!!\n",
            b"age-encryption.org/v2\n-> X25519 a\n---",
        ] {
            assert_eq!(Header::parse(bytes), None);
        }
    }
}
