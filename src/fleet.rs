//! The flake the user stands in, and its hosts as its `spinet` output tells them: plain data, no module system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::error::Failure;
use crate::git;
use crate::nix::Nix;
use crate::process::Cmd;

/// A flake in a git work tree.
#[derive(Debug, Clone)]
pub struct Flake {
    /// The folder of flake.nix, absolute.
    pub dir: PathBuf,
    /// The root of the git work tree around it.
    pub work_tree: PathBuf,
}

/// The flake's `spinet` output.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fleet {
    hosts: BTreeMap<String, Host>,
    /// The agenix rules, relative to the flake.
    pub rules: PathBuf,
    /// The pinned keys, relative to the flake.
    pub known_hosts: PathBuf,
}

/// One host of `hosts/default.nix`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Host {
    #[serde(skip)]
    pub name: String,
    /// The Nix system it runs, such as aarch64-linux.
    pub system: String,
    /// The name or address it answers under.
    pub address: String,
    /// The user to log in as.
    pub user: String,
    /// The TCP port of its SSH server.
    pub port: u16,
}

/// One secret a host's configuration names.
#[derive(Debug, Clone, Deserialize)]
pub struct HostSecret {
    /// Its file, relative to the flake.
    pub file: PathBuf,
    /// It is the wifi profile of the permanent configuration.
    pub wifi: bool,
}

/// What a host's configuration says that only the module system knows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Needs {
    pub secrets: Vec<HostSecret>,
    /// Public keys that may log in as root.
    pub authorized_keys: Vec<String>,
}

impl Flake {
    /// The flake named by `-C`, or the nearest one upwards from where the user stands.
    pub async fn find(named: Option<&Path>) -> Result<Self> {
        let start = match named {
            Some(dir) => dir.to_owned(),
            None => std::env::current_dir().context("while looking for the current folder")?,
        };
        let start = start.canonicalize().map_err(|e| {
            Failure::usage(format!("There is no folder {}.", start.display())).source(e)
        })?;
        let dir = start
            .ancestors()
            .take(if named.is_some() { 1 } else { usize::MAX })
            .find(|dir| dir.join("flake.nix").is_file())
            .ok_or_else(|| {
                Failure::usage(format!(
                    "There is no flake.nix in {} or above it.",
                    start.display()
                ))
                .hint("Go to your flake, or name it with --flake DIR.")
            })?
            .to_owned();
        let work_tree = git::work_tree(&dir).await.ok_or_else(|| {
            Failure::new(format!("{} is not in a git work tree.", dir.display()))
                .hint("Nix would copy the whole folder into its store, secrets included: run `git init` and `git add` what belongs to the flake.")
        })?;
        Ok(Self { dir, work_tree })
    }

    /// What git calls changed below the flake, one `XY path` a line.
    pub async fn changes(&self) -> Result<String> {
        let status = Cmd::new("git").args(["status", "--short", "--", "."]);
        status.dir(&self.dir).text().await
    }
}

impl Fleet {
    /// Reads the flake's `spinet` output.
    pub async fn load(nix: &Nix) -> Result<Self> {
        Self::load_if_any(nix).await?.ok_or_else(|| {
            Failure::new("The flake has no hosts for spinet.")
                .hint("The flake needs the output `spinet`, which spinet.lib.fleet makes.")
                .into()
        })
    }

    /// None when the flake has no such output: one that does not use `lib.fleet`.
    pub async fn load_if_any(nix: &Nix) -> Result<Option<Self>> {
        let output = nix
            .eval("spinet", Some("s: { inherit (s) hosts rules knownHosts; }"))
            .await;
        let value = match output {
            Ok(value) => value,
            Err(e) if e.to_string().contains("does not provide attribute") => return Ok(None),
            Err(e) => {
                return Err(Failure::new("The flake's hosts could not be read.")
                    .source(e)
                    .into());
            }
        };
        let mut fleet: Self =
            serde_json::from_value(value).context("while reading the flake's `spinet` output")?;
        for (name, host) in &mut fleet.hosts {
            check_name(name)?;
            host.name.clone_from(name);
        }
        Ok(Some(fleet))
    }

    /// The hosts named; all of them when none is.
    pub fn choose(&self, names: &[String]) -> Result<Vec<Host>> {
        if names.is_empty() {
            return Ok(self.hosts.values().cloned().collect());
        }
        let mut chosen: Vec<Host> = Vec::new();
        for name in names {
            let host = self.host(name)?;
            if !chosen.contains(host) {
                chosen.push(host.clone());
            }
        }
        Ok(chosen)
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.hosts.get(name).ok_or_else(|| {
            let known: Vec<_> = self.hosts.keys().map(String::as_str).collect();
            let known = match known.as_slice() {
                [] => "The flake has no hosts yet: add one to hosts/default.nix.".to_owned(),
                known => format!("The hosts are: {}.", known.join(", ")),
            };
            Failure::usage(format!(
                "There is no host named {}.",
                crate::ui::visible(name)
            ))
            .hint(known)
            .into()
        })
    }
}

impl Needs {
    /// Evaluates the part of the host's configuration that a bootstrap depends on.
    pub async fn of(nix: &Nix, host: &Host) -> Result<Self> {
        let value = nix
            .eval(&format!("spinet.needs.{}", host.name), None)
            .await?;
        serde_json::from_value(value)
            .with_context(|| format!("while reading what {} needs", host.name))
    }

    /// The secrets of every host, by its name.
    pub async fn secrets_of_all(nix: &Nix) -> Result<BTreeMap<String, Vec<HostSecret>>> {
        let secrets = "builtins.mapAttrs (_: host: host.secrets)";
        let value = nix.eval("spinet.needs", Some(secrets)).await?;
        serde_json::from_value(value).context("while reading which secrets the hosts use")
    }
}

/// A host's name is part of attribute paths, file names and network names: RFC 1123 labels only.
pub fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let ends = |c: char| c != '-';
    if name.len() <= 63 && name.chars().all(fits) && name.starts_with(ends) && name.ends_with(ends)
    {
        return Ok(());
    }
    Err(
        Failure::new(format!("{} is no host name.", crate::ui::visible(name)))
            .hint("Use letters, digits and inner hyphens, 63 at most, in hosts/default.nix.")
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet() -> Fleet {
        let host = |name: &str| Host {
            name: name.into(),
            system: "aarch64-linux".into(),
            address: format!("{name}.local"),
            user: "root".into(),
            port: 22,
        };
        Fleet {
            hosts: ["bach", "byrd"].map(|n| (n.to_owned(), host(n))).into(),
            rules: "secrets/secrets.nix".into(),
            known_hosts: "hosts/known_hosts".into(),
        }
    }

    #[test]
    fn an_unknown_host_is_a_usage_error_that_lists_the_hosts() {
        let error = fleet().choose(&["bahc".into()]).unwrap_err();
        assert_eq!(crate::error::exit_of(&error).code(), 2);
        assert!(crate::error::render(&error).contains("The hosts are: bach, byrd."));
    }

    #[test]
    fn no_name_chooses_all_and_a_name_twice_chooses_one() {
        assert_eq!(fleet().choose(&[]).unwrap().len(), 2);
        assert_eq!(
            fleet()
                .choose(&["byrd".into(), "byrd".into()])
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn names_that_would_break_paths_are_refused() {
        assert!(check_name("bach-2").is_ok());
        for name in ["", "-a", "a/b", "a.b", "ü", &"a".repeat(64)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
