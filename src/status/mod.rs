//! The story of a look at the fleet: which hosts answer under their pinned keys, what they run and would boot, whether
//! that is what the flake builds, what ails them, and what waits to be decided. Nothing is changed on them.

mod json;
mod long;
mod look;
mod screen;
mod table;
mod tree;
mod wanted;
mod words;

use std::time::Duration;

use anyhow::Result;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::cli;
use crate::error::Failure;
use crate::fleet::{Flake, Fleet, Host, check_address};
use crate::nix::Nix;
use crate::parallel::Crowd;
use crate::ui::{EVALUATING, Ui};
use look::{Look, Looker, Open};
use screen::{Form, Screen};
use wanted::{Evaluation, Wanted};

/// What is known of one host.
struct Row<'a> {
    host: &'a Host,
    /// None before its first answer.
    look: Option<Look>,
    /// It was asked since the picture was shown.
    fresh: bool,
}

/// What is known of the fleet.
struct Picture<'a> {
    rows: Vec<Row<'a>>,
    wanted: Wanted,
}

/// What changes the picture.
enum News {
    /// A host's number, what it said, and the connection that is kept for the next look.
    Host(usize, Look, Option<Box<Open>>),
    Flake(Box<Evaluation>),
}

/// `spinet status`.
pub async fn run(args: &cli::Status, global: &cli::Global, ui: &Ui) -> Result<()> {
    let flake = Flake::find(global.flake.as_deref()).await?;
    let fleet = Fleet::load(&Nix::new(&flake.dir).shown(ui)).await?;
    let hosts = fleet.choose(&args.hosts)?;
    check_address(args.address.as_deref(), &hosts)?;
    if hosts.is_empty() {
        ui.say("The flake has no hosts yet: add one to hosts/default.nix.");
    }
    let password = ui.sudo_password(args.ask_sudo_password)?;
    let looker = Looker {
        flake: &flake.dir,
        known_hosts: &flake.dir.join(&fleet.known_hosts),
        address: args.address.as_deref(),
        reach: Duration::from_secs(args.timeout.into()),
        password: password.as_ref(),
        again: args.watch.is_some(),
        gate: Semaphore::new(args.parallel.into()),
    };
    let form = match (global.json, args.long || hosts.len() == 1) {
        (true, _) => Form::Json,
        (false, true) => Form::Long,
        (false, false) => Form::Table,
    };
    let screen = Screen::new(form, args.watch.is_some());
    let evaluation = (!args.no_build).then(|| Box::new(Evaluation::new(&flake, &fleet, &hosts)));
    let pause = args
        .watch
        .map(|seconds| Duration::from_secs(seconds.into()));
    let picture = watch(&hosts, &looker, evaluation, pause, screen, ui).await;
    verdict(&picture)
}

/// Asks hosts and flake at the same time, all again after a `pause` if there is one, and shows the picture as it changes.
/// None waits for another.
async fn watch<'a>(
    hosts: &'a [Host],
    looker: &Looker<'_>,
    evaluation: Option<Box<Evaluation>>,
    pause: Option<Duration>,
    mut screen: Screen,
    ui: &Ui,
) -> Picture<'a> {
    let ask = async |index: usize, open, pause| {
        sleep(pause).await;
        let (look, open) = looker.look(&hosts[index], open).await;
        News::Host(index, look, open.map(Box::new))
    };
    let evaluate = async |mut evaluation: Box<Evaluation>, pause| {
        sleep(pause).await;
        evaluation.renew().await;
        News::Flake(evaluation)
    };
    let row = |host| Row {
        host,
        look: None,
        fresh: false,
    };
    let mut picture = Picture {
        rows: hosts.iter().map(row).collect(),
        wanted: Wanted::nothing(evaluation.is_some()),
    };
    let mut crowd = Crowd::default();
    for index in 0..hosts.len() {
        crowd.push(ask(index, None, Duration::ZERO));
    }
    if let Some(evaluation) = evaluation {
        crowd.push(evaluate(evaluation, Duration::ZERO));
    }
    while !crowd.is_empty() {
        if !screen.is_drawn() {
            picture.tell_progress(ui);
        }
        match crowd.next().await {
            News::Host(index, look, open) => {
                let row = &mut picture.rows[index];
                (row.look, row.fresh) = (Some(look), true);
                if let Some(pause) = pause {
                    crowd.push(ask(index, open.map(|open| *open), pause));
                }
            }
            News::Flake(evaluation) => {
                let wanted = evaluation.wanted();
                if let Some(trouble) = &wanted.trouble
                    && picture.wanted.trouble != wanted.trouble
                    && screen.is_json()
                {
                    ui.warn(trouble);
                }
                picture.wanted = wanted;
                if let Some(pause) = pause {
                    crowd.push(evaluate(evaluation, pause));
                }
            }
        }
        if !screen.is_due(&picture) {
            continue;
        }
        ui.progress_done();
        if !screen.show(&picture) {
            // whoever reads no further is no reason to fail, and none to go on
            break;
        }
        picture
            .rows
            .iter_mut()
            .for_each(|row| row.fresh &= pause.is_none());
    }
    ui.progress_done();
    picture
}

/// A host that was not reached makes the run fail. One without a pinned key is none of this machine's hosts yet.
fn verdict(picture: &Picture) -> Result<()> {
    let missed = |row: &&Row| matches!(row.look, Some(Look::Missed(_)));
    let missed = picture.rows.iter().filter(missed);
    let names: Vec<_> = missed.map(|row| row.host.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("Not reached: {}.", names.join(", "))).into())
}

impl Picture<'_> {
    /// Every host was asked since the picture was shown.
    fn is_fresh(&self) -> bool {
        self.rows.iter().all(|row| row.fresh)
    }

    /// Tells what is waited for, before there is anything to look at.
    fn tell_progress(&self, ui: &Ui) {
        let answered = self.rows.iter().filter(|row| row.fresh).count();
        if answered < self.rows.len() {
            let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
            ui.tally("Asking the hosts", count(answered), count(self.rows.len()));
        } else {
            ui.progress("", EVALUATING, 0, 0);
        }
    }
}
