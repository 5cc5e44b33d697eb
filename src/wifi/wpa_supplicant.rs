//! The networks in a `wpa_supplicant.conf` (`wpa_supplicant.conf(5)`).

use age::secrecy::SecretString;
use anyhow::Result;
use zeroize::Zeroizing;

use super::{Profile, Security, psk, unusable};
use crate::ui::visible;

/// What a configuration tells.
#[derive(Default)]
pub struct Parsed {
    pub country: Option<String>,
    pub networks: Vec<Result<Profile>>,
}

/// Reads all networks; those that cannot be used are errors among the others.
pub fn parse(file_name: &str, content: &[u8]) -> Parsed {
    let text = Zeroizing::new(String::from_utf8_lossy(content).into_owned());
    let mut parsed = Parsed::default();
    let mut block: Option<(usize, Vec<(&str, &str)>)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match &mut block {
            None if line.starts_with("network") && line.ends_with('{') => {
                block = Some((number, Vec::new()));
            }
            None => {
                if let Some(country) = line.strip_prefix("country=") {
                    parsed.country = Some(country.trim().to_owned());
                }
            }
            Some((start, entries)) if line == "}" => {
                let place = format!("{file_name}, line {start}");
                parsed.networks.extend(network(&place, entries).transpose());
                block = None;
            }
            Some((_, entries)) => entries.extend(line.split_once('=')),
        }
    }
    parsed
}

/// One block; `None` for what is no network to join.
fn network(place: &str, entries: &[(&str, &str)]) -> Result<Option<Profile>> {
    let value = |key: &str| {
        entries
            .iter()
            .rfind(|(k, _)| k.trim() == key)
            .map(|(_, v)| v.trim())
    };
    if value("mode").is_some_and(|mode| mode != "0") {
        return Ok(None);
    }
    let ssid = value("ssid")
        .and_then(string)
        .filter(|ssid| (1..=32).contains(&ssid.len()));
    let Some(ssid) = ssid else {
        return Err(unusable(
            place,
            "has no ssid of 1 to 32 bytes.",
            "Give the network its name: ssid=\"..\"",
        ));
    };
    let name = format!("{place} ({})", visible(&String::from_utf8_lossy(&ssid)));
    let broken = |why: &str, remedy: &str| unusable(&name, why, remedy);
    let kinds: Vec<&str> = value("key_mgmt")
        .unwrap_or("WPA-PSK")
        .split_whitespace()
        .collect();
    let (sae, wpa2) = (
        kinds.iter().any(|k| k.contains("SAE")),
        kinds.iter().any(|k| k.contains("WPA-PSK")),
    );
    let security = if sae || wpa2 {
        personal(value("psk"), value("sae_password"), sae && !wpa2).map_err(|why| {
            broken(
                &why,
                "Put the passphrase into the file, or choose another network with --wifi SSID.",
            )
        })?
    } else if kinds.iter().any(|k| k.contains("EAP") || *k == "IEEE8021X") {
        return Err(broken(
            "is one of an enterprise network (802.1x), which spinet reads from iwd only.",
            "Join it with iwd, or choose another network with --wifi SSID.",
        ));
    } else if entries
        .iter()
        .any(|(key, _)| key.trim().starts_with("wep_key"))
    {
        return Err(broken(
            "is one of a WEP network.",
            "WEP protects nothing and iwd does not speak it: set the access point to WPA2 or WPA3.",
        ));
    } else {
        Security::Open
    };
    Ok(Some(Profile {
        ssid,
        security,
        hidden: value("scan_ssid") == Some("1"),
        wpa3_only: sae && !wpa2,
    }))
}

