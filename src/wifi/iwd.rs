//! iwd's network profiles, as `iwd.network(5)` describes them.

use age::secrecy::{ExposeSecret, SecretString};
use anyhow::Result;
use zeroize::Zeroizing;

use super::keyfile::{Keyfile, escape};
use super::{Profile, Security, psk, unhex, unusable};
use crate::ui::hex;

const JOIN_AGAIN: &str = "Forget the network in iwctl and join it again.";

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
    let broken = |why: &str, remedy: &str| unusable(file_name, why, remedy);
    let text =
        std::str::from_utf8(content).map_err(|_| broken("is not UTF-8 text.", JOIN_AGAIN))?;
    let file = Keyfile::of_iwd(text);
    if let Some(line) = file.fault() {
        return Err(broken(
            &format!("has a line that iwd cannot read: line {line}."),
            "iwd refuses the whole file for it. Line ends must be those of Unix, and every line a [Group], a key=value, or a # comment.",
        ));
    }
    if file.raw("Security", "EncryptedSecurity").is_some() {
        return Err(broken(
            "is encrypted for this machine alone (SystemdEncrypt).",
            "Join the network once with SystemdEncrypt off in iwd's main.conf, so that its passphrase can be read.",
        ));
    }
    let disabled = file
        .raw("Settings", "DisabledTransitionModes")
        .unwrap_or_default();
    let wpa3_only = file.is_true("Settings", "TransitionDisable")
        && disabled.split(',').any(|mode| mode.trim() == "personal");
    let security = match kind {
        "open" => Security::Open,
        "psk" => {
            let secret = |key| file.text("Security", key).filter(|v| !v.is_empty());
            let (passphrase, key) = (secret("Passphrase"), secret("PreSharedKey"));
            if passphrase.is_none() && key.is_none() {
                return Err(broken(
                    "holds neither Passphrase nor PreSharedKey.",
                    JOIN_AGAIN,
                ));
            }
            if key
                .as_ref()
                .is_some_and(|v| v.len() != 64 || !v.bytes().all(|b| b.is_ascii_hexdigit()))
            {
                return Err(broken(
                    "has a PreSharedKey that is not 64 hex digits.",
                    JOIN_AGAIN,
                ));
            }
            if wpa3_only && passphrase.is_none() {
                return Err(broken(
                    "holds only a key, and WPA3 needs the passphrase.",
                    JOIN_AGAIN,
                ));
            }
            if let (Some(passphrase), None, false) = (&passphrase, &key, wpa3_only)
                && let Err(why) = psk::check(passphrase)
            {
                return Err(broken(why, JOIN_AGAIN));
            }
            let keep = |text: Option<Zeroizing<String>>| {
                text.map(|text| SecretString::from(text.as_str()))
            };
            Security::Personal {
                passphrase: keep(passphrase),
                psk: keep(key),
            }
        }
        _ => Security::Enterprise(enterprise(file_name, text)?),
    };
    Ok(Some(Profile {
        ssid,
        security,
        hidden: file.is_true("Settings", "Hidden"),
        wpa3_only,
    }))
}

