//! The story of a new card, in order:
//! 1. check everything that can be known before the first minute of work;
//! 2. with `--image full`: the card's key into the rules beside the old one, the secrets encrypted for both;
//! 3. build the image, write it to the card, verify it, put hostname, host key and wifi on it, the boot block last;
//! 4. wait until the host answers and shows the key that was put there, and with `--image full` see how it is;
//! 5. enroll: its key, and no older one, in the rules and the known hosts, the secrets it reads encrypted for it;
//! 6. with `--deploy`: go on to the first deploy.

mod admit;
mod card;
mod contact;
mod health;
mod keep;
mod preflight;
mod steps;
mod which_card;
mod wifi;

pub use which_card::confirm;

use std::time::Duration;

use anyhow::Result;

use contact::Contact;

use crate::cli;
use crate::deploy;
use crate::enroll::{self, Access, Enrollment, Membership};
use crate::error::{Exit, Failure, Hint};
use crate::fleet::{Flake, Fleet, Host, Needs};
use crate::history::{History, Running};
use crate::host::key::fingerprint;
use crate::host::known_hosts::bare;
use crate::nix::Nix;
use crate::secrets::{Rules, replace};
use crate::state::{Pending, State};
use crate::ui::{Ui, print_sentences};
use crate::wifi::Profile;
use steps::Step;

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
    /// Keys that this run or unfinished ones put into the rules for a card that has not shown itself.
    added: Vec<String>,
}

impl Story<'_> {
    /// The rules as they are now, without half of a change that a killed run was writing.
    async fn rules(&self) -> Result<Rules> {
        replace::recover(&self.flake.work_tree, |text| self.ui.say(text))?;
        let file = self.flake.dir.join(&self.fleet.rules);
        Rules::load(&file, &self.flake.work_tree).await
    }

    /// What the host's enrolment means for the flake. `wifi`: what a missing wifi secret is made from.
    fn member<'s>(&'s self, needs: &'s Needs, wifi: Option<&'s Profile>) -> Membership<'s> {
        Membership {
            flake: &self.flake,
            fleet: &self.fleet,
            host: &self.host,
            secrets: &needs.secrets,
            wifi,
        }
    }

    /// Whether an unfinished run put this key into the rules.
    fn is_added(&self, key: &str) -> bool {
        self.added.iter().any(|added| bare(added) == bare(key))
    }

    /// What a run leaves behind that ends between the rules and the card.
    fn unfinished(&self) -> String {
        let (name, rules) = (&self.host.name, self.fleet.rules.display());
        format!(
            "{rules} may list a key for a card of {name} that is not finished; the next `spinet bootstrap {name}` puts its own in that place."
        )
    }
}

/// Runs the story for one host.
pub async fn run(args: &cli::Bootstrap, global: &cli::Global, ui: &Ui) -> Result<()> {
    if args.fingerprint.is_some() && args.host_key != cli::HostKey::FirstBoot {
        return Err(
            Failure::usage("--fingerprint goes with --host-key first-boot only.")
                .hint("Leave it out: a key that is made here needs no fingerprint to be known by.")
                .into(),
        );
    }
    if args.image == cli::Image::Full && args.host_key == cli::HostKey::FirstBoot {
        return Err(Failure::usage("--image full needs a key made here: its secrets are encrypted for the key on the card before the image is built, and with --host-key first-boot the host makes its key after that.")
            .hint("Leave out --host-key, or use --host-key keep.")
            .into());
    }
    let flake = Flake::find(global.flake.as_deref()).await?;
    let nix = Nix::new(&flake.dir).shown(ui);
    let fleet = Fleet::load(&nix).await?;
    let host = fleet.host(&args.host)?.clone();
    if !host.card {
        let name = &host.name;
        return Err(Failure::usage(format!(
            "{name} has no card: nixpkgs makes a generic image for aarch64 only, and its row names no other (sdImage)."
        ))
        .hint(format!("Install NixOS there as you like, then `spinet host enroll {name}` and `spinet deploy {name}`."))
        .into());
    }
    let state = State::open(&flake.dir, &host.name)?;
    let pending = state.pending()?;
    let added = pending.iter().flat_map(|p| p.added.clone()).collect();
    let pending = pending.filter(|p| p.written && !args.reflash);
    let mut story = Story {
        args,
        ui,
        flake,
        fleet,
        host,
        nix,
        state,
        pending,
        added,
    };
    let steps = story.steps();
    if let Some(pending) = &story.pending {
        let holds = if pending.full {
            "its configuration"
        } else {
            "the bootstrap image"
        };
        ui.say(format!(
            "The card {} for {}, with {holds}, is written and waits for its first boot; going on from there (--reflash writes it again).",
            pending.card.display(),
            story.host.name
        ));
    }
    if args.plan {
        for (number, step) in steps.iter().enumerate() {
            print_sentences(&format!("{}. {}", number + 1, story.describe(*step)));
        }
        return Ok(());
    }
    let history = History::of(&story.flake.dir, ui).await;
    let running = history.begin("bootstrap", Some(&story.host.name));
    let result = play(&mut story, &steps, &running).await;
    if let Err(error) = &result {
        running.failed(error);
    }
    if result.is_err() && story.pending.is_none() && !story.added.is_empty() {
        ui.warn(story.unfinished());
    }
    result
}

