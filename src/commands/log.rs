//! The story of `spinet log`: the history of a flake, or of a folder of secrets, and what a host recorded by itself.

mod table;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::secrets::standing;
use crate::cli::{Global, Log};
use crate::error::Exit;
use crate::fleet::{Flake, Fleet};
use crate::history::{self, Entry};
use crate::host::known_hosts::KnownHosts;
use crate::host::log::{Decision, Log as HostLog};
use crate::host::wait::Search;
use crate::nix::Nix;
use crate::state;
use crate::ui::{Ui, counted, out, room, visible};

/// How long a host may take to answer.
const REACH: Duration = Duration::from_secs(10);

pub async fn run(args: &Log, global: &Global, ui: &Ui) -> Result<()> {
    let tree = history::of_folder(&standing(global)?).await?;
    let (mut entries, skipped) = history::read(&state::of_tree(&tree)?)?;
    tell_skipped("the history", skipped, ui);
    if let Some(host) = &args.host {
        entries.retain(|entry| entry.host.as_ref() == Some(host));
    }
    if let (Some(host), true) = (&args.host, args.on_host) {
        let mut decisions = on_host(host, args, &tree, ui).await?;
        decisions.retain(|decision| !is_told(decision, &entries));
        entries.extend(decisions);
        entries.sort_by(|a, b| a.time.cmp(&b.time));
    }
    if let Some(lines) = args.lines {
        entries.drain(..entries.len().saturating_sub(lines));
    }
    if global.json {
        out!("{}", serde_json::to_value(&entries)?);
    } else if entries.is_empty() {
        ui.say(nothing(args, &tree.display().to_string()));
    } else {
        let times = table::local_times(&entries).await;
        let room = room().map(|(columns, _)| columns);
        let table = table::table(&entries, &times, room, global.verbose);
        out!("{}", table.trim_end_matches('\n'));
    }
    Ok(())
}

/// What the host's guard decided, also when nobody waited for it or another machine deployed.
async fn on_host(name: &str, args: &Log, flake: &Path, ui: &Ui) -> Result<Vec<Entry>> {
    let flake = Flake::find(Some(flake)).await?;
    let fleet = Fleet::load(&Nix::new(&flake.dir).shown(ui)).await?;
    let host = fleet.host(name)?;
    let key = KnownHosts::read(&flake.dir.join(&fleet.known_hosts))?.need(name)?;
    let search = Search {
        host,
        address: args.address.as_deref(),
        timeout: REACH,
    };
    let password = ui.sudo_password(args.ask_sudo_password)?;
    let Some(log) = HostLog::of(&search, &key, password.as_ref(), ui).await? else {
        ui.say(format!(
            "{name} has no log of its own yet: the next deploy from this version of spinet begins one."
        ));
        return Ok(Vec::new());
    };
    tell_skipped(&format!("{name}'s own log"), log.skipped, ui);
    let decisions = log.decisions.into_iter();
    Ok(decisions.map(|decision| entry(name, decision)).collect())
}

/// Whether somebody here waited for a decision and saw the same: that entry says more.
fn is_told(decision: &Entry, entries: &[Entry]) -> bool {
    let seen = |entry: &Entry| match entry.outcome.as_str() {
        "withdrawn" => decision.outcome == "undone",
        outcome => decision.outcome == outcome,
    };
    let mut of_it = entries.iter().filter(|e| e.attempt == decision.attempt);
    of_it.any(seen)
}

/// A decision of the guard in the form of the history.
fn entry(host: &str, decision: Decision) -> Entry {
    let Decision {
        time,
        attempt,
        phase,
        new,
        old,
    } = decision;
    let (outcome, exit, detail) = match phase.as_str() {
        "committed" => (
            "deployed",
            0,
            format!("Attempt {attempt} took the place of {old}."),
        ),
        "undone" => {
            let detail = format!("Attempt {attempt} was undone; the host went back to {old}.");
            ("undone", Exit::Undone.code(), detail)
        }
        "failed" => {
            let detail = format!(
                "Attempt {attempt} could not be undone for good; before it the host ran {old}."
            );
            ("failed", Exit::Failed.code(), detail)
        }
        other => (other, 0, format!("Attempt {attempt}, after {old}.")),
    };
    Entry {
        time,
        user: "guard".into(),
        machine: host.into(),
        action: "decide".into(),
        host: Some(host.into()),
        revision: None,
        system: Some(new),
        attempt: Some(attempt),
        outcome: outcome.into(),
        exit,
        seconds: None,
        detail: Some(detail),
    }
}

fn tell_skipped(of: &str, lines: usize, ui: &Ui) {
    if lines == 0 {
        return;
    }
    let are = if lines == 1 { "is" } else { "are" };
    let lines = counted(lines, "line");
    ui.warn(format!(
        "{lines} of {of} cannot be read and {are} left out; a power cut or a full disk can do that."
    ));
}

/// What there is to say when there is nothing to show.
fn nothing(args: &Log, tree: &str) -> String {
    if args.lines == Some(0) {
        return "No entry was asked for.".into();
    }
    let what = args.host.as_deref().unwrap_or(tree);
    format!(
        "Nothing is recorded of {} yet. `spinet bootstrap`, `deploy`, `host enroll` and `secrets rekey`, `edit` and `generate` record what they do.",
        visible(what)
    )
}
