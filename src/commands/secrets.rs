//! `spinet secrets`: what agenix' command line does, without a half-done state. Works in a plain agenix folder too.

use std::path::Path;

use anyhow::{Context, Result};

use crate::cli::{Global, Secrets};
use crate::error::{Exit, Failure};
use crate::process::Cmd;
use crate::secrets::check::{State, check};
use crate::secrets::rekey::Plan;
use crate::secrets::{Identities, Rules};
use crate::ui::Ui;

pub async fn run(command: &Secrets, global: &Global, ui: &Ui) -> Result<()> {
    match command {
        Secrets::Check { rules } => report(&load(rules.rules.as_deref(), global).await?, global),
        Secrets::Rekey {
            files,
            all,
            accept_recipient,
            identity,
            rules,
            plan,
        } => {
            let rules = load(rules.rules.as_deref(), global).await?;
            let names = if files.is_empty() {
                rules.entries().keys().cloned().collect()
            } else {
                files.clone()
            };
            let wanted = Plan::new(&rules, &names, *all)?;
            if *plan {
                for line in wanted.describe() {
                    println!("{line}");
                }
                return Ok(());
            }
            if wanted.is_empty() {
                ui.say("Every file is right already.");
                return Ok(());
            }
            let identities = Identities::load(&identity.identities, ui)?;
            for name in wanted.run(&identities, accept_recipient, ui)? {
                ui.say(format!("rekeyed {name}"));
            }
            Ok(())
        }
    }
}

/// The rules the user means, evaluated inside their git work tree, or their own folder where there is none.
pub async fn load(flag: Option<&Path>, global: &Global) -> Result<Rules> {
    let here = match &global.flake {
        Some(dir) => dir.canonicalize().map_err(|e| {
            Failure::usage(format!("There is no folder {}.", dir.display())).source(e)
        })?,
        None => std::env::current_dir().context("while looking for the current folder")?,
    };
    let file = Rules::find(&here, flag)?;
    let folder = file.parent().unwrap_or(&here).to_owned();
    let top = Cmd::new("git")
        .args(["rev-parse", "--show-toplevel"])
        .dir(&folder)
        .text()
        .await;
    let root = top.map_or(folder, Into::into);
    Rules::load(&file, &root).await
}

fn report(rules: &Rules, global: &Global) -> Result<()> {
    let states = check(rules);
    if global.json {
        let rows: Vec<_> = states
            .iter()
            .map(|(name, state)| serde_json::json!({ "file": name, "state": state }))
            .collect();
        println!("{}", serde_json::Value::from(rows));
    } else {
        for (name, state) in &states {
            println!("{name}\t{}", state.describe());
        }
    }
    let drift = states.iter().filter(|(_, state)| state.is_drift()).count();
    if drift == 0 {
        return Ok(());
    }
    let missing = states
        .iter()
        .filter(|(_, state)| *state == State::Missing)
        .count();
    let mut failure = Failure::new(format!(
        "{drift} of {} files do not match the rules.",
        states.len()
    ))
    .exit(Exit::Drift);
    if drift > missing {
        failure = failure.hint("`spinet secrets rekey` brings them in line.");
    }
    Err(failure.into())
}
