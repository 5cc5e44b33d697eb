//! age itself: bytes in, bytes out, nothing on any disk.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::plugin::RecipientPluginV1;
use anyhow::{Context, Result};
use zeroize::Zeroizing;

use super::Recipient;
use crate::error::Failure;
use crate::ui::PluginPrompts;

/// Recipients made ready once for many files.
pub struct Audience {
    keys: BTreeMap<String, Key>,
    prompts: PluginPrompts,
}

enum Key {
    Native(Box<dyn age::Recipient + Send + Sync>),
    /// All of a plugin's recipients of one file are wrapped by one run of it.
    Plugin(age::plugin::Recipient),
}

impl Audience {
    /// Fails, naming the recipient, unless everybody can be encrypted to.
    pub fn of<'a>(
        recipients: impl IntoIterator<Item = &'a Recipient>,
        prompts: PluginPrompts,
    ) -> Result<Self> {
        let mut keys = BTreeMap::new();
        for recipient in recipients {
            if !keys.contains_key(recipient.key()) {
                keys.insert(recipient.key().to_owned(), Key::parse(recipient)?);
            }
        }
        Ok(Self { keys, prompts })
    }

    /// Encrypts to recipients of this audience; `armor` as the rule says.
    pub fn encrypt(&self, plain: &[u8], recipients: &[Recipient], armor: bool) -> Result<Vec<u8>> {
        let keys = recipients.iter().filter_map(|r| self.keys.get(r.key()));
        let mut plugins: BTreeMap<&str, Vec<age::plugin::Recipient>> = BTreeMap::new();
        let mut native: Vec<&dyn age::Recipient> = Vec::new();
        for key in keys {
            match key {
                Key::Native(recipient) => native.push(&**recipient),
                Key::Plugin(recipient) => plugins
                    .entry(recipient.plugin())
                    .or_default()
                    .push(recipient.clone()),
            }
        }
        let plugins = plugins
            .iter()
            .map(|(name, list)| RecipientPluginV1::new(name, list, &[], self.prompts))
            .collect::<Result<Vec<_>, _>>()
            .context("while looking for an age plugin")?;
        let all = native
            .into_iter()
            .chain(plugins.iter().map(|p| p as &dyn age::Recipient));
        let encryptor =
            age::Encryptor::with_recipients(all).context("while choosing the recipients")?;
        let format = if armor {
            Format::AsciiArmor
        } else {
            Format::Binary
        };
        let mut out = Vec::new();
        let armored = ArmoredWriter::wrap_output(&mut out, format).context("while encrypting")?;
        let mut writer = encryptor.wrap_output(armored).context("while encrypting")?;
        writer.write_all(plain).context("while encrypting")?;
        writer
            .finish()
            .and_then(ArmoredWriter::finish)
            .context("while encrypting")?;
        Ok(out)
    }
}

impl Key {
    fn parse(recipient: &Recipient) -> Result<Self> {
        let text = recipient.key();
        let unusable = || {
            Failure::new(format!(
                "Nothing can be encrypted for the recipient {}.",
                crate::ui::visible(text)
            ))
        };
        if text.starts_with("ssh-") {
            return match text.parse::<age::ssh::Recipient>() {
                Ok(key) => Ok(Self::Native(Box::new(key))),
                Err(_) => Err(unusable()
                    .hint("Is it whole? Of SSH keys only ed25519 and RSA (2048 bits or more) can be recipients.")
                    .into()),
            };
        }
        if let Ok(key) = text.parse::<age::x25519::Recipient>() {
            return Ok(Self::Native(Box::new(key)));
        }
        if let Ok(key) = text.parse::<age::tag::Recipient>() {
            return Ok(Self::Native(Box::new(key)));
        }
        if let Ok(key) = text.parse::<age::tagpq::Recipient>() {
            return Ok(Self::Native(Box::new(key)));
        }
        let plugin: age::plugin::Recipient = text.parse().map_err(|_| {
            unusable().hint("Recipients are whole ssh-ed25519, ssh-rsa and age1.. keys.")
        })?;
        let program = format!("age-plugin-{}", plugin.plugin());
        if crate::process::find(&program).is_none() {
            return Err(unusable().hint(format!("Put `{program}` on PATH.")).into());
        }
        Ok(Self::Plugin(plugin))
    }
}

/// Decrypts with the first identity that fits.
pub fn decrypt<'a>(
    file: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Zeroizing<Vec<u8>>> {
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(file))
        .context("while reading its header")?;
    let mut plain = Zeroizing::new(Vec::with_capacity(file.len()));
    decryptor
        .decrypt(identities)
        .context("while looking for an identity that fits")?
        .read_to_end(&mut plain)
        .context("while decrypting")?;
    Ok(plain)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn encrypt(plain: &[u8], recipients: &[Recipient], armor: bool) -> Vec<u8> {
        let audience = Audience::of(recipients, PluginPrompts::default()).unwrap();
        audience.encrypt(plain, recipients, armor).unwrap()
    }

    #[test]
    fn a_recipient_nothing_can_be_encrypted_for_is_named() {
        for (key, why) in [
            ("ecdsa-sha2-nistp256 AAAA", "age1.. keys"),
            ("age1wrong", "age1.. keys"),
            ("ssh-ed25519 AAAA", "ed25519 and RSA"),
            (
                "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t",
                "age-plugin-yubikey",
            ),
        ] {
            let Err(error) = Audience::of(&Recipient::parse_all(key), PluginPrompts::default())
            else {
                panic!("{key} was accepted");
            };
            let shown = crate::error::render(&error);
            assert!(shown.contains(key) && shown.contains(why), "{shown}");
        }
    }
}
