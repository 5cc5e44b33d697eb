//! `spinet host enroll`: a machine the user already trusts, with a key the user vouches for. In a flake of spinet's the key
//! is pinned too; in a plain agenix folder it goes into the rules.

use std::path::Path;

use anyhow::{Context, Result};

use crate::cli::{Enroll, Global};
use crate::commands::secrets::{load, standing};
use crate::enroll::{self, Access, Enrollment, Membership};
use crate::error::Failure;
use crate::fleet::{Flake, Fleet, HostSecret, Needs, around, check_name};
use crate::history::History;
use crate::host::key::{fingerprint, parse_public};
use crate::host::known_hosts::KnownHosts;
use crate::nix::Nix;
use crate::secrets::{Identities, Rules};
use crate::ui::{Ui, out};

pub async fn run(args: &Enroll, global: &Global, ui: &Ui) -> Result<()> {
    match of_fleet(args, global, ui).await? {
        Some((flake, fleet)) => in_fleet(args, &flake, &fleet, ui).await,
        None => in_folder(args, &load(&args.rules, global).await?, global, ui).await,
    }
}

/// The flake and its hosts, unless the user names other rules or stands in a folder without.
async fn of_fleet(args: &Enroll, global: &Global, ui: &Ui) -> Result<Option<(Flake, Fleet)>> {
    let here = standing(global)?;
    if around(&here).is_none() {
        return Ok(None);
    }
    let flake = match Flake::find(global.flake.as_deref()).await {
        Ok(flake) => flake,
        // no flake of spinet's: its rules will do
        Err(_) if args.rules.rules.is_some() => return Ok(None),
        Err(e) => return Err(e),
    };
    let Some(fleet) = Fleet::load_if_any(&Nix::new(&flake.dir).shown(ui)).await? else {
        return Ok(None);
    };
    let own = flake.dir.join(&fleet.rules).canonicalize().ok();
    let other = args.rules.rules.is_some() || std::env::var_os("RULES").is_some();
    if other
        && Rules::find(&here, args.rules.rules.as_deref())?
            .canonicalize()
            .ok()
            != own
    {
        return Ok(None);
    }
    Ok(Some((flake, fleet)))
}

async fn in_fleet(args: &Enroll, flake: &Flake, fleet: &Fleet, ui: &Ui) -> Result<()> {
    let host = fleet.host(&args.name)?;
    let pinned = KnownHosts::read(&flake.dir.join(&fleet.known_hosts))?.key(&host.name);
    let key = match (&args.key, &pinned) {
        (Some(key), _) => given_key(key)?,
        (None, Some(pinned)) => format!("{pinned} root@{}", host.name),
        (None, None) => {
            return Err(Failure::usage(format!(
                "Which key? None is pinned for {} yet.",
                host.name
            ))
            .hint("Give it with --key; the host's own /etc/ssh/ssh_host_ed25519_key.pub holds it.")
            .into());
        }
    };
    let secrets = if args.secrets.is_empty() {
        Needs::of(&Nix::new(&flake.dir).shown(ui), host)
            .await?
            .secrets
    } else {
        let dir = fleet.rules.parent().unwrap_or(&fleet.rules);
        let named = args.secrets.iter().map(|name| HostSecret {
            file: dir.join(name),
            wifi: false,
        });
        named.collect()
    };
    let rules = Rules::load(&flake.dir.join(&fleet.rules), &flake.work_tree).await?;
    let names = if args.secrets.is_empty() {
        enroll::rule_names(&secrets, flake, &rules)
    } else {
        args.secrets.clone()
    };
    let old_key = args
        .old_key
        .as_deref()
        .map(given_key)
        .transpose()?
        .or(pinned);
    let enrollment = Enrollment {
        name: &host.name,
        key: &key,
        old_key: old_key.as_deref(),
        added: &[],
        secrets: &names,
    };
    let member = Membership {
        flake,
        fleet,
        host,
        secrets: &secrets,
        wifi: None,
    };
    finish(args, &rules, &enrollment, Some(&member), ui).await
}

async fn in_folder(args: &Enroll, rules: &Rules, global: &Global, ui: &Ui) -> Result<()> {
    check_name(&args.name)?;
    let key = args.key.as_deref().ok_or_else(|| {
        Failure::usage(format!(
            "Which key? {} is not a host of a flake here.",
            args.name
        ))
        .hint("Give it with --key; the host's own /etc/ssh/ssh_host_ed25519_key.pub holds it.")
    })?;
    let key = given_key(key)?;
    let old_key = args.old_key.as_deref().map(given_key).transpose()?;
    let here = standing(global)?;
    let given = args.secrets.iter();
    let named: Vec<String> = given.map(|file| rules.name_given(file, &here)).collect();
    let enrollment = Enrollment {
        name: &args.name,
        key: &key,
        old_key: old_key.as_deref(),
        added: &[],
        secrets: &named,
    };
    let replaced = enroll::replaced(rules, &enrollment, ui)?.map(|key| key.line());
    // a known host goes on reading what it reads
    let reads = rules.names_for(&named, Some(replaced.as_deref().unwrap_or(&key)));
    let secrets = match (named.is_empty(), reads.is_empty()) {
        (true, false) => reads,
        (true, true) => {
            let all: Vec<String> = rules.entries().keys().cloned().collect();
            let question = format!("Which secrets does {} read? Numbers:", args.name);
            let chosen = ui.choose(&question, &all, "--secret FILE")?;
            chosen.into_iter().map(|i| all[i].clone()).collect()
        }
        (false, _) => named,
    };
    let enrollment = Enrollment {
        name: &args.name,
        key: &key,
        old_key: replaced.as_deref().or(old_key.as_deref()),
        added: &[],
        secrets: &secrets,
    };
    finish(args, rules, &enrollment, None, ui).await
}

async fn finish(
    args: &Enroll,
    rules: &Rules,
    enrollment: &Enrollment<'_>,
    member: Option<&Membership<'_>>,
    ui: &Ui,
) -> Result<()> {
    if args.plan {
        let edit = enroll::insert(rules, enrollment, ui).await?;
        out!("{}", edit.diff());
        let rules = rules.with(edit.after);
        for line in enroll::to_rekey(&rules, enrollment)?.describe() {
            out!("{line}");
        }
        return Ok(());
    }
    let history = History::of_rules(rules, ui).await;
    let running = history.begin("enroll", Some(enrollment.name));
    let enrolling = async {
        let mut identities = Identities::load(&args.access.identity.identities, ui)?;
        let access = (!args.no_rekey).then_some(Access {
            identities: &mut identities,
            accepted: &args.access.accept_recipient,
        });
        enroll::run(rules, enrollment, member, access, ui).await
    };
    enrolling.await.inspect_err(|error| running.failed(error))?;
    running.end("enrolled", 0, fingerprint(enrollment.key).ok().as_deref());
    Ok(())
}

/// A public key, or the file that holds it.
fn given_key(given: &str) -> Result<String> {
    let path = Path::new(given);
    if !given.contains(' ') && path.is_file() {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("while reading {given}"))?;
        return parse_public(&text).with_context(|| format!("while reading the key in {given}"));
    }
    parse_public(given)
}
