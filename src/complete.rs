//! What a shell offers while a command is being typed: hosts, secrets, networks and cards as they are at that moment.
//! Nothing is asked, nothing is told: where something cannot be known at once, there are no candidates.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap_complete::CompletionCandidate;

use crate::card::disk;
use crate::fleet::{Flake, Fleet, Host};
use crate::nix::Nix;
use crate::secrets::Rules;
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
        let rules = Rules::locate(&std::env::current_dir()?, None).await?;
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

/// The networks this machine knows, if that takes no more rights than there are.
pub fn networks() -> Vec<CompletionCandidate> {
    now(async {
        if files::system_is_closed() && !rustix::process::geteuid().is_root() {
            return Ok(Vec::new());
        }
        let knowledge = Knowledge::of(&files::of_system()?);
        let usable = knowledge.usable().into_iter();
        Ok(usable
            .map(|profile| candidate(profile.shown(), profile.kind().to_owned()))
            .collect())
    })
}

/// The disks that could be a card.
pub fn cards() -> Vec<CompletionCandidate> {
    now(async {
        let disks = disk::list().await?.into_iter();
        let cards = disks.filter(|disk| disk.refusal(false).is_none());
        Ok(cards
            .map(|disk| candidate(disk.path.display().to_string(), disk.describe()))
            .collect())
    })
}

/// The flake that `-C` names on the line being typed, or the nearest one upwards.
async fn fleet() -> Result<Fleet> {
    let words: Vec<String> = std::env::args().collect();
    let named = named_flake(&words);
    let flake = Flake::find(named.as_deref()).await?;
    Fleet::load(&Nix::new(&flake.dir)).await
}

fn named_flake(words: &[String]) -> Option<PathBuf> {
    let pairs = words.windows(2);
    let mut apart = pairs.filter(|pair| matches!(pair[0].as_str(), "-C" | "--flake"));
    let together = || words.iter().find_map(|word| word.strip_prefix("--flake="));
    let dir = apart
        .next()
        .map(|pair| pair[1].as_str())
        .or_else(together)?;
    Some(Path::new(dir).to_owned())
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
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let named = |line| named_flake(&words(line));
        assert_eq!(
            named("spinet -- spinet -C fleet deploy"),
            Some("fleet".into())
        );
        assert_eq!(named("spinet deploy --flake=a"), Some("a".into()));
        assert_eq!(named("spinet deploy -C"), None);
    }

    #[test]
    fn what_cannot_be_known_at_once_is_not_offered() {
        assert!(now(async { anyhow::bail!("no flake here") }).is_empty());
    }
}
