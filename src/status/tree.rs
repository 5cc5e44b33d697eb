//! Whether the flake is what it was: evaluation is pure, so it can change only with the commit and the files that git
//! tracks. A changed file has another change time, whatever its own clock says.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::git;
use crate::process::Cmd;

/// The commit, and the traces of each tracked file.
#[derive(Debug, PartialEq, Eq)]
pub struct Tree {
    head: Option<String>,
    files: Vec<(PathBuf, Option<Trace>)>,
}

/// What a change leaves behind: inode, mode, size, and the times of change in seconds and nanoseconds.
type Trace = (u64, u32, u64, [i64; 4]);

impl Tree {
    /// The work tree as it is now; none where git does not tell.
    pub async fn of(root: &Path) -> Option<Self> {
        let head = Cmd::new("git").args(["rev-parse", "--verify", "--quiet", "HEAD"]);
        let head = head.dir(root).text().await.ok();
        let files = git::files(root, &[]).await.ok()?;
        let files = files.into_iter().map(|file| {
            let trace = trace(&root.join(&file));
            (file, trace)
        });
        Some(Self {
            head,
            files: files.collect(),
        })
    }
}

fn trace(file: &Path) -> Option<Trace> {
    let found = file.symlink_metadata().ok()?;
    let times = [
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ];
    Some((found.ino(), found.mode(), found.size(), times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_tracks_counts_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let now = || runtime.block_on(Tree::of(root));
        let git = |args: &[&str]| {
            let git = Cmd::new("git").args(["-c", "user.name=a", "-c", "user.email=a@b"]);
            runtime.block_on(git.args(args).dir(root).run()).unwrap();
        };
        assert_eq!(now(), None);
        git(&["init", "-q"]);
        std::fs::write(root.join("flake.nix"), "{ }").unwrap();
        git(&["add", "-A"]);
        let first = now();
        assert!(first.is_some() && first == now());
        std::fs::write(root.join("notes"), "of no account").unwrap();
        assert_eq!(first, now());
        // as long, and as old
        let file = std::fs::File::options()
            .write(true)
            .open(root.join("flake.nix"))
            .unwrap();
        let before = file.metadata().unwrap().modified().unwrap();
        std::fs::write(root.join("flake.nix"), "{3}").unwrap();
        file.set_modified(before).unwrap();
        let changed = now();
        assert_ne!(first, changed);
        git(&["add", "--intent-to-add", "notes"]);
        let told = now();
        assert_ne!(changed, told);
        git(&["commit", "-qam", "x"]);
        assert_ne!(told, now());
        std::fs::remove_file(root.join("notes")).unwrap();
        assert_ne!(told, now());
    }
}
