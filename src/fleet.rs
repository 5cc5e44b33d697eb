//! The flake the user stands in, and its hosts as its `spinet` output tells them: plain data, no module system.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::error::Failure;
use crate::git;
use crate::nix::Nix;
use crate::process::Cmd;
use crate::tools;
use crate::ui::visible;

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
    /// What `@TAG` chooses it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// There is an image to make its card of.
    #[serde(default = "yes")]
    pub card: bool,
}

fn yes() -> bool {
    true
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

impl Host {
    /// A Raspberry Pi with nothing special, as `NAME.local`.
    #[cfg(test)]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            system: "aarch64-linux".into(),
            address: format!("{name}.local"),
            user: "root".into(),
            port: 22,
            tags: Vec::new(),
            card: true,
        }
    }

    /// Who to log in as, one after the other: a user that only the next configuration has cannot yet, and root can.
    pub fn users(&self) -> Vec<&str> {
        let root = (self.user != "root").then_some("root");
        std::iter::once(self.user.as_str()).chain(root).collect()
    }
}

/// The nearest folder with a flake.nix, from `start` upwards.
pub fn around(start: &Path) -> Option<&Path> {
    let mut folders = start.ancestors();
    folders.find(|dir| dir.join("flake.nix").is_file())
}

/// The user stands where there is no such file.
pub fn none_around(file: &str, start: &Path) -> Failure {
    let start = start.display();
    Failure::usage(format!("There is no {file} in {start} or above it."))
        .hint("Go to your flake, or name it with --flake DIR.")
}

/// An address given by hand is that of one host.
pub fn check_address(address: Option<&str>, hosts: &[Host]) -> Result<()> {
    if address.is_none() || hosts.len() == 1 {
        return Ok(());
    }
    Err(Failure::usage("--address goes with exactly one host.")
        .hint("Name the host that answers there.")
        .into())
}

impl Flake {
    /// The flake named by `-C`, or the nearest one upwards from where the user stands.
    pub async fn find(named: Option<&Path>) -> Result<Self> {
        let start = match named {
            Some(dir) => dir.to_owned(),
            None => std::env::current_dir().context("while looking for the current folder")?,
        };
        let start = start.canonicalize().map_err(|e| no_folder(&start, e))?;
        let dir = match named {
            Some(_) if start.join("flake.nix").is_file() => start,
            Some(_) => {
                let start = start.display();
                return Err(Failure::usage(format!("There is no flake.nix in {start}."))
                    .hint("--flake names the folder that holds it.")
                    .into());
            }
            None => around(&start)
                .ok_or_else(|| none_around("flake.nix", &start))?
                .to_owned(),
        };
        tools::need("git")?;
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
            Err(e) => return Err(unreadable(e)),
        };
        let mut fleet: Self =
            serde_json::from_value(value).context("while reading the flake's `spinet` output")?;
        for (name, host) in &mut fleet.hosts {
            check_name(name)?;
            host.name.clone_from(name);
        }
        Ok(Some(fleet))
    }

    /// A fleet that no flake has told of.
    #[cfg(test)]
    pub fn of(hosts: impl IntoIterator<Item = Host>, rules: &str, known_hosts: &str) -> Self {
        let hosts = hosts.into_iter().map(|host| (host.name.clone(), host));
        Self {
            hosts: hosts.collect(),
            rules: rules.into(),
            known_hosts: known_hosts.into(),
        }
    }

    /// The hosts named, by name, pattern (`b*`) or tag (`@kitchen`), each once; all of them when nothing is named.
    pub fn choose(&self, words: &[String]) -> Result<Vec<Host>> {
        if words.is_empty() {
            return Ok(self.hosts.values().cloned().collect());
        }
        let mut chosen: Vec<Host> = Vec::new();
        for word in words {
            let found: Vec<&Host> = match Choice::read(word)? {
                Choice::Name => vec![self.host(word)?],
                Choice::Tag(tag) => self.filter(|host| host.tags.iter().any(|t| t == tag)),
                Choice::Pattern(pattern) => self.filter(|host| pattern.matches(&host.name)),
            };
            if found.is_empty() {
                return Err(self.unknown(&format!("No host matches {}.", visible(word))));
            }
            for host in found {
                if !chosen.contains(host) {
                    chosen.push(host.clone());
                }
            }
        }
        Ok(chosen)
    }

    fn filter(&self, fits: impl Fn(&Host) -> bool) -> Vec<&Host> {
        self.hosts.values().filter(|host| fits(host)).collect()
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.hosts
            .get(name)
            .ok_or_else(|| self.unknown(&format!("There is no host named {}.", visible(name))))
    }

    fn unknown(&self, what: &str) -> anyhow::Error {
        let known: Vec<_> = self.hosts.keys().map(String::as_str).collect();
        let known = match known.as_slice() {
            [] => "The flake has no hosts yet: add one to hosts/default.nix.".to_owned(),
            known => format!("The hosts are: {}.", known.join(", ")),
        };
        let failure = Failure::usage(what).hint(known);
        let tags: BTreeSet<_> = self.hosts.values().flat_map(|host| &host.tags).collect();
        if tags.is_empty() {
            return failure.into();
        }
        let tags: Vec<_> = tags.iter().map(|tag| format!("@{tag}")).collect();
        failure
            .hint(format!("The tags are: {}.", tags.join(", ")))
            .into()
    }
}

