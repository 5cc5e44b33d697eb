//! The `nix` command: what spinet evaluates, builds and copies, always in the user's own flake and settings.

mod activity;
mod build;
mod builders;
mod emulation;
mod info;
mod reason;
mod settings;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::Cmd;
use crate::ui::{EVALUATING, Ui};

pub use activity::{Event, Progress};
pub use builders::Builder;
pub use emulation::{Machine, Trial, Way};
pub use info::is_at_least;
pub use settings::Settings;

/// Nix at work on one flake.
#[derive(Clone)]
pub struct Nix {
    dir: PathBuf,
    /// Who sees that an evaluation takes its time.
    ui: Option<Ui>,
    /// Settings of the user's for every call.
    settings: Vec<String>,
}

impl Nix {
    /// `dir` is the folder of flake.nix.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            ui: None,
            settings: Vec::new(),
        }
    }

    /// Shows what an evaluation waits for.
    #[must_use]
    pub fn shown(mut self, ui: &Ui) -> Self {
        self.ui = Some(ui.clone());
        self
    }

    /// Gives arguments to every call: settings such as `--option NAME VALUE`.
    #[must_use]
    pub fn with(mut self, settings: Vec<String>) -> Self {
        self.settings = settings;
        self
    }

    /// Evaluates an output of the flake to JSON (a leading dot keeps nix from trying `packages` first); `apply` is a Nix function to run over it first.
    pub async fn eval(&self, attr: &str, apply: Option<&str>) -> Result<Value> {
        let mut cmd = self.cmd("eval").args(["--json", &format!(".#.{attr}")]);
        if let Some(function) = apply {
            cmd = cmd.args(["--apply", function]);
        }
        let text = match &self.ui {
            Some(ui) => {
                let watched = build::watch(cmd, |event| ui.nix("", event));
                let output = ui.during(EVALUATING, watched).await?;
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
            None => cmd.text().await?,
        };
        serde_json::from_str(&text).with_context(|| format!("while reading the flake's {attr}"))
    }

    fn cmd(&self, subcommand: &str) -> Cmd {
        Cmd::new("nix")
            .args([
                "--extra-experimental-features",
                "nix-command flakes",
                subcommand,
            ])
            .args(&self.settings)
            .dir(&self.dir)
            .reason(reason::of)
            .or_install("Install Nix (nixos.org/download); version 2.20 or newer is enough.")
    }
}
