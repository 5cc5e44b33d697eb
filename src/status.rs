//! The story of a look at the fleet: which hosts answer under their pinned keys, what they run and would boot, whether
//! that is what the flake builds, what ails them, and what waits to be decided. Nothing is changed on them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli;
use crate::error::{Failure, parts};
use crate::fleet::{Flake, Fleet, Host, check_address};
use crate::host::known_hosts::KnownHosts;
use crate::host::look::Seen;
use crate::host::status::{Last, Outcome};
use crate::host::wait::Search;
use crate::nix::Nix;
use crate::parallel::at_most;
use crate::ui::{Ui, bytes, visible};

/// How long a host may take to answer.
const REACH: Duration = Duration::from_secs(10);

/// `spinet status`.
pub async fn run(args: &cli::Status, global: &cli::Global, ui: &Ui) -> Result<()> {
    let flake = Flake::find(global.flake.as_deref()).await?;
    let nix = Nix::new(&flake.dir);
    let fleet = Fleet::load(&nix).await?;
    let hosts = fleet.choose(&args.hosts)?;
    check_address(args.address.as_deref(), &hosts)?;
    let known = KnownHosts::read(&flake.dir.join(&fleet.known_hosts))?;
    let password = ui.sudo_password(args.ask_sudo_password)?;
    let names: Vec<String> = hosts.iter().map(|h| h.name.clone()).collect();
    let evaluating = async {
        if args.no_build {
            return BTreeMap::new();
        }
        nix.out_paths(&names).await.unwrap_or_else(|e| {
            let (what, ..) = parts(&e);
            ui.warn(format!(
                "What the flake builds could not be evaluated: {what}"
            ));
            BTreeMap::new()
        })
    };
    let looking = at_most(
        usize::from(args.parallel),
        hosts.iter().map(|host| async {
            let key = known.need(&host.name)?;
            let search = Search {
                host,
                address: args.address.as_deref(),
                timeout: REACH,
            };
            Seen::at(&search, &key, password.as_ref(), ui).await
        }),
    );
    let (builds, seen) = tokio::join!(evaluating, looking);
    let rows: Vec<_> = hosts
        .iter()
        .zip(&seen)
        .map(|(host, seen)| {
            (
                host,
                seen,
                builds.get(&host.name).and_then(Option::as_deref),
            )
        })
        .collect();
    if global.json {
        let rows = rows
            .iter()
            .map(|(host, seen, built)| as_json(host, seen, *built));
        println!("{}", rows.collect::<Value>());
    } else {
        for (host, seen, built) in &rows {
            print(host, seen, *built);
        }
    }
    let silent: Vec<_> = rows
        .iter()
        .filter(|(_, seen, _)| seen.is_err())
        .map(|(host, ..)| host.name.as_str())
        .collect();
    if silent.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("Not reached: {}.", silent.join(", "))).into())
}

/// What waits, in a sentence with what to do about it.
fn waits(host: &Host, last: &Last) -> String {
    let name = &host.name;
    let decide = format!("`spinet deploy {name} --confirm` or `--undo` decides it");
    match &last.outcome {
        Outcome::Waiting { left } => format!(
            "{} waits for confirmation, {} s left; {decide}",
            visible(&last.id),
            left.as_secs()
        ),
        Outcome::Busy { phase, left } => format!(
            "{} is {}, {} s left",
            visible(&last.id),
            visible(phase),
            left.as_secs()
        ),
        Outcome::Interrupted { phase } => format!(
            "{} was interrupted while {}; {decide}, and so does the next deploy",
            visible(&last.id),
            visible(phase)
        ),
        _ => String::new(),
    }
}

/// How the last attempt ended.
fn ended(last: &Last) -> Option<String> {
    let (word, reason) = match &last.outcome {
        Outcome::Committed => ("confirmed", ""),
        Outcome::Tested => ("confirmed until the next start", ""),
        Outcome::Undone { reason } => ("undone: ", reason.as_str()),
        Outcome::Failed { reason } => ("could not be undone: ", reason.as_str()),
        _ => return None,
    };
    Some(format!("{word}{}", visible(reason)))
}

fn print(host: &Host, seen: &Result<Seen>, built: Option<&str>) {
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let (what, ..) = parts(error);
            println!("{}: not reached\n  {what}", host.name);
            return;
        }
    };
    let status = &seen.status;
    println!("{}: reached under its pinned key", host.name);
    let row = |title: &str, text: &str| println!("  {title:<10} {text}");
    let current = visible(&status.current);
    row(
        "runs",
        &match built {
            Some(built) if built == status.current => format!("{current}, as the flake builds it"),
            Some(_) => format!("{current}, which is not what the flake builds"),
            None => current,
        },
    );
    if !status.boots(&status.current, &status.current) {
        let entry = [&status.boot_entry, &status.profile];
        let boots = entry.into_iter().find(|path| !path.is_empty());
        row(
            "boots",
            &visible(boots.map_or("nothing known", String::as_str)),
        );
    }
    if status.booted != status.current {
        row("booted", &visible(&status.booted));
    }
    if let Some(last) = &status.last {
        if last.is_pending() {
            row("pending", &waits(host, last));
        } else if let Some(end) = ended(last) {
            row("last", &end);
        }
    }
    if !status.failed.is_empty() {
        row("failed", &visible(&status.failed.join(" ")));
    }
    match &seen.failing {
        Some(failing) if failing.is_empty() => row("health", "secrets and checks are in order"),
        Some(failing) => row(
            "health",
            &format!("failing: {}", visible(&failing.join(", "))),
        ),
        None => {}
    }
    row("room", &format!("{} free", bytes(status.free)));
    row(
        "memory",
        &format!(
            "{} of {} available",
            bytes(status.memory_available),
            bytes(status.memory)
        ),
    );
}

fn as_json(host: &Host, seen: &Result<Seen>, built: Option<&str>) -> Value {
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let (what, causes, hints) = parts(error);
            return json!({ "host": host.name, "reached": false, "error": what, "causes": causes, "hints": hints });
        }
    };
    let status = &seen.status;
    let last = status.last.as_ref();
    json!({
        "host": host.name,
        "reached": true,
        "current": status.current,
        "profile": status.profile,
        "bootEntry": status.boot_entry,
        "booted": status.booted,
        "built": built,
        "pending": last.filter(|last| last.is_pending()).map(|last| json!({
            "attempt": last.id,
            "mode": last.mode,
            "toplevel": last.toplevel,
            "state": waits(host, last),
        })),
        "last": last.and_then(ended),
        "failedUnits": status.failed,
        "failingChecks": seen.failing,
        "freeBytes": status.free,
        "memoryBytes": status.memory,
        "memoryAvailableBytes": status.memory_available,
    })
}
