//! What is made for the occasion: keys, contents of secrets, a wifi network, and an ssh that knows nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use anyhow::{Context, Result};

use super::keys::Keys;
use super::scratch::{Original, Scratch};
use crate::error::Failure;
use crate::fleet::{Host, Needs};
use crate::host::known_hosts::{KnownHosts, bare};
use crate::host::login_keys;
use crate::process::{self, quote};
use crate::secrets::{Audience, Recipient, Rules, published};
use crate::ui::{Ui, hex, visible};
use crate::wifi::{Profile, Security};

/// The network that the virtual Pi's card knows.
pub const SSID: &str = "spinet rehearsal";
/// Files of more bytes than this name no keys.
const LARGE: u64 = 1 << 20;
/// More keys than this make sshd hang up.
const OFFERED: usize = 5;

impl Scratch {
    /// Puts made keys in the place of all that the rules and the host's logins name, wherever they stand in the files.
    pub async fn replace_keys(&self, original: &Original<'_>, files: &[PathBuf]) -> Result<Keys> {
        let rules = original.flake.dir.join(&original.fleet.rules);
        let rules = Rules::load(&rules, &original.flake.work_tree).await?;
        let readers = rules.entries().values().flat_map(|rule| &rule.recipients);
        let keys = Keys::make(readers.chain(&logins(original.needs)))?;
        for file in files {
            let path = self.flake.work_tree.join(file);
            let small = |meta: fs::Metadata| meta.is_file() && meta.len() < LARGE;
            if !fs::symlink_metadata(&path).is_ok_and(small) {
                continue;
            }
            let text = String::from_utf8(fs::read(&path)?).ok();
            // the list of keys that nobody may use is no use of them
            let text = text.filter(|text| text != published::KEYS);
            if let Some(changed) = text.and_then(|text| keys.put_into(&text)) {
                fs::write(&path, changed)
                    .with_context(|| format!("while writing {}", path.display()))?;
            }
        }
        Ok(keys)
    }

    /// The private halves, for those who read secrets and those who log in: not those of hosts.
    pub fn write_keys(&mut self, keys: &Keys, original: &Original<'_>) -> Result<()> {
        let home = self.file("home/.ssh");
        let pinned = original.flake.dir.join(&original.fleet.known_hosts);
        let pinned = KnownHosts::read(&pinned)?;
        let logins = logins(original.needs);
        for (number, (old, made)) in keys.iter().enumerate() {
            if pinned.keys().any(|key| bare(key) == old.key()) {
                continue;
            }
            let file = home.join(format!("key-{number}"));
            fs::write(&file, made.key.private()?.as_bytes())?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
            fs::write(file.with_extension("pub"), format!("{}\n", made.public))?;
            if logins.iter().any(|login| login.key() == old.key()) {
                self.logins.push(file.clone());
            }
            self.identities.push(file);
        }
        Ok(())
    }

    /// An ssh that knows the made keys and nothing of the user's.
    pub fn write_ssh(&self, host: &Host) -> Result<()> {
        if self.logins.is_empty() {
            return Err(login_keys::nobody(&host.name).into());
        }
        let known = self.file("home/.ssh/known_hosts");
        let mut config = format!(
            "IdentitiesOnly yes\nIdentityAgent none\nUserKnownHostsFile \"{}\"\n",
            known.display()
        );
        for file in self.logins.iter().take(OFFERED) {
            config.push_str(&format!("IdentityFile \"{}\"\n", file.display()));
        }
        let file = self.file("ssh_config");
        fs::write(&file, config)?;
        let ssh = process::find("ssh")
            .ok_or_else(|| Failure::new("`ssh` is not on PATH.").hint("Install OpenSSH."))?;
        let quoted = |path: &Path| quote(&path.display().to_string());
        let script = format!(
            "#!/bin/sh\nexec {} -F {} \"$@\"\n",
            quoted(&ssh),
            quoted(&file)
        );
        let wrapper = self.file("bin/ssh");
        fs::write(&wrapper, script)?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o700))?;
        Ok(())
    }

    /// New contents for all secrets there are, for the keys made.
    pub async fn make_secrets(&self, original: &Original<'_>, keys: &Keys, ui: &Ui) -> Result<()> {
        let rules = Rules::load(&self.rules, &self.flake.work_tree).await?;
        for (name, rule) in rules.entries() {
            if let Some(foreign) = rule.recipients.iter().find(|key| !keys.has_made(key.key())) {
                return Err(Failure::new(format!("The key {} may read {}, and stands nowhere in the flake's files as it is: no key can be put in its place.", foreign.name(), visible(name)))
                    .hint("Write the key into a file of the flake that git tracks.")
                    .into());
            }
        }
        let profile = network();
        fs::write(
            self.file("wifi").join(profile.file_name()),
            profile.to_iwd(),
        )?;
        let wifi: Vec<_> = original
            .needs
            .secrets
            .iter()
            .filter(|secret| secret.wifi)
            .filter_map(|secret| rules.name_of(&self.flake.dir.join(&secret.file)))
            .collect();
        let readers = rules.entries().values().flat_map(|rule| &rule.recipients);
        let audience = Audience::of(readers, ui.plugin_prompts())?;
        for (name, rule) in rules.entries() {
            let path = rules.path_of(name);
            if !path.exists() {
                continue;
            }
            let given = original
                .contents
                .map(|dir| dir.join(name.trim_end_matches(".age")));
            let content = match given.filter(|file| file.exists()) {
                Some(file) => {
                    fs::read(&file).with_context(|| format!("while reading {}", file.display()))?
                }
                None if wifi.contains(name) => profile.to_secret().to_vec(),
                None => b"rehearsal\n".to_vec(),
            };
            fs::write(
                &path,
                audience.encrypt(&content, &rule.recipients, rule.armor)?,
            )
            .with_context(|| format!("while writing {}", path.display()))?;
        }
        Ok(())
    }
}

/// Who may log in to the host.
fn logins(needs: &Needs) -> Vec<Recipient> {
    let keys = needs.authorized_keys.iter();
    keys.flat_map(|key| Recipient::parse_all(key)).collect()
}

/// A wifi network that exists nowhere.
fn network() -> Profile {
    let mut passphrase = [0; 16];
    // SSID and passphrase protect nothing
    let _ = rustix::rand::getrandom(&mut passphrase, rustix::rand::GetRandomFlags::empty());
    Profile {
        ssid: SSID.into(),
        security: Security::Personal {
            passphrase: Some(SecretString::from(hex(&passphrase))),
            psk: None,
        },
        hidden: false,
        wpa3_only: false,
    }
}
