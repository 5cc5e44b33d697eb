//! The story of an update, in order:
//! 1. read the hosts as plain data, and each host's pinned key;
//! 2. side by side: reach the hosts and see what they run; build all systems in one evaluation;
//! 3. hold each result against its host: architecture, secrets, room, where its configuration came from;
//! 4. per host, so many at once: copy the closure, activate it under the guard, confirm over a fresh connection;
//! 5. tell for each host what was observed, and exit with the gravest outcome.

mod build;
mod confirm;
mod copy;
mod diff;
mod job;
mod options;
mod pending;
mod preflight;
mod report;
mod room;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::cli;
use crate::error::{Exit, Failure};
use crate::fleet::{Choice, Flake, Fleet, Host};
use crate::host::known_hosts::KnownHosts;
use crate::nix::Nix;
use crate::parallel::{at_most, join_all};
use crate::ui::Ui;

use job::{Job, Reached};
use options::{Options, Source};
use report::Outcome;

/// What all hosts of one deploy share.
struct Run<'a> {
    flake: &'a Flake,
    nix: Nix,
    options: Options,
    ui: &'a Ui,
    /// The cache has the closures.
    pushed: Cell<bool>,
    /// The hosts whose activation is not decided.
    undecided: RefCell<BTreeSet<String>>,
}

/// `spinet deploy`.
pub async fn run(args: &cli::Deploy, global: &cli::Global, ui: &Ui) -> Result<()> {
    let flake = Flake::find(global.flake.as_deref()).await?;
    if args.plan {
        let hosts = Fleet::load(&Nix::new(&flake.dir))
            .await?
            .choose(&args.hosts)?;
        print_plan(&hosts, args);
        return Ok(());
    }
    let options = Options::of(args, ui)?;
    let run = Run {
        nix: Nix::new(&flake.dir).with(options.nix.clone()),
        flake: &flake,
        options,
        ui,
        pushed: Cell::default(),
        undecided: RefCell::default(),
    };
    let outcomes = if args.confirm || args.undo {
        run.decide(&args.hosts, args.confirm).await?
    } else {
        run.deploy(&args.hosts).await?
    };
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
    ui: &Ui,
) -> Result<()> {
    let run = Run {
        nix: Nix::new(&flake.dir),
        flake,
        options: Options::first(address, wait),
        ui,
        pushed: Cell::default(),
        undecided: RefCell::default(),
    };
    report::finish(&run.deploy(std::slice::from_ref(&host.name)).await?, ui)
}

fn print_plan(hosts: &[Host], args: &cli::Deploy) {
    let names: Vec<_> = hosts.iter().map(|h| h.name.as_str()).collect();
    if args.rollback {
        println!(
            "1. Read which configuration each of {} had before.",
            names.join(", ")
        );
    } else if args.confirm || args.undo {
        println!(
            "1. Read what waits to be decided on {}, and decide it.",
            names.join(", ")
        );
        return;
    } else {
        println!(
            "1. Build with `nix build .#{}`, and read what each host runs meanwhile.",
            names.join(" .#")
        );
    }
    for host in hosts {
        let (name, address) = (&host.name, &host.address);
        println!(
            "2. {name}: check architecture, secrets and room; copy the closure to {}@{address} unless it runs already.",
            host.user
        );
        if args.dry_activate {
            println!("3. {name}: show what an activation would do.");
            continue;
        }
        if args.boot {
            println!("3. {name}: have the guard make it what boots.");
            continue;
        }
        println!("3. {name}: activate it under a guard that undoes it unless confirmed.");
        let end = if args.test {
            "and leave it running until the next start"
        } else {
            "and have the guard make it permanent"
        };
        println!("4. {name}: log in anew under the pinned key, check its health, {end}.");
    }
}

impl<'a> Run<'a> {
    /// From here on a stop of this run leaves the host to its guard.
    fn begun(&self, host: &str) {
        self.undecided.borrow_mut().insert(host.to_owned());
        self.tell_stop();
    }

    fn over(&self, host: &str) {
        self.undecided.borrow_mut().remove(host);
        self.tell_stop();
    }

    fn tell_stop(&self) {
        let undecided = self.undecided.borrow();
        let hosts: Vec<_> = undecided.iter().map(String::as_str).collect();
        if hosts.is_empty() {
            let message = "No host was left undecided; `spinet status` tells what each runs.";
            self.ui.if_stopped(message, Exit::Failed);
            return;
        }
        let message = format!(
            "What was activated and not confirmed is undone by the hosts themselves at their deadlines: {}. `spinet status {}` tells.",
            hosts.join(", "),
            hosts.join(" ")
        );
        self.ui.if_stopped(message, Exit::Unknown);
    }

