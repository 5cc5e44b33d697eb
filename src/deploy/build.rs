//! The systems of all hosts, built in one evaluation; what fails for one host fails for that host alone.

use std::path::PathBuf;

use anyhow::Result;

use super::options::Source;
use crate::error::Failure;
use crate::nix::Nix;
use crate::parallel::at_most;
use crate::ui::{Ui, visible};

/// How many evaluations run side by side to find out which host a failed build is about.
const EVALUATIONS: usize = 4;

/// The toplevels of all hosts, in their order.
pub async fn all(nix: &Nix, hosts: &[String], source: &Source, ui: &Ui) -> Result<Vec<PathBuf>> {
    let store = store(source);
    let paths = nix.build(hosts, store, ui).await?;
    if let Some(store) = store {
        ui.say(format!("Bringing the result here from {}.", visible(store)));
        let fetched = nix.fetch(&paths, store, |event| ui.nix("", event)).await;
        ui.done("");
        fetched?;
    }
    Ok(paths)
}

/// nix builds on after a failure (`--keep-going`) but tells no result then: those that are there are looked for.
pub async fn tell_apart(
    nix: &Nix,
    hosts: &[String],
    source: &Source,
    error: anyhow::Error,
    ui: &Ui,
) -> Vec<Result<PathBuf>> {
    if hosts.len() == 1 {
        return vec![Err(error)];
    }
    ui.warn("Not everything could be built. Looking which hosts it is about.");
    let text = crate::error::render(&error);
    let whole = text.trim_end().trim_start_matches("Error: ");
    let store = store(source);
    at_most(
        EVALUATIONS,
        hosts.iter().map(|host| async move {
            let path = nix.out_path(host).await?;
            if nix.is_valid(&path, store).await {
                if let Some(store) = store {
                    let path = std::slice::from_ref(&path);
                    nix.fetch(path, store, |_| ()).await?;
                }
                return Ok(path);
            }
            Err(Failure::new(format!("{host} could not be built."))
                .source(anyhow::anyhow!("{whole}"))
                .into())
        }),
    )
    .await
}

fn store(source: &Source) -> Option<&str> {
    match source {
        Source::BuildHost(store) => Some(store),
        _ => None,
    }
}
