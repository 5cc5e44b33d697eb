//! Wifi networks this machine knows, read into one [`Profile`] whichever program keeps them, and written as a profile
//! for iwd.

pub mod country;
pub mod files;
pub mod in_use;
mod iwd;
mod keyfile;
mod network_manager;
mod psk;
mod wpa_supplicant;

use age::secrecy::{ExposeSecret, SecretString};
use anyhow::Result;
use zeroize::Zeroizing;

use crate::error::{Failure, parts};
use crate::ui::visible;
pub use country::Country;
pub use files::{ProfileFile, Source};

/// A network and what is needed to join it.
#[derive(Clone)]
pub struct Profile {
    /// The network's name: any bytes, 1 to 32.
    pub ssid: Vec<u8>,
    pub security: Security,
    /// The network does not announce its name.
    pub hidden: bool,
    /// The access point takes nothing older than WPA3.
    pub wpa3_only: bool,
}

/// How a network is joined.
#[derive(Clone)]
pub enum Security {
    Open,
    /// WPA2 or WPA3 personal: a passphrase, its derived key (64 hex digits), or both.
    Personal {
        passphrase: Option<SecretString>,
        psk: Option<SecretString>,
    },
    /// 802.1x: the groups of iwd's file that hold the credentials.
    Enterprise(SecretString),
}

/// A network some program of this machine knows.
pub struct Known {
    pub source: Source,
    /// The network's name as it can be shown, or the file's where that does not tell.
    pub shown: String,
    /// Or why it cannot be used.
    pub profile: Result<Profile>,
}

/// What is known of networks and of the country.
#[derive(Default)]
pub struct Knowledge {
    /// Those of iwd first, the network joined last first.
    pub networks: Vec<Known>,
    /// As a `wpa_supplicant.conf` tells it.
    pub country: Option<Country>,
}

/// The network to take.
pub enum Choice<'a> {
    This(&'a Profile),
    /// Nothing says which.
    OneOf(Vec<&'a Profile>),
}

impl Profile {
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
        let iwd = self.to_iwd();
        let head = format!("# iwd: {}\n", self.file_name());
        let mut secret = Zeroizing::new(Vec::with_capacity(head.len() + iwd.len()));
        secret.extend_from_slice(head.as_bytes());
        secret.extend_from_slice(&iwd);
        secret
    }

    /// The key of a WPA2 network, derived from the passphrase if it is not known: 64 hex digits.
    pub fn psk(&self) -> Option<Zeroizing<String>> {
        match &self.security {
            Security::Personal { psk: Some(key), .. } => {
                Some(Zeroizing::new(key.expose_secret().to_owned()))
            }
            Security::Personal {
                passphrase: Some(passphrase),
                ..
            } if !self.wpa3_only => Some(psk::derive(passphrase.expose_secret(), &self.ssid)),
            _ => None,
        }
    }

    /// The network's name as it can be shown: escaped, and lossy where it is not UTF-8.
    pub fn shown(&self) -> String {
        visible(&String::from_utf8_lossy(&self.ssid))
    }

    /// What protects it, in a word or two.
    pub fn kind(&self) -> &'static str {
        match self.security {
            Security::Open => "open",
            Security::Personal { .. } if self.wpa3_only => "WPA3 personal",
            Security::Personal { .. } => "WPA personal",
            Security::Enterprise(_) => "enterprise",
        }
    }
}

impl Knowledge {
    /// Reads the profiles in files.
    pub fn of(files: &[ProfileFile]) -> Self {
        let mut all = Self::default();
        for file in files {
            let parsed = match file.source {
                Source::Iwd => iwd::parse(&file.name, &file.content)
                    .transpose()
                    .into_iter()
                    .collect(),
                Source::NetworkManager => network_manager::parse(&file.name, &file.content)
                    .transpose()
                    .into_iter()
                    .collect(),
                Source::WpaSupplicant => {
                    let parsed = wpa_supplicant::parse(&file.name, &file.content);
                    let country = parsed.country.and_then(|country| country.parse().ok());
                    all.country = all.country.take().or(country);
                    parsed.networks
                }
            };
            all.networks.extend(parsed.into_iter().map(|profile| {
                Known {
                    source: file.source,
                    shown: profile
                        .as_ref()
                        .map_or_else(|_| visible(&file.name), Profile::shown),
                    profile,
                }
            }));
        }
        all.networks.sort_by_key(|known| known.source);
        all
    }

    /// The profiles that can be used, one for each network.
    pub fn usable(&self) -> Vec<&Profile> {
        let mut usable: Vec<&Profile> = Vec::new();
        for profile in self
            .networks
            .iter()
            .filter_map(|known| known.profile.as_ref().ok())
        {
            if !usable.iter().any(|known| known.ssid == profile.ssid) {
                usable.push(profile);
            }
        }
        usable
    }

