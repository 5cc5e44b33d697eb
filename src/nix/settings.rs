//! Nix's own settings, as far as they decide whether a system for another architecture can be built here.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Nix;
use super::builders::{self, Builder};

/// What this machine's Nix builds for, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The system nix itself was built for.
    pub system: String,
    /// Other systems whose programs nix is told it can run.
    pub extra_platforms: Vec<String>,
    /// Other machines that build.
    pub builders: Vec<Builder>,
    /// How many builds run here at once; none for as many as there are processors.
    pub max_jobs: Option<u64>,
    /// Builds see only what they are meant to see.
    pub sandbox: bool,
    /// What a sandbox shows besides: paths inside of it.
    sandbox_paths: Vec<String>,
    /// Builds are kept from a few system calls.
    pub filter_syscalls: bool,
}

impl Nix {
    /// Reads `nix config show`.
    pub async fn settings(&self) -> Result<Settings> {
        let text = self.cmd("config").args(["show", "--json"]).text().await?;
        let value = serde_json::from_str(&text).context("while reading `nix config show`")?;
        Ok(Settings::parse(&value))
    }
}

impl Settings {
    pub(super) fn parse(value: &Value) -> Self {
        let setting = |name: &str| &value[name]["value"];
        let text = |name: &str| setting(name).as_str().unwrap_or_default().to_owned();
        let list = |name: &str| -> Vec<String> {
            let items = setting(name).as_array().into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut builders = text("builders");
        // `@file` names a file of builders, one a line
        if let Some(file) = builders.strip_prefix('@') {
            builders = std::fs::read_to_string(file.trim()).unwrap_or_default();
        }
        Self {
            system: text("system"),
            extra_platforms: list("extra-platforms"),
            builders: builders::parse(&builders),
            max_jobs: setting("max-jobs").as_u64(),
            // `relaxed` is a sandbox for all builds that do not ask to go without
            sandbox: *setting("sandbox") != Value::Bool(false),
            sandbox_paths: list("sandbox-paths")
                .iter()
                .map(|path| inside(path).to_owned())
                .collect(),
            filter_syscalls: *setting("filter-syscalls") != Value::Bool(false),
        }
    }

    /// Nix is told that programs of `system` run here.
    pub fn accepts(&self, system: &str) -> bool {
        self.system == system || self.extra_platforms.iter().any(|p| p == system)
    }

    /// The first builder for `system`.
    pub fn builder_for(&self, system: &str) -> Option<&str> {
        let builder = self.builders_for(system).next();
        builder.map(|builder| builder.uri.as_str())
    }

    /// The builders for `system`.
    pub fn builders_for(&self, system: &str) -> impl Iterator<Item = &Builder> {
        let builds = move |builder: &&Builder| builder.builds(system, &self.system);
        self.builders.iter().filter(builds)
    }

    /// A build finds `path` where it looks for it.
    pub fn shows(&self, path: &Path) -> bool {
        !self.sandbox
            || self
                .sandbox_paths
                .iter()
                .any(|shown| path.starts_with(shown))
    }
}

/// Where a sandbox shows a path: `INSIDE=OUTSIDE` or `PATH`, with a `?` at the end when it may be missing.
fn inside(path: &str) -> &str {
    let path = path.split('=').next().unwrap_or_default();
    path.trim_end_matches('?')
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub fn settings(extra: &[&str], builders: &str, paths: &[&str]) -> Settings {
        Settings::parse(&json!({
            "system": { "value": "x86_64-linux" },
            "extra-platforms": { "value": extra },
            "builders": { "value": builders },
            "sandbox": { "value": true },
            "sandbox-paths": { "value": paths },
            "filter-syscalls": { "value": true },
        }))
    }

    #[test]
    fn builders_are_found_by_their_systems() {
        let builders = "ssh://a x86_64-linux - 4; ssh://b i686-linux,aarch64-linux - 8 # riscv64-linux\n# ssh://c armv7l-linux\nssh://d";
        let settings = settings(&[], builders, &[]);
        assert_eq!(settings.builder_for("aarch64-linux"), Some("ssh://b"));
        assert_eq!(settings.builder_for("x86_64-linux"), Some("ssh://a"));
        assert_eq!(settings.builder_for("armv7l-linux"), None);
        assert_eq!(settings.builder_for("riscv64-linux"), None);
    }

    #[test]
    fn a_builder_without_systems_is_for_this_machines_own() {
        let settings = settings(&[], "ssh://d; ssh://e -", &[]);
        assert_eq!(settings.builder_for("x86_64-linux"), Some("ssh://d"));
        assert_eq!(settings.builder_for("aarch64-linux"), None);
    }

    #[test]
    fn builders_are_read_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "ssh://b aarch64-linux\n").unwrap();
        let named = format!("@{}", file.path().display());
        let found = settings(&[], &named, &[]);
        assert_eq!(found.builder_for("aarch64-linux"), Some("ssh://b"));
        let missing = settings(&[], "@/nonexistent/machines", &[]);
        assert_eq!(missing.builder_for("aarch64-linux"), None);
    }

    #[test]
    fn a_sandbox_shows_the_paths_it_is_given_and_what_is_in_them() {
        let settings = settings(
            &[],
            "",
            &["/bin/sh=/usr/bin/bash", "/run/binfmt?", "/opt/q"],
        );
        assert!(settings.shows(Path::new("/run/binfmt/aarch64-linux")));
        assert!(settings.shows(Path::new("/bin/sh")) && settings.shows(Path::new("/opt/q")));
        assert!(!settings.shows(Path::new("/usr/bin/bash")));
        assert!(!settings.shows(Path::new("/opt/qemu")));
    }

    #[test]
    fn without_a_sandbox_a_build_sees_everything() {
        let mut value = json!({ "sandbox": { "value": false } });
        assert!(Settings::parse(&value).shows(Path::new("/usr/bin/bash")));
        value["sandbox"]["value"] = json!("relaxed");
        assert!(!Settings::parse(&value).shows(Path::new("/usr/bin/bash")));
    }
}
