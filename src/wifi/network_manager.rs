//! NetworkManager's connections in keyfile format (`nm-settings-keyfile(5)`).

use age::secrecy::SecretString;
use anyhow::Result;

use super::keyfile::Keyfile;
use super::{Profile, Security, psk, unusable};

/// Reads a connection; `None` for one that is no wifi network.
pub fn parse(file_name: &str, content: &[u8]) -> Result<Option<Profile>> {
    let broken = |why: &str, remedy: &str| unusable(file_name, why, remedy);
    let Ok(text) = std::str::from_utf8(content) else {
        return Err(broken(
            "is not UTF-8 text.",
            "Make the connection anew in NetworkManager.",
        ));
    };
    let file = Keyfile::of_network_manager(text);
    if !matches!(
        file.raw("connection", "type"),
        Some("wifi" | "802-11-wireless")
    ) {
        return Ok(None);
    }
    let either = |new, old, key| file.raw(new, key).or_else(|| file.raw(old, key));
    let wifi = |key| either("wifi", "802-11-wireless", key);
    let security = |key| either("wifi-security", "802-11-wireless-security", key);
    if wifi("mode").is_some_and(|mode| mode != "infrastructure") {
        return Ok(None);
    }
    let Some(ssid) = wifi("ssid").and_then(ssid) else {
        return Err(broken(
            "has no ssid of 1 to 32 bytes.",
            "Make the connection anew in NetworkManager.",
        ));
    };
    let mut wpa3_only = false;
    let security = match security("key-mgmt") {
        // opportunistic encryption takes no secret: iwd finds it behind an open profile
        None | Some("owe") => Security::Open,
        Some("none") => {
            return Err(broken(
                "is one of a WEP network.",
                "WEP protects nothing and iwd does not speak it: set the access point to WPA2 or WPA3.",
            ));
        }
        Some(kind @ ("wpa-psk" | "sae")) => {
            wpa3_only = kind == "sae";
            let Some(secret) = file
                .text("wifi-security", "psk")
                .or_else(|| file.text("802-11-wireless-security", "psk"))
            else {
                let (why, remedy) =
                    match security("psk-flags").and_then(|flags| flags.parse::<u32>().ok()) {
                        Some(flags) if flags & 1 != 0 => (
                            "keeps its passphrase in a user's keyring.",
                            "Let NetworkManager store it for all users (psk-flags 0)",
                        ),
                        Some(flags) if flags & 2 != 0 => (
                            "does not keep its passphrase.",
                            "Let NetworkManager store it (psk-flags 0)",
                        ),
                        _ => (
                            "holds no passphrase.",
                            "Join the network again in NetworkManager",
                        ),
                    };
                return Err(broken(
                    why,
                    &format!("{remedy}, or choose another network with --wifi SSID."),
                ));
            };
            let is_key = secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit());
            if is_key && !wpa3_only {
                Security::Personal {
                    passphrase: None,
                    psk: Some(SecretString::from(secret.as_str())),
                }
            } else {
                if !wpa3_only && let Err(why) = psk::check(&secret) {
                    return Err(broken(why, "Join the network again in NetworkManager."));
                }
                Security::Personal {
                    passphrase: Some(SecretString::from(secret.as_str())),
                    psk: None,
                }
            }
        }
        Some(_) => {
            return Err(broken(
                "is one of an enterprise network (802.1x), which spinet reads from iwd only.",
                "Join it with iwd, or choose another network with --wifi SSID.",
            ));
        }
    };
    Ok(Some(Profile {
        ssid,
        security,
        hidden: matches!(wifi("hidden"), Some("true" | "1")),
        wpa3_only,
    }))
}

/// Text, or its bytes as numbers: `66;97;99;104;`.
fn ssid(value: &str) -> Option<Vec<u8>> {
    let numbers: Option<Vec<u8>> = value
        .strip_suffix(';')
        .and_then(|list| list.split(';').map(|n| n.trim().parse().ok()).collect());
    let bytes = numbers.unwrap_or_else(|| {
        // NetworkManager escapes semicolons before the file's own escapes
        super::keyfile::unescape(value)
            .replace("\\;", ";")
            .into_bytes()
    });
    (1..=32).contains(&bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;

    fn file(ssid: &str, security: &str) -> String {
        format!(
            "[connection]\nid=x\ntype=wifi\n\n[wifi]\nmode=infrastructure\nssid={ssid}\n\n[wifi-security]\n{security}\n\n[ipv4]\nmethod=manual\naddress1=10.0.0.9/24\n"
        )
    }

    fn refusal(text: &str) -> String {
        crate::error::render(&parse("Home.nmconnection", text.as_bytes()).err().unwrap())
    }

    #[test]
    fn names_are_text_or_numbers() {
        for (written, ssid) in [
            ("Home", "Home"),
            ("66;97;99;104;", "Bach"),
            ("a\\\\;b", "a;b"),
            ("\\scafé", " café"),
            ("12", "12"),
        ] {
            let profile = parse(
                "x",
                file(written, "key-mgmt=wpa-psk\npsk=12345678").as_bytes(),
            );
            assert_eq!(profile.unwrap().unwrap().ssid, ssid.as_bytes(), "{written}");
        }
    }

    #[test]
    fn passphrases_and_keys_are_told_apart() {
        let read = |security: &str| {
            parse("x", file("Home", security).as_bytes())
                .unwrap()
                .unwrap()
        };
        let Security::Personal {
            passphrase: Some(passphrase),
            ..
        } = read("key-mgmt=wpa-psk\npsk=\\sit\\\\is ok").security
        else {
            panic!("no passphrase");
        };
        assert_eq!(passphrase.expose_secret(), " it\\is ok");
        let key = "ab".repeat(32);
        assert!(matches!(
            read(&format!("key-mgmt=wpa-psk\npsk={key}")).security,
            Security::Personal {
                passphrase: None,
                psk: Some(_)
            }
        ));
        assert!(read("key-mgmt=sae\npsk=short").wpa3_only);
        assert!(matches!(read("").security, Security::Open));
    }

    #[test]
    fn what_cannot_be_used_is_told_and_what_is_no_wifi_passed_over() {
        assert!(refusal(&file("Home", "key-mgmt=wpa-psk\npsk-flags=1")).contains("keyring"));
        assert!(refusal(&file("Home", "key-mgmt=wpa-psk\npsk-flags=2")).contains("does not keep"));
        assert!(refusal(&file("Home", "key-mgmt=none\nwep-key0=x")).contains("WEP"));
        assert!(refusal(&file("Home", "key-mgmt=wpa-eap")).contains("802.1x"));
        let shown = refusal(&file("Home", "key-mgmt=wpa-psk\npsk=hunter2"));
        assert!(
            shown.contains("8 to 63") && !shown.contains("hunter2"),
            "{shown}"
        );
        assert!(refusal(&file("", "")).contains("no ssid"));
        assert!(
            parse("x", b"[connection]\ntype=ethernet\n")
                .unwrap()
                .is_none()
        );
        assert!(
            parse(
                "x",
                file("Hot", "").replace("infrastructure", "ap").as_bytes()
            )
            .unwrap()
            .is_none()
        );
    }
}
