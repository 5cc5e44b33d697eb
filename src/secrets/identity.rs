//! The private keys to decrypt with, in the order they are tried: those at hand, those under a passphrase (opened once,
//! and only when a file needs them), plugins.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use anyhow::Result;
use zeroize::Zeroizing;

use super::{Header, Recipient};
use crate::error::{Failure, Hint};
use crate::ui::Ui;

type Boxed = Box<dyn age::Identity + Send + Sync>;

/// Identities of one run.
#[derive(Default)]
pub struct Identities {
    open: Vec<Boxed>,
    locked: Vec<Locked>,
    plugins: Vec<Boxed>,
    names: Vec<String>,
    /// The public halves of the age keys among them.
    own: Vec<String>,
}

/// A key under a passphrase.
struct Locked {
    name: String,
    key: LockedKey,
}

enum LockedKey {
    /// With the tag of its public half, which lies beside it in clear.
    Ssh(Box<age::ssh::EncryptedKey>, Option<[u8; 4]>),
    /// An identity file encrypted with `age -p`.
    File(Zeroizing<Vec<u8>>),
}

impl Locked {
    /// It may open a file with this header.
    fn fits(&self, header: &Header) -> bool {
        match &self.key {
            LockedKey::Ssh(_, Some(tag)) => header.tags.contains(tag),
            LockedKey::Ssh(_, None) => !header.tags.is_empty(),
            LockedKey::File(_) => true,
        }
    }
}

impl Identities {
    /// The files given, or the usual SSH keys of the user. Asks for nothing yet.
    pub fn load(paths: &[PathBuf], ui: &Ui) -> Result<Self> {
        let mut all = Self::default();
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

    /// Keys that open files without asking anybody; they may be used from several threads.
    pub(super) fn open(&self) -> &[Boxed] {
        &self.open
    }

    /// Keys behind a plugin: a token to touch, a password manager. Tried last, one file at a time.
    pub(super) fn plugins(&self) -> &[Boxed] {
        &self.plugins
    }

    /// A key under a passphrase, or one behind a plugin, might open a file with this header.
    pub fn could_open(&self, header: &Header) -> bool {
        !self.plugins.is_empty() || self.locked.iter().any(|locked| locked.fits(header))
    }

    /// Opens the next key under a passphrase that may fit one of these files. False when there is none left.
    pub(super) fn unlock_for(&mut self, headers: &[Header], ui: &Ui) -> Result<bool> {
        let fits = |locked: &Locked| headers.iter().any(|header| locked.fits(header));
        let Some(index) = self.locked.iter().position(fits) else {
            return Ok(false);
        };
        let Locked { name, key } = self.locked.remove(index);
        let passphrase = ui.passphrase(
            &format!("Passphrase of {name}:"),
            "-i FILE, a key without a passphrase",
        )?;
        let wrong = || {
            Failure::new(format!("That is not the passphrase of {name}."))
                .hint("Nothing was changed; run the same command again.")
        };
        match key {
            LockedKey::Ssh(key, _) => {
                let key = key.decrypt(passphrase).map_err(|_| wrong())?;
                self.open
                    .push(Box::new(age::ssh::Identity::Unencrypted(key)));
            }
            LockedKey::File(bytes) => {
                let text = under_passphrase(&bytes, passphrase).map_err(|_| wrong())?;
                self.add_age_keys(&name, &text, ui)?;
            }
        }
        Ok(true)
    }

    /// Whether the recipient is the public half of an age key among these: nobody new, then.
    pub(super) fn owns(&self, recipient: &Recipient) -> bool {
        self.own.iter().any(|own| own == recipient.key())
    }

    /// There is no key at all.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Where the identities came from, for messages.
    pub fn describe(&self) -> String {
        if self.is_empty() {
            "no identity at all".into()
        } else {
            self.names.join(", ")
        }
    }

    fn add(&mut self, path: &Path, ui: &Ui) -> Result<()> {
        let name = path.display().to_string();
        let text = std::fs::read(path).map(Zeroizing::new).map_err(|e| {
            Failure::new(format!("The identity {name} could not be read."))
                .hint("Name a private key of yours with -i FILE.")
                .source(e)
        })?;
        self.names.push(name.clone());
        if Header::parse(&text).is_some_and(|header| header.passphrase) {
            let key = LockedKey::File(text);
            self.locked.push(Locked { name, key });
            return Ok(());
        }
        if ["AGE-SECRET-KEY-", "AGE-PLUGIN-"]
            .iter()
            .any(|start| text.windows(start.len()).any(|w| w == start.as_bytes()))
        {
            return self.add_age_keys(&name, &text, ui);
        }
        let key = age::ssh::Identity::from_buffer(&text[..], Some(name.clone())).map_err(|e| {
            Failure::new(format!(
                "{name} is no private key that age can decrypt with."
            ))
            .hint("Name an SSH key (ed25519 or RSA) or an age identity file with -i.")
            .source(e)
        })?;
        let public = age::ssh::Recipient::try_from(key.clone())
            .ok()
            .and_then(|public| Recipient::parse_all(&public.to_string()).pop());
        match key {
            plain @ age::ssh::Identity::Unencrypted(_) => self.open.push(Box::new(plain)),
            age::ssh::Identity::Encrypted(key) => {
                let tag = public.and_then(|public| public.tag());
                let key = LockedKey::Ssh(Box::new(key), tag);
                self.locked.push(Locked { name, key });
            }
            age::ssh::Identity::Unsupported(_) => {
                return Err(Failure::new(format!(
                    "{name} is a kind of key age cannot decrypt with."
                ))
                .hint("Only ed25519 and RSA SSH keys and age keys can; name one with -i.")
                .into());
            }
        }
        Ok(())
    }

    /// The lines of an age identity file.
    fn add_age_keys(&mut self, name: &str, text: &[u8], ui: &Ui) -> Result<()> {
        let file = age::IdentityFile::from_buffer(BufReader::new(text))
            .hint(
                format!("{name} is no age identity file, or is damaged."),
                "Its lines are AGE-SECRET-KEY-.. and AGE-PLUGIN-.., whole, and comments with a # in front.",
            )?
            .with_callbacks(ui.plugin_prompts());
        let lines = std::str::from_utf8(text).unwrap_or_default().lines();
        let keys = file.into_identities().map_err(|e| {
            Failure::new(format!("The identity {name} could not be used."))
                .hint("An identity of a plugin needs that plugin (age-plugin-NAME) on PATH.")
                .source(anyhow::anyhow!(plain(&e.to_string())))
        })?;
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        for (line, key) in lines.zip(keys) {
            match line.parse::<age::x25519::Identity>() {
                Ok(own) => {
                    self.own.push(own.to_public().to_string());
                    self.open.push(key);
                }
                Err(_) => self.plugins.push(key),
            }
        }
        Ok(())
    }
}

/// What age says, without the characters it puts around names for scripts written from right to left.
pub(super) fn plain(said: &str) -> String {
    said.replace(['\u{2068}', '\u{2069}'], "")
}

/// The content of a file made by `age -p`.
fn under_passphrase(file: &[u8], passphrase: SecretString) -> Result<Zeroizing<Vec<u8>>> {
    let armored = age::armor::ArmoredReader::new(file);
    let identity = age::scrypt::Identity::new(passphrase);
    let mut plain = Zeroizing::new(Vec::with_capacity(file.len()));
    age::Decryptor::new_buffered(armored)?
        .decrypt(std::iter::once(&identity as &dyn age::Identity))?
        .read_to_end(&mut plain)?;
    Ok(plain)
}
