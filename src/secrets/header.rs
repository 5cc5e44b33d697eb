//! What an age file's header tells without any private key (age-encryption.org/v1): the tags of its SSH recipients,
//! and how many recipients there are that leave no tag.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};

use super::Recipient;
use crate::error::Failure;

const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// More than the header of any file with fewer than 300 recipients.
const HEAD: u64 = 64 * 1024;

/// The recipients of a file as far as its header shows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Tags of the SSH recipients, sorted.
    pub tags: Vec<[u8; 4]>,
    /// Recipients that cannot be told apart: age keys, plugins.
    pub untagged: usize,
    /// The file is encrypted under a passphrase and nothing else.
    pub passphrase: bool,
}

/// What lies where an age file should be.
#[derive(Debug)]
pub enum Found {
    Nothing,
    /// Something else than an age file, or half of one.
    Other,
    Header(Header),
}

impl Found {
    pub fn at(path: &Path) -> Result<Self> {
        let read = || -> std::io::Result<Option<Header>> {
            let file = std::fs::File::open(path)?;
            let mut bytes = Vec::with_capacity(4096);
            (&file).take(HEAD).read_to_end(&mut bytes)?;
            if let Some(header) = Header::parse(&bytes) {
                return Ok(Some(header));
            }
            (&file).read_to_end(&mut bytes)?;
            Ok(Header::parse(&bytes))
        };
        match read() {
            Ok(Some(header)) => Ok(Self::Header(header)),
            Ok(None) => Ok(Self::Other),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::Nothing),
            Err(e) => Err(e).with_context(|| format!("while reading {}", path.display())),
        }
    }
}

impl Header {
    /// Reads a file's header, armored or not, and no more of the file than that takes.
    pub fn read(path: &Path) -> Result<Self> {
        Self::find(path)?.ok_or_else(|| {
            Failure::new(format!("There is no file {}.", path.display()))
                .hint("`spinet secrets edit` makes what the rules name.")
                .into()
        })
    }

    /// As [`Header::read`]; `None` when there is no file.
    pub fn find(path: &Path) -> Result<Option<Self>> {
        match Found::at(path)? {
            Found::Nothing => Ok(None),
            Found::Header(header) => Ok(Some(header)),
            Found::Other => Err(Failure::new(format!(
                "{} is no age file, or is cut short.",
                path.display()
            ))
            .hint("Restore it from git, or remove it and make it anew with `spinet secrets edit`.")
            .into()),
        }
    }

    /// Reads a header from the start of a file; `None` if it is none, or not whole.
    pub fn parse(file: &[u8]) -> Option<Self> {
        let decoded;
        let mut text = file;
        if let Some(armored) = file.strip_prefix(BEGIN) {
            decoded = dearmor(armored);
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
                    let tag = BASE64_STANDARD_NO_PAD.decode(words.next()?).ok()?;
                    header.tags.push(tag.try_into().ok()?);
                }
                "scrypt" => header.passphrase = true,
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
        if self.passphrase || tags != self.tags || untagged != self.untagged {
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

    /// Whether a recipient may be new to the file: it is not there, or leaves no trace to know it by.
    pub fn may_lack(&self, recipient: &Recipient) -> bool {
        recipient.tag().is_none_or(|tag| !self.tags.contains(&tag))
    }
}

/// Whether the file at `path` is certainly not encrypted for the public key.
pub fn lacks(path: &Path, public_key: &str) -> Result<bool> {
    let header = Header::read(path)?;
    Ok(Recipient::parse_all(public_key)
        .iter()
        .any(|key| header.lacks(key)))
}

/// The bytes of whole armored lines, up to the first that is none; the rest of the file may be cut off.
fn dearmor(armored: &[u8]) -> Vec<u8> {
    let lines = armored.split(|b| *b == b'\n').skip(1);
    let mut bytes = Vec::with_capacity(armored.len() * 3 / 4);
    for line in lines {
        match BASE64_STANDARD.decode(line.trim_ascii()) {
            Ok(decoded) => bytes.extend(decoded),
            Err(_) => break,
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::cipher::tests::encrypt;

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
            let header = Header::parse(&encrypt(b"secret", &both, armor)).unwrap();
            assert_eq!(header.matches(&both), Some(true));
            assert_eq!(header.matches(&both[..1]), Some(false));
            let header = Header::parse(&encrypt(b"secret", &both[..1], armor)).unwrap();
            assert!(header.lacks(&both[1]) && !header.lacks(&both[0]));
        }
    }

    #[test]
    fn age_keys_leave_it_open() {
        let age_key =
            Recipient::parse_all("age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg")
                .remove(0);
        let header = Header::parse(&encrypt(b"", std::slice::from_ref(&age_key), false)).unwrap();
        assert_eq!(header.matches(std::slice::from_ref(&age_key)), None);
        assert!(!header.lacks(&age_key) && header.may_lack(&age_key));
        assert_eq!(header.matches(&[age_key, example("bach")]), Some(false));
    }

    #[test]
    fn a_large_file_is_read_for_its_header_only_and_a_large_header_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.age");
        for armor in [false, true] {
            std::fs::write(&path, encrypt(&vec![7; 300_000], &[example("bach")], armor)).unwrap();
            assert_eq!(
                Header::read(&path).unwrap().matches(&[example("bach")]),
                Some(true)
            );
        }
        let stanza = "-> ssh-ed25519 AAAAAA AAAA\nAAAA\n".repeat(4000);
        std::fs::write(&path, format!("age-encryption.org/v1\n{stanza}--- mac\n")).unwrap();
        assert_eq!(Header::read(&path).unwrap().tags.len(), 4000);
    }

    #[test]
    fn what_is_no_age_file_is_none() {
        for bytes in [
            &b""[..],
            b"hello",
            b"age-encryption.org/v1\n",
            b"-----BEGIN AGE ENCRYPTED FILE-----\n!!\n",
            b"age-encryption.org/v2\n-> X25519 a\n---",
            b"age-encryption.org/v1\n-> ssh-ed25519 AAAAAAAAAA x\n---",
        ] {
            assert_eq!(Header::parse(bytes), None);
        }
    }
}
