//! The scratch folder of a rehearsal: a copy of the flake as git has it, with keys, secrets and a network made for the
//! occasion, and a home of its own for every program that works on it. Nothing of the user's is read but the flake, nix'
//! cache and settings, and nothing is written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::network::Network;
use crate::fleet::{Flake, Fleet, Host, Needs};
use crate::git;
use crate::process::Cmd;
use crate::ui::Ui;

/// The folder. It is removed when dropped, unless it is kept.
pub struct Scratch {
    dir: TempDir,
    pub flake: Flake,
    /// Private keys that read the secrets, as `--identity` takes them.
    pub identities: Vec<PathBuf>,
    /// Those of them that the host lets in.
    pub logins: Vec<PathBuf>,
    /// The pinned keys.
    pub known_hosts: PathBuf,
    /// The agenix rules.
    pub rules: PathBuf,
    /// All secrets that the host reads are there.
    pub is_whole: bool,
    /// The host is to join a network.
    pub has_wifi: bool,
}

/// What a scratch folder is made from.
pub struct Original<'a> {
    pub flake: &'a Flake,
    pub fleet: &'a Fleet,
    pub host: &'a Host,
    pub needs: &'a Needs,
    /// `--secrets`
    pub contents: Option<&'a Path>,
}

impl Scratch {
    /// Makes the folder below `$TMPDIR`, else `/var/tmp`: a card is too large for a `/tmp` in memory.
    pub async fn of(original: &Original<'_>, ui: &Ui) -> Result<Self> {
        let base = std::env::var_os("TMPDIR").map_or("/var/tmp".into(), PathBuf::from);
        let dir = tempfile::Builder::new()
            .prefix("spinet-rehearsal.")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&base)
            .with_context(|| format!("while making a scratch folder in {}", base.display()))?;
        let work_tree = dir.path().canonicalize()?.join("flake");
        let inside = original.flake.dir.strip_prefix(&original.flake.work_tree);
        let flake = Flake {
            dir: work_tree.join(inside.unwrap_or(Path::new(""))),
            work_tree,
        };
        let mut scratch = Self {
            dir,
            known_hosts: flake.dir.join(&original.fleet.known_hosts),
            rules: flake.dir.join(&original.fleet.rules),
            flake,
            identities: Vec::new(),
            logins: Vec::new(),
            is_whole: original.needs.secrets.iter().all(|secret| {
                let file = original.flake.dir.join(&secret.file);
                file.exists()
            }),
            has_wifi: original.needs.secrets.iter().any(|secret| secret.wifi),
        };
        for folder in ["bin", "home/.ssh", "state", "wifi"] {
            fs::create_dir_all(scratch.path().join(folder))?;
        }
        let from = &original.flake.work_tree;
        let files = git::files(from, &["--cached"]).await?;
        copy(&files, from, &scratch.flake.work_tree, ui)?;
        let keys = scratch.replace_keys(original, &files).await?;
        scratch.write_keys(&keys, original)?;
        scratch.write_ssh(original.host)?;
        scratch.make_secrets(original, &keys, ui).await?;
        scratch.commit().await?;
        Ok(scratch)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A file of the folder itself.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Leaves the folder behind and tells where it is.
    pub fn keep(self) -> PathBuf {
        self.dir.keep()
    }

    /// This program on the scratch flake, in the network of the virtual Pi.
    pub fn spinet(&self, network: &Network, args: &[&str]) -> Result<Cmd> {
        let own = std::env::current_exe().context("while looking for spinet's own program")?;
        Ok(self.at_home(network.cmd(own).args(args)))
    }

    /// `--identity FILE` for each of the made keys that read secrets.
    pub fn identity_flags(&self) -> Vec<String> {
        let flags = self.identities.iter();
        flags
            .flat_map(|file| ["--identity".to_owned(), file.display().to_string()])
            .collect()
    }

    /// The environment of whoever works on the scratch flake.
    pub fn at_home(&self, cmd: Cmd) -> Cmd {
        let own = std::env::var_os("HOME")
            .map(PathBuf::from)
            .unwrap_or_default();
        // nix' settings and what it has fetched already
        let shared = |name, usual| std::env::var_os(name).map_or(own.join(usual), PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(
            std::iter::once(self.file("bin")).chain(std::env::split_paths(&path)),
        );
        cmd.env("XDG_CACHE_HOME", shared("XDG_CACHE_HOME", ".cache"))
            .env("XDG_CONFIG_HOME", shared("XDG_CONFIG_HOME", ".config"))
            .env("XDG_STATE_HOME", self.file("state"))
            .env("HOME", self.file("home"))
            .env("PATH", path.unwrap_or_default())
            .without_env("SSH_AUTH_SOCK")
            .without_env("RULES")
            .dir(&self.flake.dir)
    }

    async fn commit(&self) -> Result<()> {
        let git = |args: &[&str]| {
            let who = [
                "-c",
                "user.name=spinet",
                "-c",
                "user.email=spinet@localhost",
                "-c",
                "commit.gpgsign=false",
            ];
            let cmd = Cmd::new("git").args(who).args(args);
            cmd.dir(&self.flake.work_tree)
        };
        git(&["init", "--quiet", "--template="]).run().await?;
        // what git tracks although it was told to ignore it is tracked here as well
        git(&["add", "--all", "--force"]).run().await?;
        let message = "Copy a flake to rehearse on";
        git(&["commit", "--quiet", "--no-verify", "--message", message])
            .run()
            .await?;
        Ok(())
    }
}

/// Copies files, named relative to both folders, as they lie there now.
fn copy(files: &[PathBuf], from: &Path, to: &Path, ui: &Ui) -> Result<()> {
    for file in files {
        let (source, target) = (from.join(file), to.join(file));
        let Ok(meta) = fs::symlink_metadata(&source) else {
            // deleted, and git was not told
            continue;
        };
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        let done = if meta.is_symlink() {
            fs::read_link(&source).and_then(|to| symlink(to, &target))
        } else if meta.is_dir() {
            ui.warn(format!(
                "{} is a git repository of its own (a submodule) and is left out.",
                file.display()
            ));
            Ok(())
        } else {
            fs::copy(&source, &target).map(drop)
        };
        done.with_context(|| format!("while copying {}", source.display()))?;
    }
    Ok(())
}
