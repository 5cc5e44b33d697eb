//! The systems of all hosts, built in one evaluation; what fails for one host fails for that host alone.

use std::path::PathBuf;

use anyhow::Result;

use super::options::Source;
use crate::error::Failure;
use crate::nix::Nix;
use crate::parallel::at_most;
use crate::ui::Ui;

/// How many evaluations run side by side to find out which host a failed build is about.
const EVALUATIONS: usize = 4;

/// The toplevel of each host, or why there is none.
pub async fn build(nix: &Nix, hosts: &[String], source: &Source, ui: &Ui) -> Vec<Result<PathBuf>> {
    let store = match source {
        Source::BuildHost(store) => Some(store.as_str()),
        _ => None,
    };
    let built = nix.build(hosts, store, |line| ui.build_line(line)).await;
    ui.progress_done();
    let paths = match built {
        Ok(paths) => paths,
        Err(error) if hosts.len() == 1 => return vec![Err(error)],
        Err(error) => return tell_apart(nix, hosts, store, &error, ui).await,
    };
    if let Some(store) = store {
        ui.say(format!("Bringing the result here from {store}."));
        if let Err(error) = nix.fetch(&paths, store, |line| ui.build_line(line)).await {
            let text = crate::error::render(&error);
            let failed = |_| Err(Failure::new(text.trim_end()).into());
            return paths.iter().map(failed).collect();
        }
        ui.progress_done();
    }
    paths.into_iter().map(Ok).collect()
}

/// nix builds on after a failure (`--keep-going`) but tells no result then: those that are there are looked for.
async fn tell_apart(
    nix: &Nix,
    hosts: &[String],
    store: Option<&str>,
    error: &anyhow::Error,
    ui: &Ui,
) -> Vec<Result<PathBuf>> {
    ui.warn("Not everything could be built. Looking which hosts it is about.");
    let text = crate::error::render(error);
    let whole = text.trim_end().trim_start_matches("Error: ");
    at_most(
        EVALUATIONS,
        hosts.iter().map(|host| async move {
            let path = nix.out_path(host).await?;
            if nix.is_valid(&path, store).await {
                if let Some(store) = store {
                    nix.fetch(std::slice::from_ref(&path), store, |_| ())
                        .await?;
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