    async fn deploy(&self, words: &[String]) -> Result<Vec<(String, Outcome)>> {
        self.ui.if_stopped("No host was changed.", Exit::Failed);
        // the build of hosts that are named plainly need not wait for what the flake says about them
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut tell = Some(tell);
        if plain(words)
            && let Some(tell) = tell.take()
        {
            let _ = tell.send(words.to_vec());
        }
        let building = async {
            let names = told.await.unwrap_or_default();
            let builds_here = matches!(self.options.source, Source::Here | Source::BuildHost(_));
            if !builds_here || names.is_empty() {
                return Ok(names.iter().map(|_| None).collect());
            }
            let source = &self.options.source;
            let built = build::build(&self.nix, &names, source, self.ui).await;
            Ok::<Vec<Option<Result<PathBuf>>>, anyhow::Error>(built.into_iter().map(Some).collect())
        };
        let reaching = async {
            let jobs = self.jobs(words).await?;
            if let Some(tell) = tell.take() {
                let _ = tell.send(jobs.iter().map(|job| job.name().to_owned()).collect());
            }
            let count = jobs.len().min(self.options.parallel);
            let reached = join_all(jobs[..count].iter().map(Job::reach)).await;
            Ok((jobs, reached))
        };
        let (mut built, (jobs, reached)) = tokio::try_join!(building, reaching)?;
        self.explain(&jobs, &mut built).await;
        let reached = reached
            .into_iter()
            .map(Some)
            .chain(std::iter::repeat_with(|| None));
        let mut shares: Vec<_> = jobs.iter().zip(reached).zip(built).collect();
        if self.options.diff {
            shares = self.confirm_difference(shares).await?;
        }
        if let Some(cache) = &self.options.cache {
            let built = shares
                .iter()
                .filter_map(|(_, built)| built.as_ref()?.as_ref().ok());
            copy::push(&self.nix, built, cache, self.ui).await?;
            self.pushed.set(true);
        }
        let work = shares
            .into_iter()
            .map(|((job, reached), built)| async move {
                (job.name().to_owned(), job.run(reached, built).await)
            });
        Ok(at_most(self.options.parallel, work).await)
    }

    /// Finds out whether what could not be built failed because this machine cannot build for the host at all, and says
    /// so in the first error.
    async fn explain(&self, jobs: &[Job<'_>], built: &mut [Option<Result<PathBuf>>]) {
        if self.options.source != Source::Here {
            return;
        }
        let failed = |built: &Option<Result<PathBuf>>| matches!(built, Some(Err(_)));
        let systems: Vec<String> = jobs
            .iter()
            .zip(&*built)
            .filter(|(_, built)| failed(built))
            .map(|(job, _)| job.host.system.clone())
            .collect();
        if let Some(first) = built.iter_mut().find(|built| failed(built))
            && let Some(Err(error)) = first.take()
        {
            let explained = self.nix.explain_failed_build(&systems, error).await;
            *first = Some(Err(explained));
        }
    }

    /// One job for each host chosen.
    async fn jobs(&'a self, words: &[String]) -> Result<Vec<Job<'a>>> {
        let fleet = Fleet::load(&self.nix).await?;
        let hosts = fleet.choose(words)?;
        if self.options.address.is_some() && hosts.len() != 1 {
            return Err(Failure::usage("--address goes with exactly one host.").into());
        }
        let known = KnownHosts::read(&self.flake.dir.join(&fleet.known_hosts))?;
        let names: Vec<_> = hosts.iter().map(|h| h.name.as_str()).collect();
        let what = match self.options.source {
            Source::Previous => "Reaching",
            Source::EachHost => "Reaching, to build there,",
            _ => "Building and reaching",
        };
        self.ui.say(format!("{what} {}.", names.join(", ")));
        hosts
            .into_iter()
            .map(|host| {
                let key = known.need(&host.name)?;
                Ok(Job::new(self, host, key))
            })
            .collect()
    }

    /// Shows what would change on every host, and asks.
    async fn confirm_difference<'j>(
        &self,
        shares: Vec<Share<'j, 'a>>,
    ) -> Result<Vec<Share<'j, 'a>>> {
        let mut changes = false;
        let mut asked = Vec::with_capacity(shares.len());
        for ((job, reached), built) in shares {
            let reached = match reached {
                Some(reached) => reached,
                None => job.reach().await,
            };
            if let (Ok(reached), Some(Ok(toplevel))) = (&reached, &built) {
                changes |= job.show_difference(reached, toplevel).await?;
            }
            asked.push(((job, Some(reached)), built));
        }
        if changes && !self.ui.confirm("Deploy this?")? {
            return Err(Failure::new("Not deployed; no host was changed.").into());
        }
        Ok(asked)
    }
}

/// A host, what it said if it was asked already, and what was built for it.
type Share<'j, 'a> = (
    (&'j Job<'a>, Option<Result<Reached>>),
    Option<Result<PathBuf>>,
);

/// Every word is a host's name and no pattern or tag, none twice: they can be built before anybody knows them.
fn plain(words: &[String]) -> bool {
    let name = |word: &String| {
        matches!(Choice::read(word), Ok(Choice::Name)) && crate::fleet::check_name(word).is_ok()
    };
    let mut seen = BTreeSet::new();
    !words.is_empty() && words.iter().all(|word| name(word) && seen.insert(word))
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_plain_names_are_built_before_the_fleet_is_known() {
        let plain = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            super::plain(&words)
        };
        assert!(plain(&["bach", "byrd"]));
        for words in [&[][..], &["b*"], &["@all"], &["bach", "bach"], &["bach^*"]] {
            assert!(!plain(words), "{words:?}");
        }
    }
}
