//! What a built system says about itself to a deploy: `etc/spinet/host.json` inside the toplevel,
//! written by spinet's default NixOS module. It travels with the closure, so it always fits the system it is in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::root::Root;
use super::ssh::Target;
use crate::error::Failure;

/// The system's own account of what a deploy must look after.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The Nix system it was built for.
    pub system: String,
    /// Seconds until an unconfirmed activation is undone.
    pub deadline: u64,
    /// Secrets it decrypts at activation.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// What must hold after activation, beyond what every host must.
    #[serde(default)]
    pub health_checks: Vec<Check>,
    /// It is reached over wifi.
    #[serde(default)]
    pub wifi: bool,
    /// Something in it joins wifi networks, spinet's module or another; unknown of systems built before it said so.
    #[serde(default)]
    pub joins_wifi: Option<bool>,
    /// Who logs in to it.
    #[serde(default = "root")]
    pub user: String,
}

/// A secret as the system expects it.
#[derive(Debug, Deserialize)]
pub struct Secret {
    pub name: String,
    /// The encrypted file in the store.
    pub file: PathBuf,
    /// Where it is decrypted to on the host.
    pub path: PathBuf,
}

/// A shell command that must succeed on the host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Check {
    pub name: String,
    pub command: String,
}

fn root() -> String {
    "root".into()
}

/// Where it is in a toplevel.
pub(super) const PATH: &str = "etc/spinet/host.json";

impl Manifest {
    /// Reads it from a toplevel in the local store.
    pub fn of(toplevel: &Path) -> Result<Self> {
        if !toplevel.join("bin/switch-to-configuration").exists() {
            return Err(Failure::new(format!(
                "{} is no NixOS system: it has no bin/switch-to-configuration.",
                toplevel.display()
            ))
            .hint("spinet deploys what the flake has as packages.SYSTEM.HOST; spinet.lib.fleet puts the host's system there.")
            .into());
        }
        let path = toplevel.join(PATH);
        let text = std::fs::read_to_string(&path).map_err(|e| {
            Failure::new(format!("{} is missing.", path.display()))
                .hint("The host's configuration does not import spinet.nixosModules.default; spinet.lib.fleet does that by itself.")
                .source(e)
        })?;
        Self::read(&text).with_context(|| format!("while reading {}", path.display()))
    }

    /// Reads it from a toplevel on a host.
    pub async fn on(target: &Target, toplevel: &str) -> Result<Self> {
        let path = format!("{toplevel}/{PATH}");
        let read = Root::Already.run(&["cat", &path], &[]);
        let output = target.run(&read, None, |_| ()).await?;
        Self::read(&String::from_utf8_lossy(&output.stdout))
            .with_context(|| format!("while reading {path} on {}", target.host.name))
    }

    /// Reads the file's text.
    pub(super) fn read(text: &str) -> Result<Self> {
        Ok(serde_json::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_empty() {
        let manifest: Manifest = serde_json::from_str(
            r#"{ "system": "aarch64-linux", "deadline": 120, "hostName": "bach" }"#,
        )
        .unwrap();
        assert!(manifest.secrets.is_empty() && manifest.health_checks.is_empty() && !manifest.wifi);
    }

    #[test]
    fn a_path_that_is_no_system_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = Manifest::of(dir.path()).unwrap_err();
        assert!(error.to_string().contains("is no NixOS system"), "{error}");
    }
}
