//! What a shell offers while a command is being typed: hosts, secrets, networks and cards as they are at that moment.
//! Nothing is asked, nothing is told: where something cannot be known at once, there are no candidates.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap_complete::CompletionCandidate;
use clap_complete::engine::{PathCompleter, ValueCompleter};

use crate::card::disk;
use crate::fleet::{Flake, Fleet, Host};
use crate::history;
use crate::nix::Nix;
use crate::secrets::Rules;
use crate::state;
use crate::wifi::{Knowledge, files};

/// Nobody waits longer for a candidate.
const LIMIT: Duration = Duration::from_secs(3);

/// The flake's hosts.
pub fn hosts() -> Vec<CompletionCandidate> {
    now(async {
        let hosts = fleet().await?.choose(&[])?;
        Ok(hosts.iter().map(host_candidate).collect())
    })
}

/// The flake's hosts, and those that only the history knows.
pub fn hosts_and_recorded() -> Vec<CompletionCandidate> {
    let mut all = hosts();
    let known: BTreeSet<_> = all.iter().map(|host| host.get_value().to_owned()).collect();
    let recorded = now(async {
        let tree = history::of_folder(&Line::typed().standing()?).await?;
        let (entries, _) = history::read(&state::of_tree(&tree)?)?;
        let names: BTreeSet<_> = entries.into_iter().filter_map(|entry| entry.host).collect();
        let gone = names
            .into_iter()
            .filter(|name| !known.contains(OsStr::new(name)));
        Ok(gone
            .map(|name| candidate(name, "only in the history".into()))
            .collect())
    });
    all.extend(recorded);
    all
}

/// The flake's hosts, and their tags as `@TAG`.
pub fn hosts_and_tags() -> Vec<CompletionCandidate> {
    now(async {
        let hosts = fleet().await?.choose(&[])?;
        let mut tags: Vec<_> = hosts.iter().flat_map(|host| &host.tags).collect();
        tags.sort();
        tags.dedup();
        let tags = tags.into_iter().map(|tag| {
            let tagged = hosts.iter().filter(|host| host.tags.contains(tag));
            let names: Vec<_> = tagged.map(|host| host.name.as_str()).collect();
            candidate(format!("@{tag}"), names.join(", "))
        });
        let hosts = hosts.iter().map(host_candidate);
        Ok(hosts.chain(tags).collect())
    })
}

/// The rules' secrets.
pub fn secrets() -> Vec<CompletionCandidate> {
    now(async {
        let line = Line::typed();
        let rules = Rules::locate(&line.standing()?, line.value(&["--rules"]).as_deref()).await?;
        let entries = rules.entries().iter().map(|(name, rule)| {
            let readers: Vec<_> = rule
                .recipients
                .iter()
                .map(crate::secrets::Recipient::name)
                .collect();
            candidate(name.clone(), format!("for {}", readers.join(", ")))
        });
        Ok(entries.collect())
    })
}

/// The networks that this machine or `--wifi-from` knows, if that takes no more rights than there are.
pub fn networks() -> Vec<CompletionCandidate> {
    now(async {
        let found = match Line::typed().value(&["--wifi-from"]) {
            Some(path) => files::of(&path)?,
            None if files::system_is_closed() && !rustix::process::geteuid().is_root() => {
                return Ok(Vec::new());
            }
            None => files::of_system()?,
        };
        let knowledge = Knowledge::of(&found);
        let usable = knowledge.usable().into_iter();
        Ok(usable
            .map(|profile| candidate(profile.shown(), profile.kind().to_owned()))
            .collect())
    })
}

/// The disks that could be a card, and files to write one into.
pub fn card(begun: &OsStr) -> Vec<CompletionCandidate> {
    let mut all = now(async {
        let disks = disk::list().await?.into_iter();
        let cards = disks.filter(|disk| disk.refusal(false).is_none());
        Ok(cards
            .map(|disk| candidate(disk.path.display().to_string(), disk.describe()))
            .collect())
    });
    let begins = begun.as_encoded_bytes();
    all.retain(|disk| disk.get_value().as_encoded_bytes().starts_with(begins));
    let is_known = |file: &CompletionCandidate| {
        let value = file.get_value();
        all.iter().any(|disk| disk.get_value() == value)
    };
    let files = PathCompleter::file().complete(begun);
    let files: Vec<_> = files.into_iter().filter(|file| !is_known(file)).collect();
    all.extend(files);
    all
}

/// The flake that `-C` names on the line being typed, or the nearest one upwards.
async fn fleet() -> Result<Fleet> {
    let flake = Flake::find(Line::typed().flake().as_deref()).await?;
    Fleet::load(&Nix::new(&flake.dir)).await
}

/// The words being typed.
struct Line(Vec<String>);

impl Line {
    /// The shell hands them over as this process' own arguments.
    fn typed() -> Self {
        Self(std::env::args().collect())
    }

    fn flake(&self) -> Option<PathBuf> {
        self.value(&["--flake", "-C"])
    }

    /// Where the user stands, or `-C` has it.
    fn standing(&self) -> Result<PathBuf> {
        self.flake()
            .map_or_else(|| Ok(std::env::current_dir()?), Ok)
    }

    /// The path given with a flag, apart from it or, with a long one, after `=`. A shell has not put the home in yet.
    fn value(&self, flags: &[&str]) -> Option<PathBuf> {
        let apart = self
            .0
            .windows(2)
            .find(|pair| flags.contains(&pair[0].as_str()));
        let together = || {
            let long = flags.iter().find(|flag| flag.starts_with("--"))?;
            let mut words = self.0.iter();
            words.find_map(|word| word.strip_prefix(long)?.strip_prefix('='))
        };
        let path = apart.map(|pair| pair[1].as_str()).or_else(together)?;
        let home = || std::env::var_os("HOME").map(PathBuf::from);
        match path
            .strip_prefix("~/")
            .and_then(|rest| Some(home()?.join(rest)))
        {
            Some(path) => Some(path),
            None => (!path.is_empty()).then(|| path.into()),
        }
    }
}

fn host_candidate(host: &Host) -> CompletionCandidate {
    let help = format!("{}, {}", host.system, host.address);
    candidate(host.name.clone(), help)
}

fn candidate(value: String, help: String) -> CompletionCandidate {
    CompletionCandidate::new(value).help(Some(help.into()))
}

fn now(
    candidates: impl Future<Output = Result<Vec<CompletionCandidate>>>,
) -> Vec<CompletionCandidate> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let limited = async { tokio::time::timeout(LIMIT, candidates).await };
    match runtime.block_on(limited) {
        Ok(Ok(candidates)) => candidates,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flake_on_the_line_is_the_one_that_is_asked() {
        let flake = |line: &str| Line(line.split(' ').map(str::to_owned).collect()).flake();
        assert_eq!(
            flake("spinet -- spinet -C fleet deploy"),
            Some("fleet".into())
        );
        assert_eq!(flake("spinet deploy --flake=a"), Some("a".into()));
        assert_eq!(flake("spinet deploy -C"), None);
        assert_eq!(flake("spinet deploy -C "), None);
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        assert_eq!(flake("spinet deploy -C ~/a"), Some(home.join("a")));
    }

    #[test]
    fn what_cannot_be_known_at_once_is_not_offered() {
        assert!(now(async { anyhow::bail!("no flake here") }).is_empty());
    }
}
