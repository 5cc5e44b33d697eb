//! The story of a look at the fleet: which hosts answer under their pinned keys, what they run and would boot, whether
//! that is what the flake builds, what ails them, and what waits to be decided. Nothing is changed on them.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli;
use crate::error::{Failure, parts};
use crate::fleet::{Flake, Fleet, Host, check_address};
use crate::host::known_hosts::KnownHosts;
use crate::host::look::Seen;
use crate::host::status::{Last, Outcome, Status};
use crate::host::wait::Search;
use crate::nix::Nix;
use crate::parallel::at_most;
use crate::ui::{Ui, bytes, visible};

/// How long a host may take to answer.
const REACH: Duration = Duration::from_secs(10);

/// `spinet status`.
pub async fn run(args: &cli::Status, global: &cli::Global, ui: &Ui) -> Result<()> {
    let flake = Flake::find(global.flake.as_deref()).await?;
    let nix = Nix::new(&flake.dir).shown(ui);
    let fleet = Fleet::load(&nix).await?;
    let hosts = fleet.choose(&args.hosts)?;
    check_address(args.address.as_deref(), &hosts)?;
    let known = KnownHosts::read(&flake.dir.join(&fleet.known_hosts))?;
    let password = ui.sudo_password(args.ask_sudo_password)?;
    let names: Vec<String> = hosts.iter().map(|h| h.name.clone()).collect();
    loop {
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
        let rows = hosts.iter().zip(&seen).map(|(host, seen)| {
            (
                host,
                seen,
                builds.get(&host.name).and_then(Option::as_deref),
            )
        });
        if global.json {
            let rows = rows.map(|(host, seen, built)| as_json(host, seen, built));
            println!("{}", rows.collect::<Value>());
        } else {
            let rows = rows.map(|(host, seen, built)| text(host, seen, built));
            show(&rows.collect::<String>(), args.watch.is_some());
        }
        let Some(seconds) = args.watch else {
            let reached = hosts.iter().zip(&seen);
            let silent: Vec<_> = reached
                .filter(|(_, seen)| seen.is_err())
                .map(|(host, _)| host.name.as_str())
                .collect();
            if silent.is_empty() {
                return Ok(());
            }
            return Err(Failure::new(format!("Not reached: {}.", silent.join(", "))).into());
        };
        drop(seen);
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
}

/// Prints what was seen, in the place of what was seen before if it is `again` and again.
fn show(text: &str, again: bool) {
    let mut output = std::io::stdout();
    // line by line over the old ones: a screen that is cleared first flickers
    let text = if again && output.is_terminal() {
        format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))
    } else {
        text.to_owned()
    };
    // whoever reads no further is no reason to fail
    let _ = output.write_all(text.as_bytes());
    let _ = output.flush();
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

fn text(host: &Host, seen: &Result<Seen>, built: Option<&str>) -> String {
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let (what, ..) = parts(error);
            return format!("{}: not reached\n  {what}\n", host.name);
        }
    };
    let status = &seen.status;
    let mut shown = format!("{}: reached under its pinned key\n", host.name);
    let mut row = |title: &str, text: &str| shown.push_str(&format!("  {title:<10} {text}\n"));
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
    row("board", &board(status));
    row("room", &format!("{} free", bytes(status.free)));
    row(
        "memory",
        &format!(
            "{} of {} available",
            bytes(status.memory_available),
            bytes(status.memory)
        ),
    );
    shown
}

/// How long it is up, how warm it is, and what its firmware complains of.
fn board(status: &Status) -> String {
    let mut parts = vec![format!("up {}", span(status.uptime))];
    if let Some(heat) = status.heat {
        parts.push(format!("{}.{} °C", heat / 1000, heat % 1000 / 100));
    }
    if let Some(throttled) = status.throttled {
        let (now, before) = (throttled.now(), throttled.since_boot());
        parts.extend(now.iter().map(|what| format!("{what} now")));
        let over = before.iter().filter(|what| !now.contains(what));
        parts.extend(over.map(|what| format!("{what} since it started")));
    }
    parts.join(", ")
}

/// `3 d 4 h`: the two largest units.
fn span(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (hours, days) = (minutes / 60, minutes / 60 / 24);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
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
        "uptimeSeconds": status.uptime.as_secs(),
        "millidegrees": status.heat,
        "throttled": status.throttled.map(|throttled| json!({
            "now": throttled.now(),
            "sinceBoot": throttled.since_boot(),
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &str) -> Status {
        Status::parse(&format!("{lines}\nend=status\n")).unwrap()
    }

    #[test]
    fn a_board_tells_its_heat_and_what_its_power_supply_lacks() {
        let status = of("now=273840\nmillidegrees=51540\nthrottled=50001");
        assert_eq!(
            board(&status),
            "up 3 d 4 h, 51.5 °C, under-voltage now, throttled since it started"
        );
        // a virtual machine
        assert_eq!(board(&of("now=125")), "up 2 min");
    }
}
