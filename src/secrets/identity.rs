//! The private keys to decrypt with. A key under a passphrase is opened once, before anything is done.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::error::Failure;
use crate::ui::Ui;

/// Keys ready to use.
pub struct Identities {
    loaded: Vec<Box<dyn age::Identity + Send + Sync>>,
    names: Vec<String>,
}

impl Identities {
    /// The files given, or the usual SSH keys of the user. Asks for the passphrase of an encrypted key.
    pub fn load(paths: &[PathBuf], ui: &Ui) -> Result<Self> {
        let mut all = Self {
            loaded: Vec::new(),
            names: Vec::new(),
        };
        for path in paths {
            all.add(path, ui)?;
        }
        if paths.is_empty() {
            let home = std::env::var_os("HOME")
                .map(PathBuf::from)
                .unwrap_or_default();
            for path in ["id_ed25519", "id_rsa"].map(|name| home.join(".ssh").join(name)) {
                if path.is_file() {
                    all.add(&path, ui)?;
                }
            }
        }
        Ok(all)
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.loaded
            .iter()
            .map(|identity| &**identity as &dyn age::Identity)
    }

    /// Where the identities came from, for messages.
    pub fn describe(&self) -> String {
        if self.names.is_empty() {
            "no identity at all".into()
        } else {
            self.names.join(", ")
        }
    }

    fn add(&mut self, path: &Path, ui: &Ui) -> Result<()> {
        let shown = path.display().to_string();
        let text = std::fs::read(path)
            .map(zeroize::Zeroizing::new)
            .map_err(|e| {
                Failure::new(format!("The identity {shown} could not be read.")).source(e)
            })?;
        self.names.push(shown.clone());
        if text.windows(15).any(|w| w == b"AGE-SECRET-KEY-") {
            let file = age::IdentityFile::from_buffer(BufReader::new(&text[..]))
                .with_context(|| format!("while reading {shown}"))?;
            let identities = file.into_identities();
            self.loaded.extend(identities.map_err(|e| {
                Failure::new(format!("The identity {shown} could not be used: {e}."))
            })?);
            return Ok(());
        }
        match age::ssh::Identity::from_buffer(&text[..], Some(shown.clone()))
            .with_context(|| format!("while reading {shown}"))?
        {
            plain @ age::ssh::Identity::Unencrypted(_) => self.loaded.push(Box::new(plain)),
            age::ssh::Identity::Encrypted(key) => {
                let passphrase = ui.passphrase(
                    &format!("Passphrase of {shown}:"),
                    "-i with a key that has no passphrase",
                )?;
                let key = key.decrypt(passphrase).map_err(|_| {
                    Failure::new(format!("That is not the passphrase of {shown}."))
                        .hint("Nothing was changed; run the same command again.")
                })?;
                self.loaded
                    .push(Box::new(age::ssh::Identity::Unencrypted(key)));
            }
            age::ssh::Identity::Unsupported(_) => {
                return Err(Failure::new(format!(
                    "{shown} is a kind of key age cannot decrypt with."
                ))
                .hint("Only ed25519 and RSA SSH keys and age keys can; name one with -i.")
                .into());
            }
        }
        Ok(())
    }
}
