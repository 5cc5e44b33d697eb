//! The story of a rehearsal, in order:
//! 1. a scratch copy of the flake, with keys, secrets and a network made for the occasion, and the host's image from it;
//! 2. the whole life of the host against a virtual Pi that boots the very card: bootstrap, deploy, and what goes wrong;
//! 3. for each step what was promised and what happened, as a table.

mod acts;
mod fault;
mod keys;
mod machine;
mod network;
mod observe;
mod occasion;
mod scratch;
mod steps;
mod table;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli;
use crate::error::{Exit, Failure};
use crate::fleet::{Flake, Fleet, Host, Needs};
use crate::nix::Nix;
use crate::ui::{Ui, out, print_sentences};
use fault::Draw;
use machine::{Emulator, Machine};
use network::Network;
use scratch::{Original, Scratch};
use steps::{STEPS, Step};
use table::Row;

/// The system a virtual Pi runs.
const SYSTEM: &str = "aarch64-linux";

/// What all steps work on.
struct Rehearsal<'a> {
    ui: &'a Ui,
    host: &'a Host,
    scratch: &'a Scratch,
    network: &'a Network,
    machine: Machine<'a>,
    /// How long the Pi may take to start.
    patience: Duration,
    /// How long an activation takes on it, seen once.
    pace: Duration,
    /// How many deploys were disturbed so far.
    faults: u32,
    /// The host as it was seen last.
    seen: Option<observe::Seen>,
}

/// `spinet rehearse`.
pub async fn run(args: &cli::Rehearse, global: &cli::Global, ui: &Ui) -> Result<()> {
    let flake = Flake::find(global.flake.as_deref()).await?;
    let nix = Nix::new(&flake.dir).shown(ui);
    let fleet = Fleet::load(&nix).await?;
    let host = choose(&fleet, args.host.as_deref())?;
    let seed = args.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let mut steps: Vec<Step> = STEPS.to_vec();
    let mut draw = Draw::new(seed);
    steps.extend((0..args.faults).map(|_| Step::Drawn(draw.next())));
    if args.plan {
        for (number, step) in steps.iter().enumerate() {
            print_sentences(&format!(
                "{}. {}: {}",
                number + 1,
                step.title(),
                step.promise()
            ));
        }
        return Ok(());
    }
    let emulator = Emulator::find()?;
    nix.check_builds_for(&host.system).await?;
    let needs = Needs::of(&nix, &host).await?;
    let original = Original {
        flake: &flake,
        fleet: &fleet,
        host: &host,
        needs: &needs,
        contents: args.secrets.as_deref(),
    };
    let scratch = Scratch::of(&original, ui).await?;
    if args.faults > 0 {
        ui.say(format!("Faults are drawn from the seed {seed}."));
    }
    ui.if_stopped(
        "Nothing was changed but a scratch folder, which is gone.",
        Exit::Failed,
    );
    let began = Instant::now();
    let rows = play(&steps, args, &host, &emulator, &scratch, ui).await;
    let all_kept = rows
        .as_ref()
        .is_ok_and(|rows| rows.iter().all(Row::is_kept));
    let mut left = String::new();
    if args.keep || !all_kept {
        let folder = scratch.keep();
        left = format!(
            "Flake, card, console and all output are in {}.",
            folder.display()
        );
        ui.say(&left);
    }
    let rows = rows?;
    if global.json {
        out!("{}", table::json(&host.name, seed, &rows));
    } else {
        out!("{}", table::text(&rows, began.elapsed()).trim_end());
    }
    if all_kept {
        return Ok(());
    }
    Err(Failure::new("Not every promise was kept.")
        .hint(left)
        .into())
}

/// The host named, or the only one with a card.
fn choose(fleet: &Fleet, name: Option<&str>) -> Result<Host> {
    let mut hosts = fleet.choose(&[])?;
    hosts.retain(|host| host.card && host.system == SYSTEM);
    let all: Vec<_> = hosts.iter().map(|host| host.name.as_str()).collect();
    let known = format!("These can be: {}.", all.join(", "));
    let Some(name) = name else {
        return match hosts.as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(Failure::usage("Which host is rehearsed?")
                .hint(known)
                .into()),
        };
    };
    let host = fleet.host(name)?.clone();
    if !hosts.contains(&host) {
        return Err(Failure::usage(format!(
            "{name} cannot be rehearsed: the virtual Pi boots cards of {SYSTEM} hosts only."
        ))
        .hint(known)
        .into());
    }
    Ok(host)
}

/// Builds what is needed, then takes the steps one after the other.
async fn play(
    steps: &[Step],
    args: &cli::Rehearse,
    host: &Host,
    emulator: &Emulator,
    scratch: &Scratch,
    ui: &Ui,
) -> Result<Vec<Row>> {
    let name = &host.name;
    ui.say(format!("Building {name}'s image and configuration from a copy of the flake with keys made for the occasion."));
    let nix = Nix::new(&scratch.flake.dir);
    let network = Network::new(&scratch.file("network.log")).await?;
    // outside of that network, where what is missing can be fetched
    let mut attrs = vec![format!("{name}-image")];
    // without a secret that the bootstrap is to make, the configuration does not evaluate yet
    attrs.extend(scratch.is_whole.then(|| name.clone()));
    nix.build(&attrs, None, ui).await?;
    let mut rehearsal = Rehearsal {
        ui,
        host,
        scratch,
        network: &network,
        machine: Machine::new(emulator, &network, scratch.path()),
        patience: Duration::from_secs(args.timeout),
        pace: Duration::ZERO,
        faults: 0,
        seen: None,
    };
    let mut rows: Vec<Row> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        ui.step(number + 1, steps.len(), &step.title());
        let start = Instant::now();
        let happened = rehearsal.take(step).await;
        let row = Row::new(step, happened, start.elapsed());
        if !row.is_kept() {
            ui.warn(format!("Not as promised: {}", row.happened()));
        }
        // what follows stands on the machine of the steps before
        let goes_on = row.is_kept() || matches!(step, Step::Drawn(_)) && rehearsal.recover().await;
        rows.push(row);
        if !goes_on {
            break;
        }
    }
    rehearsal.machine.power_cut().await;
    Ok(rows)
}
