//! The `nix` command: what spinet evaluates, builds and copies, always in the user's own flake and settings.

mod activity;
mod build;
mod builders;
mod emulation;
mod info;
mod settings;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::Cmd;

pub use activity::{Event, Progress};
pub use builders::Builder;
pub use emulation::{Machine, Trial, Way};
pub use info::is_at_least;
pub use settings::Settings;

/// Nix at work on one flake.
#[derive(Debug, Clone)]
pub struct Nix {
    dir: PathBuf,
    /// Settings of the user's for every call.
    settings: Vec<String>,
}

impl Nix {
    /// `dir` is the folder of flake.nix.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            settings: Vec::new(),
        }
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
        let text = cmd.text().await?;
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
            .or_install("Install Nix (nixos.org/download); version 2.20 or newer is enough.")
    }
}
