//! The git work tree around a flake: a flake sees only what git tracks.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::process::Cmd;

/// The root of the work tree around a folder; none where there is no git, or no work tree.
pub async fn work_tree(folder: &Path) -> Option<PathBuf> {
    let top = Cmd::new("git").args(["rev-parse", "--show-toplevel"]);
    top.dir(folder).text().await.ok().map(PathBuf::from)
}

/// Makes new files visible to the flake, and tells which ones. Nothing is committed; without a work tree nothing is done.
pub async fn track(root: &Path, files: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut new = Vec::new();
    if files.is_empty() || work_tree(root).await.is_none() {
        return Ok(new);
    }
    for file in files {
        let known = Cmd::new("git")
            .args(["ls-files", "--error-unmatch", "--"])
            .arg(file);
        if !known.dir(root).output().await?.status.success() {
            new.push(file.clone());
        }
    }
    if !new.is_empty() {
        let add = Cmd::new("git")
            .args(["add", "--intent-to-add", "--"])
            .args(&new);
        add.dir(root).run().await?;
    }
    Ok(new)
}

/// The files below a folder that git neither tracks nor was told to ignore, relative to the folder.
pub async fn untracked(folder: &Path) -> Result<Vec<PathBuf>> {
    files(folder, &["--others", "--exclude-standard"]).await
}

/// The files below a folder that `git ls-files` lists when asked for these kinds, relative to the folder.
pub async fn files(folder: &Path, kinds: &[&str]) -> Result<Vec<PathBuf>> {
    let list = Cmd::new("git").arg("ls-files").args(kinds);
    let output = list.args(["-z", "--", "."]).dir(folder).run().await?;
    let names = output.stdout.split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty());
    Ok(names.map(|name| OsStr::from_bytes(name).into()).collect())
}

/// The commit checked out in a folder, with `-dirty` when tracked files differ from it, as nix names such a tree. None
/// without git or before the first commit.
pub async fn revision(folder: &Path) -> Option<String> {
    let describe = [
        "--no-optional-locks",
        "describe",
        "--always",
        "--exclude=*",
        "--abbrev=64",
        "--dirty",
    ];
    let describe = Cmd::new("git").args(describe).dir(folder);
    let revision = describe.text().await.ok()?;
    (!revision.is_empty()).then_some(revision)
}
