//! The story of a new card, in order:
//! 1. check everything that can be known before the first minute of work;
//! 2. build the image;
//! 3. write it to the card, verify it, put hostname, host key and wifi on it, the boot block last;
//! 4. wait until the host answers and shows the key that was put there;
//! 5. enroll: its key into the rules and the known hosts, the secrets it reads encrypted for it;
//! 6. with `--deploy`: go on to the first deploy.

mod card;
mod contact;
mod keep;
mod preflight;
mod which_card;
mod wifi;

pub use which_card::confirm;

use std::time::Duration;

use anyhow::Result;

use crate::cli;
use crate::deploy;
use crate::enroll::{self, Access, Enrollment, Membership};
use crate::error::{Exit, Failure};
use crate::fleet::{Flake, Fleet, Host};
use crate::nix::Nix;
use crate::secrets::Rules;
use crate::state::{Pending, State};
use crate::ui::Ui;

/// What all steps work on.
struct Story<'a> {
    args: &'a cli::Bootstrap,
    ui: &'a Ui,
    flake: Flake,
    fleet: Fleet,
    host: Host,
    nix: Nix,
    state: State,
    /// The card of an earlier run that is whole and waits for its host, or of this run once written.
    pending: Option<Pending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Check,
    Build,
    Card,
    Contact,
    Enroll,
    Deploy,
}

impl Story<'_> {
    /// The steps this run takes: a card that is whole already is not written again.
    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::Check];
        if self.pending.is_none() {
            steps.extend([Step::Build, Step::Card]);
        }
        steps.extend([Step::Contact, Step::Enroll]);
        if self.args.deploy {
            steps.push(Step::Deploy);
        }
        steps
    }

    /// What a step will do, in one sentence.
    fn describe(&self, step: Step) -> String {
        let name = &self.host.name;
        let address = self.args.address.as_deref().unwrap_or(&self.host.address);
        match step {
            Step::Check => "Check tools, rights, card, wifi, rules and identities.".into(),
            Step::Build => format!("Build the image of {name} with `nix build .#{name}-image`."),
            Step::Card => {
                let card = self
                    .args
                    .card
                    .as_ref()
                    .map_or("the card".into(), |c| c.display().to_string());
                let identity = match self.args.host_key {
                    cli::HostKey::Seeded => "hostname, host key",
                    cli::HostKey::Keep => "hostname, the host key the admins keep",
                    cli::HostKey::FirstBoot => "hostname",
                };
                let wifi = if self.args.no_wifi {
                    ""
                } else {
                    " and wifi profile"
                };
                format!("Erase {card}, write the image, verify it, and put {identity}{wifi} on it.")
            }
            Step::Contact => match self
                .pending
                .as_ref()
                .map_or(self.args.host_key, Pending::mode)
            {
                cli::HostKey::Seeded | cli::HostKey::Keep => format!(
                    "Wait up to {} s for {address} to show the key on its card.",
                    self.args.timeout
                ),
                cli::HostKey::FirstBoot => format!(
                    "Wait up to {} s for {address}, and have the fingerprint it shows confirmed.",
                    self.args.timeout
                ),
            },
            Step::Enroll => format!(
                "Put {name}'s key into {} and {}, and encrypt the secrets it reads for it.",
                self.fleet.rules.display(),
                self.fleet.known_hosts.display()
            ),
            Step::Deploy => format!("Deploy {name}."),
        }
    }
}

impl Pending {
    fn mode(&self) -> cli::HostKey {
        if self.key.is_some() {
            cli::HostKey::Seeded
        } else {
            cli::HostKey::FirstBoot
        }
    }
}

/// Runs the story for one host.
pub async fn run(args: &cli::Bootstrap, global: &cli::Global, ui: &Ui) -> Result<()> {
    if args.fingerprint.is_some() && args.host_key != cli::HostKey::FirstBoot {
        return Err(Failure::usage("--fingerprint goes with --host-key first-boot only.").into());
    }
    let flake = Flake::find(global.flake.as_deref()).await?;
    let nix = Nix::new(&flake.dir);
    let fleet = Fleet::load(&nix).await?;
    let host = fleet.host(&args.host)?.clone();
    let state = State::open(&flake.dir, &host.name)?;
    let pending = state.pending()?.filter(|p| p.written && !args.reflash);
    let mut story = Story {
        args,
        ui,
        flake,
        fleet,
        host,
        nix,
        state,
        pending,
    };
    let steps = story.steps();
    if let Some(pending) = &story.pending {
        ui.say(format!(
            "The card {} for {} is written and waits for its first boot; going on from there (--reflash writes it again).",
            pending.card.display(),
            story.host.name
        ));
    }
    if args.plan {
        for (number, step) in steps.iter().enumerate() {
            println!("{}. {}", number + 1, story.describe(*step));
        }
        return Ok(());
    }
    play(&mut story, &steps).await
}

async fn play(story: &mut Story<'_>, steps: &[Step]) -> Result<()> {
    let ui = story.ui;
    let name = story.host.name.clone();
    let announce = |number: usize, text: &str| ui.step(number, steps.len(), text);
    let mut number = 0;
    let mut next = |story: &Story<'_>, step| {
        number += 1;
        announce(number, &story.describe(step));
    };

    next(story, Step::Check);
    let mut ready = preflight::run(story).await?;

    if let Some(writing) = ready.writing.take() {
        next(story, Step::Build);
        let image = card::build(story).await?;
        next(story, Step::Card);
        story.pending = Some(card::write(story, writing, &image).await?);
        ui.say(format!(
            "The card is ready. Put it into {name} and switch it on."
        ));
    }

    ui.if_stopped(
        format!("The card is written; run `spinet bootstrap {name}` again to go on with waiting for {name}."),
        Exit::Failed,
    );
    next(story, Step::Contact);
    let contact = contact::run(story).await?;

    next(story, Step::Enroll);
    let replaces = story.pending.as_ref().and_then(|p| p.replaces.clone());
    let rules_file = story.flake.dir.join(&story.fleet.rules);
    let rules = Rules::load(&rules_file, &story.flake.work_tree).await?;
    let names = enroll::rule_names(&ready.needs.secrets, &story.flake, &rules);
    let enrollment = Enrollment {
        name: &story.host.name,
        key: &contact.key,
        old_key: replaces.as_deref(),
        added: &[],
        secrets: &names,
    };
    let member = Membership {
        flake: &story.flake,
        fleet: &story.fleet,
        host: &story.host,
        secrets: &ready.needs.secrets,
        wifi: ready.profile.as_ref(),
    };
    let access = Access {
        identities: &mut ready.identities,
        accepted: &ready.accepted,
    };
    enroll::run(&rules, &enrollment, Some(&member), Some(access), ui).await?;
    story.state.settle()?;
    drop(contact.target);

    if story.args.deploy {
        next(story, Step::Deploy);
        let wait = Duration::from_secs(story.args.timeout);
        return deploy::one(
            &story.host,
            story.args.address.as_deref(),
            wait,
            &story.flake,
            ui,
        )
        .await;
    }
    tell_next(story).await
}

/// What changed in git, and what to do with it.
async fn tell_next(story: &Story<'_>) -> Result<()> {
    let name = &story.host.name;
    let ui = story.ui;
    ui.say(format!("{name} is enrolled."));
    let changes = story.flake.changes().await?;
    if !changes.is_empty() {
        ui.say(format!(
            "Changed in git, not committed:\n{}",
            crate::ui::indent(&changes)
        ));
    }
    ui.say(format!(
        "Next: look at `git diff`, commit, then `nix run .#deploy -- {name}` brings {name} its configuration."
    ));
    Ok(())
}
