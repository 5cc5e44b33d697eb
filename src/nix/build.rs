//! Building flake attributes and copying closures.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

use super::Nix;
use super::activity::{Activity, Event};
use crate::error::Failure;
use crate::process::{Cmd, Output};
use crate::ui::{EVALUATING, Ui};

/// Runs nix and tells what it does. Its text alone is left of what it printed.
pub(super) async fn watch(cmd: Cmd, mut on_event: impl FnMut(Event<'_>)) -> Result<Output> {
    let cmd = cmd.args(["--log-format", "internal-json"]);
    let mut activity = Activity::default();
    let read = |line: &str| activity.read(line, &mut on_event);
    let mut output = cmd.output_with(read).await?;
    output.stderr = activity.into_text();
    if output.status.success() {
        Ok(output)
    } else {
        Err(cmd.failed(&output))
    }
}

#[derive(Deserialize)]
struct Built {
    outputs: BTreeMap<String, PathBuf>,
}

impl Nix {
    /// Builds attributes of the flake in one evaluation; their `out` paths, in the order asked for. `store` is where they
    /// are built and stay, in the place of this machine.
    pub async fn build(
        &self,
        attrs: &[String],
        store: Option<&str>,
        ui: &Ui,
    ) -> Result<Vec<PathBuf>> {
        let cmd = self
            .elsewhere("build", store)
            .args(["--no-link", "--json", "--print-build-logs", "--keep-going"])
            .args(attrs.iter().map(|attr| format!(".#{attr}")));
        let building = self.paths(cmd, attrs, |event| ui.nix("", event));
        ui.during(EVALUATING, building).await
    }

    /// Builds one attribute on the host itself; `ssh_options` go to every ssh that nix starts. What nix does meanwhile goes
    /// to `on_event`.
    pub async fn build_on(
        &self,
        attr: &str,
        destination: &str,
        ssh_options: &[String],
        on_event: impl FnMut(Event<'_>),
    ) -> Result<PathBuf> {
        let cmd = self
            .elsewhere("build", Some(&format!("ssh-ng://{destination}")))
            .args(["--no-link", "--json", "--print-build-logs"])
            .arg(format!(".#{attr}"))
            .env("NIX_SSHOPTS", ssh_options.join(" "));
        let mut paths = self.paths(cmd, &[attr.to_owned()], on_event).await?;
        Ok(paths.remove(0))
    }

    fn elsewhere(&self, subcommand: &str, store: Option<&str>) -> Cmd {
        let cmd = self.cmd(subcommand);
        match store {
            Some(store) => cmd.args(["--eval-store", "auto", "--store", store]),
            None => cmd,
        }
    }

    async fn paths(
        &self,
        cmd: Cmd,
        attrs: &[String],
        on_event: impl FnMut(Event<'_>),
    ) -> Result<Vec<PathBuf>> {
        let output = watch(cmd, on_event).await.map_err(|e| {
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

    /// Copies a closure to a store URL. `ssh_options` go to every ssh that nix starts.
    pub async fn copy(
        &self,
        paths: &[PathBuf],
        store: &str,
        ssh_options: &[String],
        substitute: bool,
        on_event: impl FnMut(Event<'_>),
    ) -> Result<()> {
        let mut cmd = self
            .cmd("copy")
            .args(["--no-check-sigs", "--to", store])
            .args(paths);
        if substitute {
            cmd = cmd.arg("--substitute-on-destination");
        }
        if !ssh_options.is_empty() {
            cmd = cmd.env("NIX_SSHOPTS", ssh_options.join(" "));
        }
        watch(cmd, on_event).await.map(drop)
    }

    /// Copies closures from another store into this machine's.
    pub async fn fetch(
        &self,
        paths: &[PathBuf],
        store: &str,
        on_event: impl FnMut(Event<'_>),
    ) -> Result<()> {
        let cmd = self
            .cmd("copy")
            .args(["--no-check-sigs", "--from", store])
            .args(paths);
        watch(cmd, on_event).await.map(drop)
    }

    /// The path an attribute has when it is built; nothing is built.
    pub async fn out_path(&self, attr: &str) -> Result<PathBuf> {
        let cmd = self
            .cmd("eval")
            .args(["--raw", &format!(".#{attr}.outPath")]);
        cmd.text().await.map(PathBuf::from)
    }

    /// Whether a path is in the store, by default this machine's.
    pub async fn is_valid(&self, path: &Path, store: Option<&str>) -> bool {
        let mut cmd = self.cmd("path-info").arg(path);
        if let Some(store) = store {
            cmd = cmd.args(["--store", store]);
        }
        cmd.run().await.is_ok()
    }

    /// Every path of a closure in the local store with the hash of its archive, as `nix-store --query --hash` prints it.
    pub async fn closure_hashes(&self, path: &Path) -> Result<BTreeMap<String, String>> {
        let paths: Vec<String> = self.closure_sizes(path).await?.into_keys().collect();
        let cmd = Cmd::new("nix-store")
            .args(["--query", "--hash"])
            .args(&paths);
        let hashes = cmd.text().await?;
        Ok(paths
            .into_iter()
            .zip(hashes.lines().map(str::to_owned))
            .collect())
    }

    /// Every path of a closure in the local store with its size in bytes.
    pub async fn closure_sizes(&self, path: &Path) -> Result<BTreeMap<String, u64>> {
        let cmd = self
            .cmd("path-info")
            .args(["--recursive", "--size"])
            .arg(path);
        let text = cmd.text().await?;
        let row = |line: &str| {
            let (path, size) = line.split_once(char::is_whitespace)?;
            Some((path.to_owned(), size.trim().parse().ok()?))
        };
        Ok(text.lines().filter_map(row).collect())
    }
}
