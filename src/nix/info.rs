//! What nix tells of itself: its version, whether flakes are switched on, and the store it speaks to.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Nix;
use super::builders::Builder;
use crate::process::Cmd;

/// How long another machine may take to answer.
const REACH: Duration = Duration::from_secs(20);

/// A store as nix reached it.
#[derive(Debug, PartialEq, Eq)]
pub struct Store {
    /// `local`, or `daemon` where a daemon has it.
    pub url: String,
    /// Settings and unsigned paths are taken from this user; none where nix does not tell.
    pub trusted: Option<bool>,
}

impl Nix {
    /// The version nix prints, such as 2.26.3.
    pub async fn version(&self) -> Result<String> {
        let text = self.cmd("--version").text().await?;
        let last = text.split_whitespace().next_back();
        Ok(last.unwrap_or_default().to_owned())
    }

    /// Whether `nix run .#NAME` works as the user types it: that takes two features, which spinet's own calls switch on
    /// by themselves.
    pub async fn has_flakes(&self) -> Result<bool> {
        let output = Cmd::new("nix")
            .args(["eval", "--expr", "builtins ? getFlake"])
            .dir(&self.dir)
            .output()
            .await?;
        Ok(output.stdout.trim_ascii() == b"true")
    }

    /// This machine's store.
    pub async fn store(&self) -> Result<Store> {
        let text = self.cmd("store").args(["info", "--json"]).text().await?;
        Store::parse(&text)
    }

    /// Speaks to a builder as this user: nix must answer there, and nothing is asked.
    pub async fn reach(&self, builder: &Builder) -> Result<()> {
        let info = self
            .cmd("store")
            .args(["info", "--json", "--store", &builder.store()]);
        let quiet = "-o BatchMode=yes -o ConnectTimeout=5 -o LogLevel=ERROR";
        info.env("NIX_SSHOPTS", quiet)
            .timeout(REACH)
            .run()
            .await
            .map(drop)
    }
}

impl Store {
    fn parse(text: &str) -> Result<Self> {
        let value: Value =
            serde_json::from_str(text).context("while reading `nix store info --json`")?;
        // a number, in newer versions a word
        let trusted = match &value["trusted"] {
            Value::Bool(trusted) => Some(*trusted),
            Value::Number(number) => number.as_u64().map(|n| n != 0),
            _ => None,
        };
        let url = value["url"].as_str().unwrap_or_default().to_owned();
        Ok(Self { url, trusted })
    }
}

/// Whether a version is at least `major.minor`; text behind the numbers does not count.
pub fn is_at_least(version: &str, (major, minor): (u64, u64)) -> bool {
    let mut numbers = version.split('.').map(|part| {
        let digits = part.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|d| d.parse().ok()).unwrap_or(0)
    });
    let (own_major, own_minor): (u64, u64) =
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (own_major, own_minor) >= (major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (version, enough) in [
            ("2.26.3", true),
            ("2.20", true),
            ("2.9.2", false),
            ("2.31pre20250712_ea", true),
            ("3.0", true),
            ("1.99", false),
            ("", false),
        ] {
            assert_eq!(is_at_least(version, (2, 20)), enough, "{version}");
        }
    }

    #[test]
    fn trust_is_a_number_a_word_or_not_told() {
        let trusted = |text| Store::parse(text).unwrap().trusted;
        assert_eq!(trusted(r#"{"trusted":1,"url":"local"}"#), Some(true));
        assert_eq!(trusted(r#"{"trusted":false,"url":"daemon"}"#), Some(false));
        assert_eq!(trusted(r#"{"url":"daemon"}"#), None);
        assert!(Store::parse("Store URL: daemon").is_err());
    }
}
