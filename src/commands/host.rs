//! `spinet host`: the identity of one host.

use std::time::Duration;

use anyhow::Result;

use crate::cli::{Enroll, Global, Host};
use crate::enroll::{self, Enrollment};
use crate::error::Failure;
use crate::fleet::{Flake, Fleet, HostSecret, Needs};
use crate::host::key::{fingerprint, parse_public};
use crate::host::known_hosts::KnownHosts;
use crate::host::wait::Search;
use crate::nix::Nix;
use crate::secrets::{Identities, Rules};
use crate::ui::Ui;

pub async fn run(command: &Host, global: &Global, ui: &Ui) -> Result<()> {
    let flake = Flake::find(global.flake.as_deref()).await?;
    let fleet = Fleet::load(&Nix::new(&flake.dir)).await?;
    match command {
        Host::Enroll(args) => enroll(args, &flake, &fleet, ui).await,
        Host::Wait {
            name,
            address,
            timeout,
        } => {
            let host = fleet.host(name)?;
            let known = KnownHosts::read(&flake.dir.join(&fleet.known_hosts))?;
            let key = known.need(name)?;
            let address = address.as_deref();
            let search = Search {
                host,
                address,
                timeout: Duration::from_secs(*timeout),
            };
            let target = search.pinned(&key, ui).await?;
            let shown = target
                .address
                .map(|a| a.ip().to_string())
                .unwrap_or_default();
            ui.say(format!(
                "{name} answers at {shown} and shows its pinned key."
            ));
            Ok(())
        }
        Host::Scan {
            name,
            address,
            timeout,
        } => {
            let host = fleet.host(name)?;
            let address = address.as_deref();
            let search = Search {
                host,
                address,
                timeout: Duration::from_secs(*timeout),
            };
            let (address, key) = search.shown_key(ui).await?;
            let shown = fingerprint(&key)?;
            if global.json {
                let address = address.ip().to_string();
                println!(
                    "{}",
                    serde_json::json!({ "address": address, "key": key, "fingerprint": shown })
                );
            } else {
                println!("{key}");
                ui.say(format!(
                    "{} shows {shown}. Nothing was trusted.",
                    address.ip()
                ));
            }
            Ok(())
        }
    }
}

/// A machine the user already trusts, with a key the user vouches for.
async fn enroll(args: &Enroll, flake: &Flake, fleet: &Fleet, ui: &Ui) -> Result<()> {
    let host = fleet.host(&args.name)?;
    let pinned = KnownHosts::read(&flake.dir.join(&fleet.known_hosts))?.key(&host.name);
    let key = match (&args.key, &pinned) {
        (Some(key), _) => parse_public(key)?,
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
        Needs::of(&Nix::new(&flake.dir), host).await?.secrets
    } else {
        let dir = fleet.rules.parent().unwrap_or(&fleet.rules);
        args.secrets
            .iter()
            .map(|name| HostSecret {
                file: dir.join(name),
                wifi: false,
            })
            .collect()
    };
    let old_key = args.old_key.as_deref().or(pinned.as_deref());
    let enrollment = Enrollment {
        host,
        key: &key,
        old_key,
        secrets: &secrets,
        wifi: None,
    };
    if args.plan {
        let rules = Rules::load(&flake.dir.join(&fleet.rules), &flake.work_tree).await?;
        let names = enroll::rule_names(&enrollment, flake, &rules);
        println!(
            "{}",
            enroll::insert(&rules, &enrollment, &names).await?.diff()
        );
        return Ok(());
    }
    let identities = if args.no_rekey {
        None
    } else {
        Some(Identities::load(&args.identity.identities, ui)?)
    };
    enroll::run(&enrollment, flake, fleet, identities.as_ref(), ui).await
}