/// The credentials of an 802.1x profile: its Security group and embedded PEM blocks, as they are.
fn enterprise(file_name: &str, text: &str) -> Result<SecretString> {
    for (group, key, value) in Keyfile::of_iwd(text).entries() {
        let names_file = key.ends_with("Cert")
            || key.ends_with("CACert")
            || key.ends_with("ClientKey")
            || key.ends_with("KeyBundle");
        if group == "Security" && names_file && !value.starts_with("embed:") {
            return Err(unusable(
                file_name,
                &format!("names a file of this machine in {key}."),
                "Embed it: an `[@pem@NAME]` group in the profile, and `embed:NAME` as the value (iwd.network(5)).",
            ));
        }
    }
    let mut kept = Zeroizing::new(String::with_capacity(text.len()));
    let mut keeps = false;
    for line in text.lines() {
        if let Some(name) = line
            .trim()
            .strip_prefix('[')
            .and_then(|l| l.strip_suffix(']'))
        {
            keeps = name == "Security" || name.starts_with("@pem@");
        }
        if keeps {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    Ok(SecretString::from(kept.as_str()))
}

/// Plain names stand for themselves, all others are `=` and the hex digits of their bytes.
pub fn file_name(profile: &Profile) -> String {
    let kind = match profile.security {
        Security::Open => "open",
        Security::Personal { .. } => "psk",
        Security::Enterprise(_) => "8021x",
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
    match &profile.security {
        Security::Open => {}
        Security::Personal { passphrase, .. } => {
            text.push_str("[Security]\n");
            if let Some(passphrase) = passphrase {
                text.push_str("Passphrase=");
                text.push_str(&escape(passphrase.expose_secret()));
                text.push('\n');
            }
            if let Some(key) = profile.psk() {
                text.push_str("PreSharedKey=");
                text.push_str(&key);
                text.push('\n');
            }
            text.push('\n');
        }
        Security::Enterprise(kept) => {
            text.push_str(kept.expose_secret());
            text.push('\n');
        }
    }
    text.push_str("[Settings]\nAutoConnect=true\n");
    if profile.hidden {
        text.push_str("Hidden=true\n");
    }
    if profile.wpa3_only {
        text.push_str("TransitionDisable=true\nDisabledTransitionModes=personal\n");
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
        let key = "aB".repeat(32);
        let laptop = format!(
            "[Security]\nPreSharedKey={key}\nPassphrase=it\\sis\\\\ok \nPassphrase=ignored by iwd\n\n[IPv4]\nAddress=10.0.0.7\n[Settings]\nHidden=true\nAlwaysRandomizeAddress=true\n"
        );
        let profile = read("Home Net.psk", &laptop);
        assert_eq!(profile.ssid, b"Home Net");
        let expected = format!(
            "[Security]\nPassphrase=it is\\\\ok\\s\nPreSharedKey={key}\n\n[Settings]\nAutoConnect=true\nHidden=true\n"
        );
        assert_eq!(String::from_utf8_lossy(&profile.to_iwd()), expected);
        assert_eq!(profile.file_name(), "Home Net.psk");
    }

    #[test]
    fn a_missing_key_is_derived_unless_wpa3_has_no_use_for_it() {
        let text = "[Security]\nPassphrase=password\n";
        let written = read("IEEE.psk", text).to_iwd();
        let written = String::from_utf8_lossy(&written);
        assert!(
            written.contains("PreSharedKey=f42c6fc52df0ebef"),
            "{written}"
        );
        let wpa3 = format!(
            "{text}[Settings]\nTransitionDisable=true\nDisabledTransitionModes=personal,open\n"
        );
        let profile = read("IEEE.psk", &wpa3);
        assert!(profile.wpa3_only);
        assert!(!String::from_utf8_lossy(&profile.to_iwd()).contains("PreSharedKey"));
    }

    #[test]
    fn names_and_secrets_of_any_bytes_survive() {
        let ssid = proptest::collection::vec(proptest::prelude::any::<u8>(), 1..=32);
        proptest::proptest!(|(ssid in ssid, secret in "[ -~]{8,63}", hidden: bool)| {
            let profile = Profile {
                ssid: ssid.clone(),
                security: Security::Personal { passphrase: Some(SecretString::from(secret.as_str())), psk: None },
                hidden,
                wpa3_only: false,
            };
            let text = profile.to_iwd();
            let again = parse(&profile.file_name(), &text).unwrap().unwrap();
            proptest::prop_assert_eq!((&again.ssid, again.hidden), (&ssid, hidden));
            let Security::Personal { passphrase: Some(passphrase), .. } = &again.security else {
                panic!("no passphrase");
            };
            proptest::prop_assert_eq!(passphrase.expose_secret(), &secret);
            proptest::prop_assert_eq!(&*again.to_iwd(), &*text);
        });
    }

    #[test]
    fn names_are_spelt_as_iwd_spells_them() {
        for (ssid, name) in [
            ("☕", "=e29895.open"),
            (" leading", " leading.open"),
            ("a.b", "=612e62.open"),
            ("=eq", "=3d6571.open"),
            ("Zur_Post-1", "Zur_Post-1.open"),
        ] {
            let profile = Profile {
                ssid: ssid.into(),
                security: Security::Open,
                hidden: false,
                wpa3_only: false,
            };
            assert_eq!(profile.file_name(), name);
            assert_eq!(read(name, "").ssid, ssid.as_bytes());
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
    fn unusable_profiles_are_refused_with_the_reason_and_no_secret() {
        assert!(refusal("a.psk", "[Security]\n").contains("neither Passphrase nor PreSharedKey"));
        assert!(refusal("a.psk", "[Security]\nPreSharedKey=zz\n").contains("64 hex digits"));
        assert!(refusal("a.psk", "[Security]\nEncryptedSecurity=x\n").contains("SystemdEncrypt"));
        let wpa3 = format!(
            "[Security]\nPreSharedKey={}\n[Settings]\nTransitionDisable=true\nDisabledTransitionModes=personal\n",
            "ab".repeat(32)
        );
        assert!(refusal("a.psk", &wpa3).contains("WPA3 needs the passphrase"));
        for text in ["PreSharedKey=hunter2hunter2", "Passphrase=hunter2"] {
            let shown = refusal("a.psk", &format!("[Security]\n{text}\n"));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn enterprise_profiles_keep_their_credentials_and_nothing_else() {
        let text = "[Security]\nEAP-Method=TLS\nEAP-TLS-CACert=embed:ca\nEAP-Identity=me\n\n[Settings]\nAutoConnect=false\n\n[@pem@ca]\n-----BEGIN CERTIFICATE-----\nAAA=\n-----END CERTIFICATE-----\n[IPv4]\nAddress=10.0.0.7\n";
        let profile = read("work.8021x", text);
        let written = String::from_utf8_lossy(&profile.to_iwd()).into_owned();
        for kept in [
            "EAP-Identity=me",
            "[@pem@ca]\n-----BEGIN",
            "AAA=\n-----END",
            "AutoConnect=true",
        ] {
            assert!(written.contains(kept), "{written}");
        }
        assert!(
            !written.contains("10.0.0.7") && !written.contains("AutoConnect=false"),
            "{written}"
        );
        assert_eq!(profile.file_name(), "work.8021x");
        assert!(
            refusal("work.8021x", "[Security]\nEAP-TLS-ClientKey=/etc/key.pem\n")
                .contains("EAP-TLS-ClientKey")
        );
    }
}
