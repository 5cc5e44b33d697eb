//! The system that goes to a host: built here or there, or what it had before; and what it says about itself.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::job::{Job, Reached};
use super::options::Source;
use super::stage::Stage;
use crate::error::Failure;
use crate::host::manifest::Manifest;
use crate::host::root::Root;
use crate::host::ssh::Target;
use crate::host::status::Status;
use crate::nix::Event;
use crate::ui::visible;

/// A system to bring to a host.
pub struct Build {
    pub toplevel: String,
    /// What is activated: the toplevel, or its specialisation.
    pub runs: String,
    pub manifest: Manifest,
}

impl Job<'_> {
    /// The system, wherever it comes from, and what it says about itself.
    pub(super) async fn system(
        &self,
        reached: &Reached,
        built: Option<Result<PathBuf>>,
    ) -> Result<Build> {
        let target = &reached.target;
        let (toplevel, manifest) = match (&self.run.options.source, built) {
            (Source::Previous, _) => {
                let toplevel = self.previous(&reached.status)?;
                let manifest = Manifest::on(target, &toplevel).await.map_err(|e| {
                    Failure::new(format!(
                        "{} no longer has what it ran before: {toplevel}.",
                        self.name()
                    ))
                    .hint("It was collected as garbage. Deploy the revision you want from git.")
                    .source(e)
                })?;
                (toplevel, manifest)
            }
            (_, Some(built)) => {
                let path = built?;
                (path.display().to_string(), Manifest::of(&path)?)
            }
            (_, None) => {
                let name = self.name();
                self.ui().say(format!("{name}: building there"));
                self.stage(Stage::Copy, "building there");
                let (options, to) = (target.shared_options(), target.destination());
                let nix = &self.run.nix;
                let to = match self.guard(&target.host.user).root {
                    Root::Sudo => format!("{to}?remote-program=sudo%20-n%20nix-daemon"),
                    Root::Already | Root::Password(_) => to,
                };
                let show = |event: Event<'_>| self.ui().nix(name, event);
                let path = nix.build_on(name, &to, &options, show).await;
                self.ui().done(name);
                let path = path?;
                let toplevel = path.display().to_string();
                let manifest = Manifest::on(target, &toplevel).await?;
                (toplevel, manifest)
            }
        };
        let runs = self.runs(target, &toplevel).await?;
        Ok(Build {
            toplevel,
            runs,
            manifest,
        })
    }

    fn previous(&self, status: &Status) -> Result<String> {
        if status.previous.is_empty() {
            return Err(Failure::new(format!(
                "{} has nothing to go back to: nothing was confirmed on it before what it has now.",
                self.name()
            ))
            .hint("Deploy the revision you want from git.")
            .into());
        }
        Ok(status.previous.clone())
    }

    /// What is activated of a toplevel.
    async fn runs(&self, target: &Target, toplevel: &str) -> Result<String> {
        let Some(special) = &self.run.options.specialisation else {
            return Ok(toplevel.to_owned());
        };
        let missing = || {
            Failure::usage(format!(
                "{} has no specialisation {}.",
                self.name(),
                visible(special)
            ))
            .hint("They are the names under `specialisation` in its configuration.")
        };
        if special.is_empty() || special.contains('/') || special.starts_with('.') {
            return Err(missing().into());
        }
        let link = format!("{toplevel}/specialisation/{special}");
        if Path::new(toplevel).exists() {
            let runs = Path::new(&link).canonicalize().map_err(|_| missing())?;
            return Ok(runs.display().to_string());
        }
        let remote = Root::Already.run(&["readlink", "-e", &link], &[]);
        let output = target.run(&remote, None, |_| ()).await?;
        let runs = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if runs.is_empty() {
            return Err(missing().into());
        }
        Ok(runs)
    }
}
