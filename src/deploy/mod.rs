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
mod plan;
mod preflight;
mod record;
mod report;
mod room;
mod stage;
mod system;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::{oneshot, watch};

use crate::cli;
use crate::error::{Exit, Failure};
use crate::fleet::{Choice, Flake, Fleet, Host, check_address};
use crate::history::History;
use crate::host::known_hosts::KnownHosts;
use crate::nix::Nix;
use crate::parallel::at_most;
use crate::ui::{Ui, out};

use job::{Job, Reached};
use options::{Options, Source};
use record::Record;
use report::Outcome;
use stage::Tally;

/// What all hosts of one deploy share.
struct Run<'a> {
    flake: &'a Flake,
    nix: Nix,
    options: Options,
    ui: &'a Ui,
    /// The hosts whose activation is not decided.
    undecided: RefCell<BTreeSet<String>>,
    record: Record,
}

/// `spinet deploy`.
pub async fn run(args: &cli::Deploy, global: &cli::Global, ui: &Ui) -> Result<()> {
    let flake = Flake::find(global.flake.as_deref()).await?;
    if args.plan {
        let hosts = Fleet::load(&Nix::new(&flake.dir).shown(ui))
            .await?
            .choose(&args.hosts)?;
        plan::print(&hosts, args);
        return Ok(());
    }
    let options = Options::of(args, ui)?;
    let run = Run {
        nix: Nix::new(&flake.dir).with(options.nix.clone()),
        flake: &flake,
        options,
        ui,
        undecided: RefCell::default(),
        record: Record::default(),
    };
    let outcomes = if args.confirm || args.undo {
        run.decide(&args.hosts, args.confirm).await
    } else {
        run.deploy(&args.hosts).await
    };
    let outcomes = outcomes.inspect_err(|error| run.record.failed(error))?;
    if global.json {
        out!("{}", report::json(&outcomes));
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
        undecided: RefCell::default(),
        record: Record::default(),
    };
    let outcomes = run.deploy(std::slice::from_ref(&host.name)).await;
    report::finish(&outcomes.inspect_err(|error| run.record.failed(error))?, ui)
}

impl<'a> Run<'a> {
    /// From here on a stop of this run leaves the host to its guard.
    fn begun(&self, host: &str, attempt: &str) {
        self.undecided.borrow_mut().insert(host.to_owned());
        self.record.attempt(host, attempt);
        self.record.undecided(host);
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
        let (rows_known, rows) = oneshot::channel();
        let results = Results::default();
        let building = async {
            let built = self.build(words, rows).await?;
            results.put(built);
            anyhow::Ok(())
        };
        let working = async {
            let jobs = self.jobs(words, self.options.action()).await?;
            let rows = jobs.iter().map(|job| job.host.clone()).collect();
            let _ = rows_known.send(rows);
            let mut reached: Vec<_> = jobs.iter().map(|_| None).collect();
            if self.options.diff {
                reached = self.confirm_difference(&jobs, &results).await?;
            }
            let tally = &Tally::new(&jobs, self.ui);
            let work = jobs
                .iter()
                .zip(reached)
                .enumerate()
                .map(|(index, (job, reached))| {
                    let built = results.of(index);
                    async move {
                        let outcome = job.run(reached, built).await;
                        self.record.ended(job.name(), &outcome);
                        tally.ended(job.name(), &outcome);
                        (job.name().to_owned(), outcome)
                    }
                });
            let going_on = async {
                results.wait().await;
                tally.show();
            };
            let (outcomes, ()) = tokio::join!(at_most(self.options.parallel, work), going_on);
            Ok(outcomes)
        };
        let ((), outcomes) = tokio::try_join!(building, working)?;
        Ok(outcomes)
    }

