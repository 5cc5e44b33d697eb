//! The story of an update, in order:
//! 1. read the hosts as plain data, and each host's pinned key;
//! 2. side by side: reach every host and read its facts; build all systems in one evaluation;
//! 3. check the results against the hosts: architecture, secrets, room;
//! 4. per host, side by side: copy the closure, activate it under the guard, confirm over a fresh connection;
//! 5. tell for each host what was observed, and exit with the gravest outcome.

mod health;
mod host;
mod manifest;
mod preflight;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::cli;
use crate::error::Failure;
use crate::fleet::{Flake, Fleet, Host};
use crate::host::facts::Facts;
use crate::host::known_hosts::KnownHosts;
use crate::host::ssh::Target;
use crate::host::wait::Search;
use crate::nix::Nix;
use crate::parallel::join_all;
use crate::ui::Ui;

use report::Outcome;

/// How long a host that should be up may take to answer.
const REACH: Duration = Duration::from_secs(20);

/// One host's share of a deploy.
struct Job<'a> {
    host: &'a Host,
    /// `--address`
    address: Option<&'a str>,
    /// Its pinned key.
    key: String,
    /// `--deadline`
    deadline: Option<Duration>,
    nix: &'a Nix,
    ui: &'a Ui,
}

/// `spinet deploy`.
pub async fn run(args: &cli::Deploy, global: &cli::Global, ui: &Ui) -> Result<()> {
    let flake = Flake::find(global.flake.as_deref()).await?;
    let nix = Nix::new(&flake.dir);
    let fleet = Fleet::load(&nix).await?;
    let hosts = fleet.choose(&args.hosts)?;
    if args.address.is_some() && hosts.len() != 1 {
        return Err(Failure::usage("--address goes with exactly one host.").into());
    }
    if args.plan {
        print_plan(&hosts);
        return Ok(());
    }
    let outcomes = deploy(
        &hosts,
        args.address.as_deref(),
        args.deadline.map(Duration::from_secs),
        REACH,
        &flake,
        &fleet,
        ui,
    )
    .await?;
    if global.json {
        println!("{}", report::json(&outcomes));
    }
    report::finish(&outcomes, ui)
}

/// Deploys one host that may still have to boot: the end of a bootstrap.
pub async fn one(
    host: &Host,
    address: Option<&str>,
    wait: Duration,
    flake: &Flake,
    fleet: &Fleet,
    ui: &Ui,
) -> Result<()> {
    let hosts = [host.clone()];
    let outcomes = deploy(&hosts, address, None, wait, flake, fleet, ui).await?;
    report::finish(&outcomes, ui)
}

fn print_plan(hosts: &[Host]) {
    let names: Vec<_> = hosts.iter().map(|h| h.name.as_str()).collect();
    println!(
        "1. Build with `nix build .#{}`, and read the facts of each host meanwhile.",
        names.join(" .#")
    );
    for host in hosts {
        let (name, address) = (&host.name, &host.address);
        println!(
            "2. {name}: check architecture, secrets and room; copy the closure to {}@{address} unless it runs already.",
            host.user
        );
        println!("3. {name}: activate it under a guard that undoes it unless confirmed.");
        println!(
            "4. {name}: log in anew under the pinned key, check its health, and have the guard make it permanent."
        );
    }
}

async fn deploy(
    hosts: &[Host],
    address: Option<&str>,
    deadline: Option<Duration>,
    reach: Duration,
    flake: &Flake,
    fleet: &Fleet,
    ui: &Ui,
) -> Result<Vec<(String, Outcome)>> {
    let nix = Nix::new(&flake.dir);
    let known = KnownHosts::read(&flake.dir.join(&fleet.known_hosts))?;
    let jobs = hosts
        .iter()
        .map(|host| {
            Ok(Job {
                host,
                address,
                key: known.need(&host.name)?,
                deadline,
                nix: &nix,
                ui,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    ui.if_stopped("No host was changed.", crate::error::Exit::Failed);
    ui.say(format!(
        "Building {} and reaching {}.",
        names(hosts),
        if hosts.len() == 1 { "it" } else { "them" }
    ));
    let reached = join_all(jobs.iter().map(|job| job.reach(reach)));
    let (toplevels, reached) = tokio::join!(build(&nix, hosts, ui), reached);
    let toplevels = toplevels?;
    let outcomes = join_all(jobs.iter().zip(reached).zip(&toplevels).map(
        |((job, reached), toplevel)| async move {
            let outcome = match reached {
                Ok((target, facts)) => job.run(target, &facts, toplevel).await,
                Err(error) => Outcome::Failed(error),
            };
            (job.host.name.clone(), outcome)
        },
    ))
    .await;
    Ok(outcomes)
}

async fn build(nix: &Nix, hosts: &[Host], ui: &Ui) -> Result<Vec<PathBuf>> {
    let attrs: Vec<String> = hosts.iter().map(|h| h.name.clone()).collect();
    let built = nix.build(&attrs, |line| ui.build_line(line)).await;
    ui.progress_done();
    built
}

fn names(hosts: &[Host]) -> String {
    hosts
        .iter()
        .map(|h| h.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

impl Job<'_> {
    /// Finds the host, logs in under its pinned key and reads its facts.
    async fn reach(&self, limit: Duration) -> Result<(Target, Facts)> {
        let search = self.search(limit);
        let target = search.pinned(&self.key, self.ui).await?;
        let facts = Facts::of(&target).await?;
        Ok((target, facts))
    }

    fn search(&self, timeout: Duration) -> Search<'_> {
        Search {
            host: self.host,
            address: self.address,
            timeout,
        }
    }
}
