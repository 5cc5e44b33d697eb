//! age itself: bytes in, bytes out, nothing on any disk.

use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use anyhow::{Context, Result};
use zeroize::Zeroizing;

use super::{Identities, Recipient};

/// Encrypts to all recipients; `armor` as the rule says.
pub fn encrypt(plain: &[u8], recipients: &[Recipient], armor: bool) -> Result<Vec<u8>> {
    let recipients = recipients
        .iter()
        .map(Recipient::to_age)
        .collect::<Result<Vec<_>>>()?;
    let refs = recipients.iter().map(|r| &**r as &dyn age::Recipient);
    let encryptor =
        age::Encryptor::with_recipients(refs).context("while choosing the recipients")?;
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

/// Decrypts with the first identity that fits.
pub fn decrypt(file: &[u8], identities: &Identities) -> Result<Zeroizing<Vec<u8>>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(file.len()));
    open(file, identities)?
        .read_to_end(&mut plain)
        .context("while decrypting")?;
    Ok(plain)
}

/// Whether one of the identities fits; decrypts no content.
pub fn can_decrypt(file: &[u8], identities: &Identities) -> bool {
    open(file, identities).is_ok()
}

fn open<'a>(file: &'a [u8], identities: &Identities) -> Result<impl Read + 'a> {
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(file))
        .context("while reading its header")?;
    decryptor
        .decrypt(identities.each())
        .context("while looking for an identity that fits")
}
