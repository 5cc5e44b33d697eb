//! Nix's own settings, as far as they decide whether a system for another architecture can be built here.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Nix;
use crate::error::Failure;

/// What this machine's Nix can build for.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    platforms: Vec<String>,
    builders: String,
}

impl Nix {
    /// Reads `nix config show`.
    pub async fn settings(&self) -> Result<Settings> {
        let text = self.cmd("config").args(["show", "--json"]).text().await?;
        let value = serde_json::from_str(&text).context("while reading `nix config show`")?;
        Ok(Settings::parse(&value))
    }
}

impl Settings {
    fn parse(value: &Value) -> Self {
        let setting = |name: &str| &value[name]["value"];
        let mut platforms: Vec<String> = setting("extra-platforms")
            .as_array()
            .map(|list| {
                list.iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default();
        platforms.extend(setting("system").as_str().map(str::to_owned));
        let mut builders = setting("builders").as_str().unwrap_or_default().to_owned();
        // `@file` names a file of builders, one a line
        if let Some(file) = builders.strip_prefix('@') {
            builders = std::fs::read_to_string(file.trim()).unwrap_or_default();
        }
        Self {
            platforms,
            builders,
        }
    }

    /// Fails with the remedy unless `system` can be built here or on a remote builder.
    pub fn check(&self, system: &str) -> Result<()> {
        if self.platforms.iter().any(|p| p == system) || self.builder_for(system) {
            return Ok(());
        }
        Err(Failure::new(format!("This machine cannot build for {system}."))
            .hint(format!(
                "On NixOS add `boot.binfmt.emulatedSystems = [ \"{system}\" ];` and rebuild; elsewhere register qemu with binfmt_misc (flag F) and put `extra-platforms = {system}` into nix.conf."
            ))
            .hint(format!("Or name a remote builder for {system} with `builders` in nix.conf."))
            .into())
    }

    /// A builder line is `URI SYSTEM,SYSTEM ..`; lines end with `;` or a newline, `-` means this machine's system.
    fn builder_for(&self, system: &str) -> bool {
        self.builders
            .split([';', '\n'])
            .filter(|line| !line.trim_start().starts_with('#'))
            .filter_map(|line| line.split_whitespace().nth(1))
            .any(|systems| systems.split(',').any(|s| s == system))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(extra: &[&str], builders: &str) -> Settings {
        Settings::parse(&json!({
            "system": { "value": "x86_64-linux" },
            "extra-platforms": { "value": extra },
            "builders": { "value": builders },
        }))
    }

    #[test]
    fn own_emulated_and_remote_systems_can_be_built() {
        assert!(settings(&[], "").check("x86_64-linux").is_ok());
        assert!(
            settings(&["aarch64-linux"], "")
                .check("aarch64-linux")
                .is_ok()
        );
        let remote = "ssh://a x86_64-linux - 4; ssh://b i686-linux,aarch64-linux - 8";
        assert!(settings(&[], remote).check("aarch64-linux").is_ok());
    }

    #[test]
    fn a_foreign_system_is_refused_with_both_remedies() {
        let error = settings(&[], "# ssh://b aarch64-linux")
            .check("aarch64-linux")
            .unwrap_err();
        let shown = crate::error::render(&error);
        assert!(
            shown.contains("emulatedSystems") && shown.contains("builders"),
            "{shown}"
        );
    }
}