    /// Builds the systems of the hosts, none for those that are not built here. Hosts that are named plainly need not wait
    /// for what the flake says about them.
    async fn build(
        &self,
        words: &[String],
        rows: oneshot::Receiver<Vec<Host>>,
    ) -> Result<Vec<Option<Result<PathBuf>>>> {
        let (mut rows, mut known) = (Some(rows), Vec::new());
        let names = if plain(words) {
            words.to_vec()
        } else {
            known = wait_for(&mut rows).await;
            known.iter().map(|host| host.name.clone()).collect()
        };
        let source = &self.options.source;
        if !matches!(source, Source::Here | Source::BuildHost(_)) {
            return Ok(names.iter().map(|_| None).collect());
        }
        let attrs: Vec<_> = names.iter().map(|name| self.options.attr(name)).collect();
        let mut built = match build::all(&self.nix, &attrs, source, self.ui).await {
            Ok(paths) => paths.into_iter().map(Ok).collect(),
            Err(error) => {
                // without them the run ends: a name is unknown
                known.extend(wait_for(&mut rows).await);
                build::tell_apart(&self.nix, &attrs, source, error, self.ui).await
            }
        };
        self.explain(&known, &mut built).await;
        if let Some(cache) = &self.options.cache {
            let paths = built.iter().filter_map(|built| built.as_ref().ok());
            copy::push(&self.nix, paths, cache, self.ui).await?;
        }
        Ok(built.into_iter().map(Some).collect())
    }

    /// Finds out whether what could not be built failed because this machine cannot build for the host at all, and says
    /// so in the first error.
    async fn explain(&self, hosts: &[Host], built: &mut [Result<PathBuf>]) {
        if self.options.source != Source::Here {
            return;
        }
        let systems: Vec<String> = hosts
            .iter()
            .zip(&*built)
            .filter(|(_, built)| built.is_err())
            .map(|(host, _)| host.system.clone())
            .collect();
        if let Some(first) = built.iter_mut().find(|built| built.is_err()) {
            let nothing = Ok(PathBuf::new());
            if let Err(error) = std::mem::replace(first, nothing) {
                *first = Err(self.nix.explain_failed_build(&systems, error).await);
            }
        }
    }

    /// One job for each host chosen.
    async fn jobs(&'a self, words: &[String], action: &'static str) -> Result<Vec<Job<'a>>> {
        let history = History::of(&self.flake.dir, self.ui);
        let (fleet, history) = tokio::join!(Fleet::load(&self.nix), history);
        let fleet = fleet?;
        let hosts = fleet.choose(words)?;
        check_address(self.options.address.as_deref(), &hosts)?;
        let names: Vec<_> = hosts.iter().map(|h| h.name.as_str()).collect();
        self.record.begin(&history, action, &names);
        let known = KnownHosts::read(&self.flake.dir.join(&fleet.known_hosts))?;
        let what = match self.options.source {
            _ if matches!(action, "confirm" | "undo") => "Reaching",
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
    async fn confirm_difference(
        &self,
        jobs: &[Job<'_>],
        results: &Results,
    ) -> Result<Vec<Option<Result<Reached>>>> {
        let reached = at_most(self.options.parallel, jobs.iter().map(Job::reach)).await;
        results.wait().await;
        let mut changes = false;
        for (index, (job, reached)) in jobs.iter().zip(&reached).enumerate() {
            if let (Ok(reached), Some(toplevel)) = (reached, results.path(index)) {
                changes |= job.show_difference(reached, &toplevel).await?;
            }
        }
        if changes && !self.ui.confirm("Deploy this?")? {
            return Err(Failure::new("Not deployed; no host was changed.").into());
        }
        Ok(reached.into_iter().map(Some).collect())
    }
}

/// What was built for each host, once it is.
struct Results {
    built: RefCell<Vec<Option<Result<PathBuf>>>>,
    ready: watch::Sender<bool>,
}

impl Default for Results {
    fn default() -> Self {
        Self {
            built: RefCell::default(),
            ready: watch::channel(false).0,
        }
    }
}

impl Results {
    fn put(&self, built: Vec<Option<Result<PathBuf>>>) {
        self.built.replace(built);
        self.ready.send_replace(true);
    }

    async fn wait(&self) {
        // it lives as long as this does
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    fn path(&self, index: usize) -> Option<PathBuf> {
        let built = self.built.borrow();
        built.get(index)?.as_ref()?.as_ref().ok().cloned()
    }

    /// The result of one host, handed out once.
    async fn of(&self, index: usize) -> Option<Result<PathBuf>> {
        self.wait().await;
        let mut built = self.built.borrow_mut();
        built.get_mut(index)?.take()
    }
}

/// The hosts, once the flake has told them; for ever if it cannot, because the run ends with the reason then.
async fn wait_for(rows: &mut Option<oneshot::Receiver<Vec<Host>>>) -> Vec<Host> {
    match rows.take() {
        Some(rows) => match rows.await {
            Ok(hosts) => hosts,
            Err(_) => std::future::pending().await,
        },
        None => Vec::new(),
    }
}

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
