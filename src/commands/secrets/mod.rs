//! `spinet secrets`: what agenix' command line does, without a half-done state. Works in a plain agenix folder too.

mod check;
mod edit;
mod editor;
mod generate;
mod list;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cli::{Global, Rekey, RulesFile, Secrets};
use crate::error::{Exit, Failure};
use crate::fleet::no_folder;
use crate::history::History;
use crate::secrets::rekey::{self, Plan};
use crate::secrets::{Identities, Rules, replace};
use crate::ui::{Ui, out};

pub async fn run(command: &Secrets, global: &Global, ui: &Ui) -> Result<()> {
    match command {
        Secrets::Check(args) => check::run(args, global, ui).await,
        Secrets::Rekey(args) => rekey(args, global, ui).await,
        Secrets::Edit(args) => edit::run(args, global, ui).await,
        Secrets::Generate(args) => generate::run(args, global, ui).await,
        Secrets::List { rules } => list::run(&load(rules, global).await?, global),
        Secrets::Show {
            file,
            identity,
            rules,
        } => {
            let rules = load(rules, global).await?;
            let name = with_file(&rules, rules.name_given(file, &standing(global)?))?;
            let mut identities = Identities::load(&identity.identities, ui)?;
            let plain = rekey::open_one(&rules.path_of(&name), &mut identities, ui)?;
            list::show(&name, &plain, global)
        }
    }
}

async fn rekey(args: &Rekey, global: &Global, ui: &Ui) -> Result<()> {
    let rules = load(&args.rules, global).await?;
    if !args.plan {
        replace::recover(&rules.root, |text| ui.say(text))?;
    }
    let here = standing(global)?;
    let names: Vec<String> = if args.files.is_empty() {
        rules.entries().keys().cloned().collect()
    } else {
        let given = args.files.iter();
        given
            .map(|file| with_file(&rules, rules.name_given(file, &here)))
            .collect::<Result<_>>()?
    };
    let plan = Plan::new(&rules, &names, args.all)?;
    if global.json && (args.plan || plan.is_empty()) {
        let files: Vec<_> = plan.names().collect();
        out!(
            "{}",
            serde_json::json!({ "files": files, "done": !args.plan })
        );
        return Ok(());
    }
    if args.plan {
        for line in plan.describe() {
            out!("{line}");
        }
        return Ok(());
    }
    if plan.is_empty() {
        ui.say("Every file is right already.");
        return Ok(());
    }
    let history = History::of_rules(&rules, ui).await;
    let running = history.begin("rekey", None);
    carry_out(&plan, args, ui).inspect_err(|error| running.failed(error))?;
    let names: Vec<_> = plan.names().collect();
    running.end("rekeyed", 0, Some(&names.join(", ")));
    for name in plan.names() {
        ui.say(format!("rekeyed {name}"));
    }
    if global.json {
        let files: Vec<_> = plan.names().collect();
        out!("{}", serde_json::json!({ "files": files, "done": true }));
    }
    Ok(())
}

fn carry_out(plan: &Plan, args: &Rekey, ui: &Ui) -> Result<()> {
    let mut identities = Identities::load(&args.access.identity.identities, ui)?;
    plan.confirm(&args.access.accept_recipient, &identities, ui)?;
    ui.if_stopped(
        "Nothing was rekeyed, or all of it: `spinet secrets check` tells, and the next run clears up.",
        Exit::Failed,
    );
    plan.run(&mut identities, ui)
}

/// A rule without a file is nothing to read; whoever names it should know.
fn with_file(rules: &Rules, name: String) -> Result<String> {
    rules.rule(&name)?;
    if rules.path_of(&name).exists() {
        return Ok(name);
    }
    let edit = format!("spinet secrets edit {}", crate::process::quote(&name));
    Err(Failure::new(format!("{name} has a rule but no file."))
        .hint(format!("`{edit}` makes it."))
        .into())
}

/// Where the user stands, or is told to stand by `--flake`.
pub fn standing(global: &Global) -> Result<PathBuf> {
    match &global.flake {
        Some(dir) => dir.canonicalize().map_err(|e| no_folder(dir, e).into()),
        None => std::env::current_dir().context("while looking for the current folder"),
    }
}

/// The rules the user means.
pub async fn load(flag: &RulesFile, global: &Global) -> Result<Rules> {
    Rules::locate(&standing(global)?, flag.rules.as_deref()).await
}
