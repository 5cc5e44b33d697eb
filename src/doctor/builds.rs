//! Whether every system of the fleet can be built: by this machine, by its interpreters, or by others.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Error;

use super::finding::{Finding, Subject};
use crate::error::parts;
use crate::fleet::Host;
use crate::nix::{Builder, Machine, Nix, Trial, Way};
use crate::parallel::at_most;

const BUILDS: Subject = Subject::of("builds");

/// A trial may have to fetch a shell of the other system.
const TRIAL: Duration = Duration::from_secs(100);

/// `nix` is at work on the flake whose hosts these are.
pub async fn check(nix: &Nix, hosts: &[Host]) -> Vec<Finding> {
    if hosts.is_empty() {
        return Vec::new();
    }
    let machine = match Nix::new(Path::new("/")).machine().await {
        Ok(machine) => machine,
        Err(error) => return vec![BUILDS.error("settings", &error)],
    };
    let systems: BTreeSet<&str> = hosts.iter().map(|host| host.system.as_str()).collect();
    let machine = &machine;
    let each = systems.into_iter().map(|system| of(nix, machine, system));
    at_most(8, each).await.into_iter().flatten().collect()
}

async fn of(nix: &Nix, machine: &Machine, system: &str) -> Vec<Finding> {
    let verdict = machine.verdict(system);
    let way = match &verdict {
        Ok(Way::Native) if machine.settings.system == system => {
            return vec![BUILDS.ok("system", format!("{system}: this machine's own"))];
        }
        Ok(Way::Native) => "this machine's processor runs it".to_owned(),
        Ok(Way::Emulated { interpreter }) => format!("emulated by {}", interpreter.display()),
        Ok(Way::Remote { builder }) => format!("built by {builder}"),
        // by a setting that only the daemon sees
        Err(_) => "this machine builds for it".to_owned(),
    };
    let builders: Vec<&Builder> = machine.settings.builders_for(system).collect();
    let reach = async {
        let here = &Nix::new(Path::new("/"));
        let asked = builders
            .iter()
            .map(|builder| async move { (*builder, here.reach(builder).await) });
        at_most(8, asked).await
    };
    let trial = tokio::time::timeout(TRIAL, nix.trial(system, machine));
    let (trial, reached) = tokio::join!(trial, reach);
    let silent: Vec<Finding> = reached
        .iter()
        .filter_map(|(builder, result)| Some(unreached(builder, result.as_ref().err()?)))
        .collect();
    let is_built = matches!(trial, Ok(Trial::Built));
    let found = match (trial, verdict) {
        (Ok(Trial::Built), _) => BUILDS.ok("system", format!("{system}: {way}; a build was tried")),
        (Ok(Trial::Fails(cause)), _) => BUILDS.error("system", &cause.into()),
        (Ok(Trial::Unclear(_)), Err(missing)) => BUILDS.error("system", &missing.into()),
        (Ok(Trial::Unclear(error)), Ok(_)) => {
            let (what, causes, _) = parts(&error);
            let why = [vec![what], causes].concat().join("\n");
            BUILDS.warning(
                "system",
                format!("{system}: {way}, by the settings; a build could not be tried.\n{why}"),
            )
        }
        (Err(_), _) => {
            let seconds = TRIAL.as_secs();
            BUILDS.warning(
                "system",
                format!("{system}: {way}; the smallest build did not end within {seconds} s."),
            )
        }
    };
    let graver = silent.into_iter().map(|mut finding| {
        // nix may log in as another user, who gets in
        if is_built {
            finding.verdict = super::finding::Verdict::Warning;
        }
        finding
    });
    std::iter::once(found).chain(graver).collect()
}

fn unreached(builder: &Builder, error: &Error) -> Finding {
    let text = format!("{error:#}");
    let uri = &builder.uri;
    let (what, remedy) = if text.contains("Host key verification failed") {
        (
            "its host key is not known to you",
            "Compare its fingerprint and let it in: log in to it once with ssh, as root too where nix has a daemon (NixOS: programs.ssh.knownHosts).",
        )
    } else if text.contains("Permission denied") {
        (
            "it does not let you in",
            "Name a key that gets in, in the third word of the builder's line; where nix has a daemon, root must be able to read it.",
        )
    } else if text.contains("did not end within") || text.contains("connect to host") {
        (
            "it does not answer",
            "Is it on, and on this network? Otherwise take it out of `builders` (NixOS: nix.buildMachines): every build waits for it.",
        )
    } else {
        (
            "nix does not answer there",
            "Nix must be on the PATH of its logins: try `ssh HOST nix-store --version`.",
        )
    };
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    let last = last.unwrap_or_default().trim();
    BUILDS
        .failure(
            "builder",
            format!("The builder {uri} cannot be used: {what}.\n{last}"),
        )
        .remedy(remedy)
}