    /// The network asked for, else the one in use, else the only one there is.
    pub fn choose(&self, wanted: Option<&str>, in_use: Option<&[u8]>) -> Result<Choice<'_>> {
        let usable = self.usable();
        let by_name = |ssid: &[u8]| usable.iter().copied().find(|profile| profile.ssid == ssid);
        if let Some(wanted) = wanted {
            let shown = |wanted: &str| {
                usable
                    .iter()
                    .copied()
                    .find(|profile| profile.shown() == wanted)
            };
            let found = by_name(wanted.as_bytes()).or_else(|| shown(wanted));
            return found
                .map(Choice::This)
                .ok_or_else(|| self.none(Some(wanted)));
        }
        match (in_use.and_then(by_name), usable.as_slice()) {
            (Some(profile), _) => Ok(Choice::This(profile)),
            (None, [only]) => Ok(Choice::This(only)),
            (None, []) => Err(self.none(None)),
            (None, _) => Ok(Choice::OneOf(usable)),
        }
    }

    fn none(&self, wanted: Option<&str>) -> anyhow::Error {
        let mut failure = Failure::new(match wanted {
            Some(ssid) => format!(
                "This machine has no usable wifi profile for {}.",
                visible(ssid)
            ),
            None => "This machine has no usable wifi profile.".into(),
        });
        let known: Vec<_> = self.usable().into_iter().map(Profile::shown).collect();
        if !known.is_empty() {
            failure = failure.hint(format!("It knows: {}.", known.join(", ")));
        }
        for reason in self
            .networks
            .iter()
            .filter_map(|known| known.profile.as_ref().err())
        {
            let (why, _, remedies) = parts(reason);
            failure = failure.hint([vec![why], remedies].concat().join(" "));
        }
        failure
            .hint("Join the network first, name another with --wifi SSID or other files with --wifi-from, or use --no-wifi for a wired host.")
            .into()
    }
}

/// The error for a profile that cannot be used; never shows what is in it.
fn unusable(place: &str, why: &str, remedy: &str) -> anyhow::Error {
    Failure::new(format!("The wifi profile {} {why}", visible(place)))
        .hint(remedy)
        .into()
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).ok())
        .collect()
}

/// For the fuzz target: reads whatever these bytes say they are; what can be used is written and read again.
#[cfg(any(test, fuzzing))]
pub fn try_all(content: &[u8]) {
    for (source, name) in [
        (Source::Iwd, "a.psk"),
        (Source::Iwd, "a.8021x"),
        (Source::NetworkManager, "a"),
        (Source::WpaSupplicant, "a.conf"),
    ] {
        let file = ProfileFile {
            source,
            name: name.into(),
            content: Zeroizing::new(content.to_vec()),
        };
        for known in Knowledge::of(&[file]).networks {
            if let Ok(profile) = known.profile {
                let again = iwd::parse(&profile.file_name(), &profile.to_iwd());
                assert!(
                    again.is_ok_and(|again| again.is_some_and(|again| again.ssid == profile.ssid))
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(source: Source, name: &str, content: &str) -> ProfileFile {
        ProfileFile {
            source,
            name: name.into(),
            content: Zeroizing::new(content.as_bytes().to_vec()),
        }
    }

    fn known() -> Knowledge {
        Knowledge::of(&[
            file(
                Source::WpaSupplicant,
                "w.conf",
                "country=de\nnetwork={\nssid=\"Home\"\npsk=\"other words\"\n}\nnetwork={\nssid=\"Shed\"\nkey_mgmt=NONE\n}\n",
            ),
            file(Source::Iwd, "Home.open", ""),
            file(Source::Iwd, "Broken.psk", ""),
        ])
    }

    fn name(choice: Result<Choice<'_>>) -> String {
        match choice.unwrap() {
            Choice::This(profile) => format!("{} {}", profile.shown(), profile.kind()),
            Choice::OneOf(several) => format!("{} of them", several.len()),
        }
    }

    #[test]
    fn asked_for_then_in_use_then_the_only_one() {
        let known = known();
        assert_eq!(name(known.choose(Some("Shed"), Some(b"Home"))), "Shed open");
        // iwd's profile of a network is preferred
        assert_eq!(name(known.choose(None, Some(b"Home"))), "Home open");
        assert_eq!(name(known.choose(None, Some(b"Elsewhere"))), "2 of them");
        assert_eq!(
            name(Knowledge::of(&[file(Source::Iwd, "Home.open", "")]).choose(None, None)),
            "Home open"
        );
        assert_eq!(known.country.unwrap().to_string(), "DE");
    }

    #[test]
    fn an_unknown_network_lists_the_known_ones_and_what_is_wrong_with_the_others() {
        let shown = crate::error::render(&known().choose(Some("Hone"), None).err().unwrap());
        for words in [
            "for Hone",
            "It knows: Home, Shed.",
            "Broken.psk holds neither",
            "--no-wifi",
        ] {
            assert!(shown.contains(words), "{shown}");
        }
    }

    #[test]
    fn a_secret_names_its_file_on_the_first_line() {
        let text =
            Knowledge::of(&[file(Source::Iwd, "=436166c3a9.open", "")]).usable()[0].to_secret();
        assert!(text.starts_with(b"# iwd: =436166c3a9.open\n"));
    }

    #[test]
    fn any_file_is_read_without_panic() {
        proptest::proptest!(|(text in "(\\[|\\]|Security|wifi|connection|type=|ssid=|psk=|Passphrase=|network=\\{|\\}|\\n|=|;|\"|\\\\|x|[0-9]){0,60}")| {
            try_all(text.as_bytes());
        });
    }
}
