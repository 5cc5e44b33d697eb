//! iwd's network profiles, as `iwd.network(5)` describes them.

use age::secrecy::{ExposeSecret, SecretString};
use anyhow::Result;
use zeroize::Zeroizing;

use super::{Profile, Security};
use crate::error::Failure;
use crate::ui::visible;

/// Reads a profile; `None` when the name is not one of a network profile.
pub fn parse(file_name: &str, content: &[u8]) -> Result<Option<Profile>> {
    let Some((stem, kind)) = file_name.rsplit_once('.') else {
        return Ok(None);
    };
    if !matches!(kind, "psk" | "open" | "8021x") {
        return Ok(None);
    }
    let Some(ssid) = ssid(stem) else {
        return Ok(None);
    };
    let broken = |why: &str, remedy: &str| -> anyhow::Error {
        Failure::new(format!("The wifi profile {} {why}", visible(file_name)))
            .hint(remedy)
            .into()
    };
    let text = std::str::from_utf8(content).map_err(|_| {
        broken(
            "is not UTF-8 text.",
            "Forget the network in iwctl and join it again.",
        )
    })?;
    let settings = Settings(text);
    if settings.get("Security", "EncryptedSecurity").is_some() {
        return Err(broken(
            "is encrypted for this machine alone (SystemdEncrypt).",
            "Join the network once with SystemdEncrypt off in iwd's main.conf, so that its passphrase can be read.",
        ));
    }
    let security = match kind {
        "open" => Security::Open,
        "psk" => {
            let secret = |key| settings.get("Security", key).filter(|v| !v.is_empty());
            let (passphrase, psk) = (secret("Passphrase"), secret("PreSharedKey"));
            if passphrase.is_none() && psk.is_none() {
                return Err(broken(
                    "holds neither Passphrase nor PreSharedKey.",
                    "Forget the network in iwctl and join it again.",
                ));
            }
            if psk.is_some_and(|v| v.len() != 64 || !v.bytes().all(|b| b.is_ascii_hexdigit())) {
                return Err(broken(
                    "has a PreSharedKey that is not 64 hex digits.",
                    "Forget the network in iwctl and join it again.",
                ));
            }
            Security::Personal {
                passphrase: passphrase.map(SecretString::from),
                psk: psk.map(SecretString::from),
            }
        }
        _ => {
            return Err(broken(
                "is one of an enterprise network (802.1x), which is not put on cards: its credentials are a person's.",
                "Choose another network with --wifi SSID.",
            ));
        }
    };
    let hidden = settings.get("Settings", "Hidden") == Some("true");
    Ok(Some(Profile {
        ssid,
        security,
        hidden,
    }))
}

/// Plain names stand for themselves, all others are `=` and the hex digits of their bytes.
pub fn file_name(profile: &Profile) -> String {
    let kind = match profile.security {
        Security::Open => "open",
        Security::Personal { .. } => "psk",
    };
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b" _-".contains(b);
    match String::from_utf8(profile.ssid.clone()) {
        Ok(name) if profile.ssid.iter().all(plain) => format!("{name}.{kind}"),
        _ => format!("={}.{kind}", hex(&profile.ssid)),
    }
}

/// Only what says how to join: addresses and other settings belong to the machine they came from.
pub fn write(profile: &Profile) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(String::with_capacity(512));
    if let Security::Personal { passphrase, psk } = &profile.security {
        text.push_str("[Security]\n");
        for (key, value) in [("Passphrase", passphrase), ("PreSharedKey", psk)] {
            if let Some(value) = value {
                text.push_str(key);
                text.push('=');
                text.push_str(value.expose_secret());
                text.push('\n');
            }
        }
        text.push('\n');
    }
    text.push_str("[Settings]\nAutoConnect=true\n");
    if profile.hidden {
        text.push_str("Hidden=true\n");
    }
    Zeroizing::new(text.as_bytes().to_vec())
}

fn ssid(stem: &str) -> Option<Vec<u8>> {
    let bytes = match stem.strip_prefix('=') {
        Some(hex) => unhex(hex)?,
        None => stem.as_bytes().to_vec(),
    };
    (1..=32).contains(&bytes.len()).then_some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, b| text + &format!("{b:02x}"))
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

/// The groups and keys of a profile; embedded PEM blocks have no `=` before their first line break and are passed over.
struct Settings<'a>(&'a str);

impl<'a> Settings<'a> {
    /// The last value given for a key, trimmed, escapes kept.
    fn get(&self, group: &str, key: &str) -> Option<&'a str> {
        let mut inside = false;
        let mut found = None;
        for line in self.0.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                inside = name == group;
            } else if inside
                && !line.starts_with('#')
                && let Some((k, v)) = line.split_once('=')
                && k.trim_end() == key
            {
                found = Some(v.trim_start());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Profile {
        parse(name, text.as_bytes()).unwrap().unwrap()
    }

    fn refusal(name: &str, text: &str) -> String {
        crate::error::render(&parse(name, text.as_bytes()).err().unwrap())
    }

    #[test]
    fn only_what_is_needed_to_join_is_written() {
        let laptop = "[Security]\nPreSharedKey=AA11\nPassphrase=it\\sis\\\\ok \n\n[IPv4]\nAddress=10.0.0.7\n[Settings]\nHidden=true\nAlwaysRandomizeAddress=true\n"
            .replace("AA11", &"aB".repeat(32));
        let profile = read("Home Net.psk", &laptop);
        assert_eq!(profile.ssid, b"Home Net");
        let expected = format!(
            "[Security]\nPassphrase=it\\sis\\\\ok\nPreSharedKey={}\n\n[Settings]\nAutoConnect=true\nHidden=true\n",
            "aB".repeat(32)
        );
        assert_eq!(String::from_utf8_lossy(&profile.to_iwd()), expected);
        assert_eq!(profile.file_name(), "Home Net.psk");
    }

    #[test]
    fn names_of_any_bytes_survive() {
        for ssid in ["☕ café", " leading", "a.b", "=eq", "Zur_Post-1"] {
            let profile = Profile {
                ssid: ssid.into(),
                security: Security::Open,
                hidden: false,
            };
            let again = read(&profile.file_name(), "");
            assert_eq!(again.ssid, ssid.as_bytes(), "{}", profile.file_name());
        }
        assert_eq!(read("=ff00.open", "").ssid, [0xff, 0]);
    }

    #[test]
    fn files_that_are_no_profile_are_passed_over() {
        for name in [
            ".known_network.freq",
            "hotspot",
            "=xyz.psk",
            "=.psk",
            "hotspot.ap",
        ] {
            assert!(parse(name, b"").unwrap().is_none(), "{name}");
        }
        assert!(
            parse(&format!("{}.psk", "x".repeat(33)), b"")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn unusable_profiles_are_refused_with_the_reason() {
        assert!(refusal("a.psk", "[Security]\n").contains("neither Passphrase nor PreSharedKey"));
        assert!(refusal("a.psk", "[Security]\nPreSharedKey=zz\n").contains("64 hex digits"));
        assert!(refusal("a.psk", "[Security]\nEncryptedSecurity=x\n").contains("SystemdEncrypt"));
        assert!(refusal("a.8021x", "").contains("802.1x"));
    }

    #[test]
    fn a_refusal_never_shows_a_secret() {
        let shown = refusal("a.psk", "[Security]\nPreSharedKey=hunter2hunter2\n");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