/// How a word on the command line chooses hosts.
pub enum Choice<'a> {
    Name,
    Tag(&'a str),
    Pattern(glob::Pattern),
}

impl<'a> Choice<'a> {
    /// A name has neither `@` in front nor a character that means something in a pattern.
    pub fn read(word: &'a str) -> Result<Self> {
        if let Some(tag) = word.strip_prefix('@') {
            return Ok(Self::Tag(tag));
        }
        if !word.contains(['*', '?', '[']) {
            return Ok(Self::Name);
        }
        let pattern = glob::Pattern::new(word).map_err(|e| {
            Failure::usage(format!("{} is no pattern.", visible(word)))
                .hint("* stands for any characters, ? for one, [ab] for one of them.")
                .source(e)
        })?;
        Ok(Self::Pattern(pattern))
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

    /// The same of every host, by its name.
    pub async fn of_all(nix: &Nix) -> Result<BTreeMap<String, Self>> {
        let value = nix.eval("spinet.needs", None).await?;
        serde_json::from_value(value).context("while reading what the hosts need")
    }

    /// The secrets of every host, by its name.
    pub async fn secrets_of_all(nix: &Nix) -> Result<BTreeMap<String, Vec<HostSecret>>> {
        let secrets = "builtins.mapAttrs (_: host: host.secrets)";
        let value = nix.eval("spinet.needs", Some(secrets)).await?;
        serde_json::from_value(value).context("while reading which secrets the hosts use")
    }
}

/// The error for a folder that the user named.
pub fn no_folder(folder: &Path, error: std::io::Error) -> Failure {
    let failure = Failure::usage(format!("There is no folder {}.", folder.display()))
        .hint("-C (--flake) takes the folder that flake.nix lies in.");
    match error.kind() {
        std::io::ErrorKind::NotFound => failure,
        _ => failure.source(error),
    }
}

/// The error for hosts that do not evaluate: what lib.fleet says of a row stands for itself, the rest is told as nix does.
fn unreadable(error: anyhow::Error) -> anyhow::Error {
    let said = error.to_string();
    let of_fleet = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("error: spinet: the "));
    match of_fleet {
        Some(what) => Failure::new(format!("The {what}")),
        None => Failure::new("The flake's hosts could not be read.").source(error),
    }
    .into()
}

/// A host's name is part of attribute paths, file names and network names: RFC 1123 labels only.
pub fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let ends = |c: char| c != '-';
    if name.len() <= 63 && name.chars().all(fits) && name.starts_with(ends) && name.ends_with(ends)
    {
        return Ok(());
    }
    Err(Failure::new(format!("{} is no host name.", visible(name)))
        .hint("Use letters, digits and inner hyphens, 63 at most, in hosts/default.nix.")
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet() -> Fleet {
        let host = |name: &str| Host {
            tags: vec![format!(
                "{}-side",
                if name == "bach" { "left" } else { "right" }
            )],
            ..Host::named(name)
        };
        let hosts = ["bach", "byrd"].map(host);
        Fleet::of(hosts, "secrets/secrets.nix", "hosts/known_hosts")
    }

    #[test]
    fn an_unknown_host_is_a_usage_error_that_lists_the_hosts() {
        let error = fleet().choose(&["bahc".into()]).unwrap_err();
        assert_eq!(crate::error::exit_of(&error).code(), 2);
        assert!(crate::error::render(&error).contains("The hosts are: bach, byrd."));
    }

    #[test]
    fn patterns_and_tags_choose_each_host_once() {
        let names = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            let hosts = fleet().choose(&words).unwrap();
            hosts.into_iter().map(|h| h.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["b*"]), ["bach", "byrd"]);
        assert_eq!(names(&["@right-side", "by??", "bach"]), ["byrd", "bach"]);
        for word in ["x*", "@kitchen", "[", ""] {
            let error = fleet().choose(&[word.into()]).unwrap_err();
            assert_eq!(crate::error::exit_of(&error).code(), 2, "{word}");
        }
        let error = fleet().choose(&["@kitchen".into()]).unwrap_err();
        assert!(crate::error::render(&error).contains("The tags are: @left-side, @right-side."));
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
