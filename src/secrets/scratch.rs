//! The plaintext of one secret while an editor has it: a file in memory that nobody else can read.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;
use rustix::io::FdFlags;
use zeroize::Zeroizing;

use crate::error::Failure;

const PREFIX: &str = "spinet-edit-";
/// From statfs(2): file systems that live in memory.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// A folder with one file; both are gone when this is dropped, whatever the editor left beside the file.
#[derive(Debug)]
pub struct Scratch {
    dir: tempfile::TempDir,
    file: PathBuf,
    /// Tells later runs that this folder is in use.
    _lock: File,
}

impl Scratch {
    /// Writes `content` to a file called `name`, readable by the user alone. Removes what killed runs left.
    pub fn new(name: &str, content: &[u8]) -> Result<Self> {
        let places = [
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
            Some("/dev/shm".into()),
            Some("/run/shm".into()),
        ];
        let mut last = None;
        for place in places.into_iter().flatten().filter(|p| in_memory(p)) {
            sweep(&place);
            match Self::in_place(&place, name, content) {
                Ok(scratch) => return Ok(scratch),
                Err(error) => last = Some(error),
            }
        }
        let failure = Failure::new("There is no place in memory to keep the plaintext while it is edited.")
            .hint("Set XDG_RUNTIME_DIR to a folder of yours on a tmpfs, or give the content with --from FILE or --from -.");
        Err(match last {
            Some(error) => failure.source(error).into(),
            None => failure.into(),
        })
    }

    fn in_place(place: &Path, name: &str, content: &[u8]) -> std::io::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(place)?;
        let lock = File::open(dir.path())?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        // the editor inherits it: an editor that outlives this run keeps what is typed in it
        rustix::io::fcntl_setfd(&lock, FdFlags::empty())?;
        let file = dir.path().join(name);
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)?
            .write_all(content)?;
        Ok(Self {
            dir,
            file,
            _lock: lock,
        })
    }

    pub fn path(&self) -> &Path {
        &self.file
    }

    /// What the file holds now.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>> {
        std::fs::read(&self.file)
            .map(Zeroizing::new)
            .context("while reading what the editor wrote")
    }

    /// Leaves the file where it is, for the user to take; later runs leave it alone too.
    pub fn keep(self) -> Result<PathBuf> {
        let name = self.file.file_name().unwrap_or_default().to_owned();
        let from = self.dir.keep();
        let kept = from.to_string_lossy().replace(PREFIX, "spinet-kept-");
        std::fs::rename(&from, &kept).context("while keeping what the editor wrote")?;
        Ok(Path::new(&kept).join(name))
    }
}

fn in_memory(place: &Path) -> bool {
    rustix::fs::statfs(place).is_ok_and(|fs| IN_MEMORY.contains(&fs.f_type))
}

/// Removes folders of this user that no process holds any more.
fn sweep(place: &Path) {
    let me = rustix::process::getuid().as_raw();
    let entries = place.read_dir().into_iter().flatten().flatten();
    for entry in entries {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // a folder that was made this moment may not be locked yet
        let old = |meta: &std::fs::Metadata| {
            meta.modified()
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > Duration::from_secs(2)))
        };
        let meta = entry.metadata();
        if !ours || !meta.is_ok_and(|m| m.is_dir() && m.uid() == me && old(&m)) {
            continue;
        }
        let free = File::open(entry.path()).is_ok_and(|dir| {
            rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok()
        });
        if free {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plaintext_is_in_memory_for_the_user_alone_and_gone_afterwards() {
        let scratch = Scratch::new("a", b"secret").unwrap();
        let path = scratch.path().to_owned();
        assert!(in_memory(&path));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let folder = path.parent().unwrap().to_owned();
        assert_eq!(
            folder.metadata().unwrap().permissions().mode() & 0o777,
            0o700
        );
        std::fs::write(folder.join("a~"), "a backup").unwrap();
        sweep(folder.parent().unwrap());
        assert_eq!(&scratch.read().unwrap()[..], b"secret");
        drop(scratch);
        assert!(!folder.exists());
    }

    #[test]
    fn what_is_kept_stays() {
        let path = Scratch::new("a", b"secret").unwrap().keep().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"secret");
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
