//! The proof: a shell of the wanted system is run in a build, here and now.

use anyhow::{Error, Result};

use super::symptom::Symptom;
use super::{Machine, Way};
use crate::error::Failure;
use crate::nix::Nix;

/// What came of a trial.
pub enum Trial {
    /// Builds for the system work.
    Built,
    /// They do not, and this is why.
    Fails(Failure),
    /// It failed, but not on account of its system: the flake has no trials, the shell could not be downloaded.
    Unclear(Error),
}

impl Nix {
    /// Builds the flake's trial for `system`, again if it was built before. Changes no setting.
    pub async fn trial(&self, system: &str, machine: &Machine) -> Trial {
        let verdict = machine.verdict(system);
        // a builder is not asked to build again: nix repeats builds on its own machine only
        let is_remote = matches!(verdict, Ok(Way::Remote { .. }));
        let built = match self.build_trial(system, &[]).await {
            // nix tells what it builds; anything else was in the store already, and proves nothing about now
            Ok(said) if is_remote || said.contains("building '") => Ok(said),
            Ok(_) => self.build_trial(system, &["--rebuild"]).await,
            Err(error) => Err(error),
        };
        match built {
            Ok(_) => Trial::Built,
            Err(error) => match Symptom::of(&text(&error), system) {
                Some(symptom) => {
                    Trial::Fails(symptom.explain(system, machine, verdict).source(error))
                }
                None => Trial::Unclear(error),
            },
        }
    }

    /// Fails with the cause unless systems of this architecture can be built: by this machine's settings if nix would
    /// refuse anyway, else by a trial.
    pub async fn check_builds_for(&self, system: &str) -> Result<()> {
        let machine = self.machine().await?;
        let verdict = machine.verdict(system);
        if machine.is_own(system) || (verdict.is_err() && !machine.settings.accepts(system)) {
            return Ok(verdict.map(drop)?);
        }
        // the daemon may see another table of interpreters than this process: the trial knows better
        match self.trial(system, &machine).await {
            Trial::Built => Ok(()),
            Trial::Fails(cause) => Err(cause.into()),
            Trial::Unclear(error) => match verdict {
                Ok(_) => Ok(()),
                Err(missing) => Err(missing.source(error).into()),
            },
        }
    }

    /// Why builds for `systems` failed, if that is because programs of one of them do not run here; `error` is then the
    /// source. Otherwise `error` as it is.
    pub async fn explain_failed_build(&self, systems: &[String], error: Error) -> Error {
        let Ok(machine) = self.machine().await else {
            return error;
        };
        for (index, system) in systems.iter().enumerate() {
            if machine.is_own(system) || systems[..index].contains(system) {
                continue;
            }
            let cause = match self.trial(system, &machine).await {
                Trial::Built => None,
                Trial::Fails(cause) => Some(cause),
                // what the build itself showed has to do
                Trial::Unclear(_) => Symptom::of(&text(&error), system)
                    .map(|symptom| symptom.explain(system, &machine, machine.verdict(system))),
            };
            if let Some(cause) = cause {
                return cause.source(error).into();
            }
        }
        error
    }

    /// What nix said.
    async fn build_trial(&self, system: &str, options: &[&str]) -> Result<String> {
        let cmd = self
            .cmd("build")
            .args(["--no-link", "--print-build-logs"])
            .args(options)
            .arg(format!(".#.spinet.trials.{system}"));
        Ok(cmd.run().await?.stderr)
    }
}

/// Everything an error says.
fn text(error: &Error) -> String {
    let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
    chain.join("\n")
}
