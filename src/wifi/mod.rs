//! Wifi networks this machine knows, read into one [`Profile`] and written back as an iwd profile.

mod iwd;

use age::secrecy::SecretString;
use anyhow::Result;
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::ui::visible;

/// A network and what is needed to join it.
#[derive(Clone)]
pub struct Profile {
    /// The network's name: any bytes, 1 to 32.
    pub ssid: Vec<u8>,
    pub security: Security,
    /// The network does not announce its name.
    pub hidden: bool,
}

/// How a network is joined. Secrets are kept as iwd writes them, escapes included.
#[derive(Clone)]
pub enum Security {
    Open,
    /// WPA2 or WPA3 personal: a passphrase, its derived key (64 hex digits), or both.
    Personal {
        passphrase: Option<SecretString>,
        psk: Option<SecretString>,
    },
}

impl Profile {
    /// Reads one file of iwd's folder (`iwd.network(5)`); `None` for files that are no network profile.
    pub fn from_iwd(file_name: &str, content: &[u8]) -> Result<Option<Self>> {
        iwd::parse(file_name, content)
    }

    /// The name of this network's file in iwd's folder.
    pub fn file_name(&self) -> String {
        iwd::file_name(self)
    }

    /// The profile as a file for another machine's iwd: how to join, and nothing of this machine's addresses.
    pub fn to_iwd(&self) -> Zeroizing<Vec<u8>> {
        iwd::write(self)
    }

    /// The profile as an agenix secret: its first line tells the wifi module which file it is.
    pub fn to_secret(&self) -> Zeroizing<Vec<u8>> {
        let mut secret = Zeroizing::new(format!("# iwd: {}\n", self.file_name()).into_bytes());
        secret.extend_from_slice(&self.to_iwd());
        secret
    }

    /// The network's name as it can be shown: escaped, and lossy where it is not UTF-8.
    pub fn shown(&self) -> String {
        visible(&String::from_utf8_lossy(&self.ssid))
    }
}

/// The profile to put on a card: the one asked for, or the one this machine joined last.
/// `profiles` are in that order, last joined first; errors are those met while reading the others.
pub fn choose(profiles: &[Profile], wanted: Option<&str>, broken: &[String]) -> Result<Profile> {
    let known: Vec<_> = profiles.iter().map(Profile::shown).collect();
    let found = match wanted {
        Some(ssid) => profiles.iter().find(|p| p.ssid == ssid.as_bytes()),
        None => profiles.first(),
    };
    if let Some(profile) = found {
        return Ok(profile.clone());
    }
    let mut failure = match wanted {
        Some(ssid) => Failure::new(format!(
            "This machine has no usable wifi profile for {}.",
            visible(ssid)
        )),
        None => Failure::new("This machine has no usable wifi profile."),
    };
    if !known.is_empty() {
        failure = failure.hint(format!("It knows: {}.", known.join(", ")));
    }
    for reason in broken {
        failure = failure.hint(reason.clone());
    }
    Err(failure
        .hint("Join the network with iwctl first, name another with --wifi SSID, or use --no-wifi for a wired host.")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(ssid: &str) -> Profile {
        Profile {
            ssid: ssid.into(),
            security: Security::Open,
            hidden: false,
        }
    }

    #[test]
    fn the_network_joined_last_is_the_default() {
        let profiles = [open("Home"), open("Work")];
        assert_eq!(choose(&profiles, None, &[]).unwrap().ssid, b"Home");
        assert_eq!(choose(&profiles, Some("Work"), &[]).unwrap().ssid, b"Work");
    }

    #[test]
    fn an_unknown_network_lists_the_known_ones() {
        let shown =
            crate::error::render(&choose(&[open("Home")], Some("Hone"), &[]).err().unwrap());
        assert!(
            shown.contains("It knows: Home.") && shown.contains("--no-wifi"),
            "{shown}"
        );
    }

    #[test]
    fn a_secret_names_its_file_on_the_first_line() {
        let text = open("Café").to_secret();
        assert!(text.starts_with(b"# iwd: =436166c3a9.open\n"));
    }
}