async fn play(story: &mut Story<'_>, steps: &[Step], running: &Running) -> Result<()> {
    let ui = story.ui;
    let name = story.host.name.clone();
    let announce = |number: usize, text: &str| {
        ui.step(number, steps.len(), text);
        running.doing(text);
    };
    let mut number = 0;
    let mut next = |story: &Story<'_>, step| {
        number += 1;
        announce(number, &story.describe(step));
    };

    next(story, Step::Check);
    let mut ready = preflight::run(story).await?;

    if let Some(mut writing) = ready.writing.take() {
        if story.is_full() {
            next(story, Step::Admit);
            admit::run(story, &mut writing, &mut ready).await?;
        }
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

    let mut trouble = None;
    if story.is_full() {
        next(story, Step::Health);
        trouble = health(story, &contact).await.err();
    }

    next(story, Step::Enroll);
    let replaces = story.pending.as_ref().and_then(|p| p.replaces.clone());
    let rules = story.rules().await?;
    let names = enroll::rule_names(&ready.needs.secrets, &story.flake, &rules);
    let enrollment = Enrollment {
        name: &story.host.name,
        key: &contact.key,
        old_key: replaces.as_deref(),
        added: &story.added,
        secrets: &names,
    };
    let member = story.member(&ready.needs, ready.profile.as_ref());
    let access = Access {
        identities: &mut ready.identities,
        accepted: &ready.accepted,
    };
    enroll::run(&rules, &enrollment, Some(&member), Some(access), ui).await?;
    story.state.settle()?;
    story.added.clear();
    drop(contact.target);
    // who the host is, and how it is, are two things: it is enrolled all the same
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    running.end("enrolled", 0, fingerprint(&contact.key).ok().as_deref());

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

/// Fails when the host's first boot did not end well.
async fn health(story: &Story<'_>, contact: &Contact) -> Result<()> {
    let (name, ui) = (&story.host.name, story.ui);
    let look = format!(
        "`spinet status {name}` shows its state; `nix run .#deploy -- {name}` brings it what you correct."
    );
    let troubles = health::run(&contact.target).await.hint(
        format!("{name} is enrolled, but its state could not be seen."),
        look.clone(),
    )?;
    if troubles.is_empty() {
        ui.say(format!(
            "{name} runs its configuration: its secrets are there and no unit failed."
        ));
        return Ok(());
    }
    for trouble in &troubles {
        ui.warn(trouble);
    }
    Err(Failure::new(format!(
        "{name} is enrolled and runs its configuration, but not all of that works."
    ))
    .source(anyhow::anyhow!(troubles.join("\n")))
    .hint(look)
    .into())
}

/// What changed in git, and what to do with it.
async fn tell_next(story: &Story<'_>) -> Result<()> {
    let name = &story.host.name;
    let ui = story.ui;
    let full = story.is_full();
    ui.say(if full {
        format!("{name} is enrolled and runs its permanent configuration.")
    } else {
        format!("{name} is enrolled.")
    });
    let changes = story.flake.changes().await?;
    if !changes.is_empty() {
        ui.say(format!(
            "Changed in git, not committed:\n{}",
            crate::ui::indent(&changes)
        ));
    }
    let later = if full {
        "later changes"
    } else {
        "its configuration"
    };
    ui.say(format!(
        "Next: look at `git diff`, commit, then `nix run .#deploy -- {name}` brings {name} {later}."
    ));
    Ok(())
}
