//! Building flake attributes and copying closures.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

use super::Nix;
use crate::error::Failure;

#[derive(Deserialize)]
struct Built {
    outputs: BTreeMap<String, PathBuf>,
}

impl Nix {
    /// Builds attributes of the flake in one evaluation; their `out` paths, in the order asked for.
    /// Every line nix prints goes to `on_line`.
    pub async fn build(&self, attrs: &[String], on_line: impl FnMut(&str)) -> Result<Vec<PathBuf>> {
        let cmd = self
            .cmd("build")
            .args(["--no-link", "--json", "--print-build-logs", "--keep-going"])
            .args(attrs.iter().map(|attr| format!(".#{attr}")));
        let output = cmd.run_with(on_line).await.map_err(|e| {
            Failure::new(format!("{} could not be built.", attrs.join(", ")))
                .hint(format!(
                    "Repeat the build alone with `nix build .#{}`.",
                    attrs.join(" .#")
                ))
                .source(e)
        })?;
        let built: Vec<Built> =
            serde_json::from_slice(&output.stdout).context("while reading what nix built")?;
        let paths: Vec<PathBuf> = built
            .into_iter()
            .filter_map(|mut b| b.outputs.remove("out"))
            .collect();
        if paths.len() != attrs.len() {
            let text = format!(
                "nix built {} paths for {} attributes.",
                paths.len(),
                attrs.len()
            );
            return Err(Failure::new(text).into());
        }
        Ok(paths)
    }

    /// Copies a closure over SSH. `destination` is what ssh is given, `ssh_options` go to every ssh that nix starts.
    pub async fn copy(
        &self,
        path: &Path,
        destination: &str,
        ssh_options: &[String],
        on_line: impl FnMut(&str),
    ) -> Result<()> {
        let cmd = self
            .cmd("copy")
            .args(["--no-check-sigs", "--to", &format!("ssh://{destination}")])
            .arg(path)
            .env("NIX_SSHOPTS", ssh_options.join(" "));
        cmd.run_with(on_line).await.map(drop)
    }
}