fn personal(key: Option<&str>, sae: Option<&str>, wpa3_only: bool) -> Result<Security, String> {
    let secret = match (key, sae) {
        (_, Some(password)) if wpa3_only || key.is_none() => password,
        (Some(key), _) => key,
        _ => return Err("holds no passphrase.".into()),
    };
    if secret.starts_with("ext:") {
        return Err("keeps its passphrase elsewhere (ext:), where spinet does not look.".into());
    }
    if secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit()) && !wpa3_only {
        return Ok(Security::Personal {
            passphrase: None,
            psk: Some(SecretString::from(secret)),
        });
    }
    let bytes = string(secret).map(Zeroizing::new);
    let text = bytes
        .as_ref()
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    let text = text.ok_or("has a passphrase that is no text.")?;
    if !wpa3_only {
        psk::check(text)?;
    }
    Ok(Security::Personal {
        passphrase: Some(SecretString::from(text)),
        psk: None,
    })
}

/// `"text"` up to its last quote, `P"text"` with escapes, or the bytes in hexadecimal.
fn string(value: &str) -> Option<Vec<u8>> {
    let quoted = |value: &'_ str| -> Option<String> {
        let inner = value.strip_prefix('"')?;
        Some(inner[..inner.rfind('"')?].to_owned())
    };
    if let Some(escaped) = value.strip_prefix('P') {
        return quoted(escaped).map(|text| printf(&text));
    }
    match quoted(value) {
        Some(text) => Some(text.into_bytes()),
        None => super::unhex(value),
    }
}

/// The escapes of C's printf, as `wpa_supplicant` decodes them.
fn printf(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let Some((kind, tail)) = rest.split_first() else {
            break;
        };
        rest = tail;
        match kind {
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'e' => bytes.push(0x1b),
            b'x' => {
                let digits = rest
                    .iter()
                    .take(2)
                    .take_while(|b| b.is_ascii_hexdigit())
                    .count();
                let (number, tail) = rest.split_at(digits);
                let number = std::str::from_utf8(number)
                    .ok()
                    .and_then(|n| u8::from_str_radix(n, 16).ok());
                bytes.extend(number);
                rest = tail;
            }
            other => bytes.push(*other),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
ctrl_interface=/run/wpa_supplicant
country=DE
# network={ in a comment
network={
	ssid="Zur "Post""
	psk="correct horse"
	scan_ssid=1
}
network={
  ssid=436166c3a9
  psk=abababababababababababababababababababababababababababababababab
}
network={
  ssid=P"tab\there\x21\\"
  key_mgmt=SAE
  sae_password="x"
}
network={
  ssid="open"
  key_mgmt=NONE
}
network={
  ssid="work"
  key_mgmt=WPA-EAP
  password="hunter2"
}
network={
  ssid="elsewhere"
  psk=ext:home
}
network={
  ssid="hotspot"
  mode=2
}
network={
  ssid="short"
  psk="hunter2"
}
"#;

    #[test]
    fn each_network_stands_for_itself() {
        let parsed = parse("wpa_supplicant.conf", SAMPLE.as_bytes());
        assert_eq!(parsed.country.as_deref(), Some("DE"));
        let (good, bad): (Vec<_>, Vec<_>) = parsed.networks.into_iter().partition(Result::is_ok);
        let good: Vec<Profile> = good.into_iter().map(Result::unwrap).collect();
        let names: Vec<_> = good.iter().map(Profile::shown).collect();
        assert_eq!(names, ["Zur \"Post\"", "Café", "tab here!\\", "open"]);
        assert!(good[0].hidden && !good[0].wpa3_only && good[2].wpa3_only);
        assert!(matches!(
            good[1].security,
            Security::Personal {
                passphrase: None,
                psk: Some(_)
            }
        ));
        assert!(matches!(good[3].security, Security::Open));
        let bad: Vec<_> = bad
            .into_iter()
            .map(|e| crate::error::render(&e.err().unwrap()))
            .collect();
        assert_eq!(bad.len(), 3);
        for (shown, words) in bad.iter().zip(["line 23 (work)", "ext:", "8 to 63"]) {
            assert!(
                shown.contains(words) && !shown.contains("hunter2"),
                "{shown}"
            );
        }
    }

    #[test]
    fn half_a_file_is_read_as_far_as_it_goes() {
        assert!(parse("x", b"network={\n ssid=\"a").networks.is_empty());
        assert!(parse("x", b"network={\n}\n").networks[0].is_err());
        assert!(parse("x", &[0xff, 0xfe, 0]).networks.is_empty());
    }
}
