//! `spinet secrets check`: files against rules, hosts against both, without any private key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::cli::{Check, Global};
use crate::error::{Exit, Failure};
use crate::fleet::{Flake, Fleet, Needs};
use crate::host::known_hosts::KnownHosts;
use crate::nix::Nix;
use crate::secrets::Rules;
use crate::secrets::check::{self, State, Unreadable, check, unreadable};
use crate::ui::{Ui, out};

/// What a flake check hands over, since nix cannot evaluate inside a build.
#[derive(Deserialize)]
struct Evaluated {
    /// As nix evaluates the rules file.
    rules: serde_json::Value,
    #[serde(default)]
    hosts: BTreeMap<String, EvaluatedHost>,
}

#[derive(Deserialize)]
struct EvaluatedHost {
    /// The secrets its configuration names, relative to the flake.
    secrets: Vec<PathBuf>,
}

/// One host: its pinned key and the paths of its secrets.
struct Uses {
    name: String,
    key: Option<String>,
    secrets: Vec<PathBuf>,
}

pub async fn run(args: &Check, global: &Global, ui: &Ui) -> Result<()> {
    let (rules, hosts) = if let Some(file) = &args.evaluated {
        evaluated(args, file, global)?
    } else {
        let rules = super::load(&args.rules, global).await?;
        let hosts = if args.no_hosts {
            Vec::new()
        } else {
            of_flake(&rules, global, ui).await?
        };
        (rules, hosts)
    };
    let states = check(&rules)?;
    let mut unpinned = Vec::new();
    let mut problems = Vec::new();
    for host in hosts {
        match host.key {
            Some(key) => problems.extend(unreadable(&rules, &host.name, &key, &host.secrets)),
            None => unpinned.push(host.name),
        }
    }
    print(&states, &problems, &unpinned, global);
    verdict(&rules, &states, &problems)
}

/// Rules, hosts and pinned keys as the flake check evaluated them. `-C` names the flake's source.
fn evaluated(args: &Check, file: &Path, global: &Global) -> Result<(Rules, Vec<Uses>)> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("while reading {}", file.display()))?;
    let given: Evaluated =
        serde_json::from_str(&text).with_context(|| format!("while reading {}", file.display()))?;
    let source = super::standing(global)?;
    let rules_file = Rules::find(&source, args.rules.rules.as_deref())?;
    let rules = Rules::evaluated(&rules_file, &given.rules.to_string())?;
    let known = match &args.known_hosts {
        Some(path) => KnownHosts::read(&source.join(path))?,
        None => KnownHosts::default(),
    };
    let uses = given.hosts.into_iter().map(|(name, host)| Uses {
        key: known.key(&name),
        secrets: host.secrets.iter().map(|s| source.join(s)).collect(),
        name,
    });
    Ok((rules, uses.collect()))
}

/// The hosts of the flake the user stands in, if these are its rules.
async fn of_flake(rules: &Rules, global: &Global, ui: &Ui) -> Result<Vec<Uses>> {
    let Ok(flake) = Flake::find(global.flake.as_deref()).await else {
        return Ok(Vec::new());
    };
    let nix = Nix::new(&flake.dir).shown(ui);
    let Some(fleet) = Fleet::load_if_any(&nix).await? else {
        return Ok(Vec::new());
    };
    let same = flake.dir.join(&fleet.rules).canonicalize();
    if !same.is_ok_and(|file| file == rules.file) {
        return Ok(Vec::new());
    }
    let known = KnownHosts::read(&flake.dir.join(&fleet.known_hosts))?;
    let needs = Needs::secrets_of_all(&nix).await?;
    let uses = needs.into_iter().map(|(name, secrets)| Uses {
        key: known.key(&name),
        secrets: secrets.iter().map(|s| flake.dir.join(&s.file)).collect(),
        name,
    });
    Ok(uses.collect())
}

fn print(
    states: &[(String, State)],
    problems: &[Unreadable],
    unpinned: &[String],
    global: &Global,
) {
    if global.json {
        let files: Vec<_> = states
            .iter()
            .map(|(name, state)| serde_json::json!({ "file": name, "state": state }))
            .collect();
        out!(
            "{}",
            serde_json::json!({ "files": files, "unreadable": problems, "unpinned": unpinned })
        );
        return;
    }
    for (name, state) in states {
        out!("{}\t{}", crate::ui::visible(name), state.describe());
    }
    for check::Unreadable { host, file, why } in problems {
        out!("{host}\tcannot read {}: {why}", crate::ui::visible(file));
    }
    for host in unpinned {
        out!("{host}\tnot looked at: no key is pinned for it yet");
    }
}

fn verdict(rules: &Rules, states: &[(String, State)], problems: &[Unreadable]) -> Result<()> {
    let drift: Vec<&State> = states
        .iter()
        .map(|(_, state)| state)
        .filter(|state| state.is_drift())
        .collect();
    if drift.is_empty() && problems.is_empty() {
        return Ok(());
    }
    let mut parts = Vec::new();
    if !drift.is_empty() {
        parts.push(format!(
            "{} of {} files do not match the rules",
            drift.len(),
            states.len()
        ));
    }
    if !problems.is_empty() {
        parts.push(format!(
            "{} secrets cannot be read by the hosts that use them",
            problems.len()
        ));
    }
    let mut failure = Failure::new(format!("{}.", parts.join(", and "))).exit(Exit::Drift);
    for remedy in check::remedies(states, problems, &rules.root) {
        failure = failure.hint(remedy);
    }
    Err(failure.into())
}
