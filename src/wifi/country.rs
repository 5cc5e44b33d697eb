//! The country whose radio rules a host keeps to: without one, channels 12 and 13 and much of 5 GHz stay unused.

use std::fmt;
use std::str::FromStr;

use super::keyfile::Keyfile;
use crate::process::{self, Cmd};

/// Two capital letters (ISO 3166-1), as `iw reg set` takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country(String);

impl FromStr for Country {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let code = text.trim().to_ascii_uppercase();
        if code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()) {
            Ok(Self(code))
        } else {
            Err("a country is two letters, such as DE".into())
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The country this machine is set to: by iwd's configuration, by what the kernel's radio rules are now, or by the
/// kernel's command line.
pub async fn of_this_machine() -> Option<Country> {
    let iwd = std::fs::read_to_string("/etc/iwd/main.conf").unwrap_or_default();
    if let Some(country) = Keyfile::of_iwd(&iwd)
        .raw("General", "Country")
        .and_then(|c| c.parse().ok())
    {
        return Some(country);
    }
    let rules = Cmd::new(process::tool("iw"))
        .args(["reg", "get"])
        .text()
        .await;
    if let Some(country) = rules.ok().as_deref().and_then(of_rules) {
        return Some(country);
    }
    let set = std::fs::read_to_string("/sys/module/cfg80211/parameters/ieee80211_regdom");
    set.ok()?.parse().ok()
}

/// `country DE: DFS-ETSI`, the global one first; 00 and 99 are no country.
fn of_rules(text: &str) -> Option<Country> {
    let mut codes = text
        .lines()
        .filter_map(|line| line.strip_prefix("country ")?.split(':').next());
    codes.find_map(|code| code.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_two_letters() {
        assert_eq!("de\n".parse::<Country>().unwrap().to_string(), "DE");
        for text in ["", "D", "DEU", "00", "d3", "é"] {
            assert!(text.parse::<Country>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_rules_in_force_tell_unless_they_are_the_worlds() {
        let rules = "global\ncountry 00: DFS-UNSET\n\t(2402 - 2472 @ 40)\n\nphy#0 (self-managed)\ncountry CH: DFS-ETSI\n";
        assert_eq!(of_rules(rules).unwrap().to_string(), "CH");
        assert_eq!(of_rules("global\ncountry 99: DFS-UNSET\n"), None);
    }
}
