//! The card, held open: one exclusive descriptor from the first look to the last byte.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, OFlags, fcntl_getfl, fcntl_setfl, flock};

use super::disk;
use crate::error::Failure;

/// An open card.
#[derive(Debug)]
pub struct Device {
    pub path: PathBuf,
    pub file: File,
    /// Bytes; a card file grows to its image.
    pub size: u64,
    pub is_file: bool,
    /// What the user should know before it is erased.
    pub describe: String,
    /// A file that was made for this run or was empty: nothing can be lost.
    pub blank: bool,
}

impl Device {
    /// Opens a whole disk, or a file to write the card into, so that nobody else can use it meanwhile.
    pub async fn open(path: &Path, allow_fixed_disk: bool) -> Result<Self> {
        match std::fs::metadata(path) {
            Ok(meta) if meta.file_type().is_block_device() => {
                Self::open_disk(path, allow_fixed_disk).await
            }
            Ok(meta) if meta.is_file() => Self::open_file(path),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !path.starts_with("/dev") => {
                Self::open_file(path)
            }
            Err(e) => Err(
                Failure::new(format!("There is no card {}.", path.display()))
                    .hint("`spinet card list` shows what is there.")
                    .source(e)
                    .into(),
            ),
            Ok(_) => Err(
                Failure::new(format!("{} is neither a disk nor a file.", path.display())).into(),
            ),
        }
    }

    async fn open_disk(path: &Path, allow_fixed_disk: bool) -> Result<Self> {
        let shown = path.display();
        let disk = disk::at(path)
            .await?
            .with_context(|| format!("lsblk does not know {shown}."))?;
        if let Some(why) = disk.refusal(allow_fixed_disk) {
            return Err(Failure::new(format!("{shown} is not written: {why}"))
                .hint("`spinet card list` shows which disks could be a card.")
                .into());
        }
        // O_EXCL on a block device: refused while anything has it mounted or in use
        let open = File::options()
            .read(true)
            .write(true)
            .custom_flags(exclusive())
            .open(path);
        let file = open.map_err(|e| {
            let failure = Failure::new(format!("{shown} could not be opened for this run alone."));
            match e.kind() {
                std::io::ErrorKind::ResourceBusy => failure.hint(
                    "Something uses it: unmount its partitions and close programs that look at it.",
                ),
                std::io::ErrorKind::PermissionDenied => failure.hint(
                    "Writing disks needs root; spinet asks for it through sudo, run0 or doas.",
                ),
                _ => failure,
            }
            .source(e)
        })?;
        lock(&file, path)?;
        let size = disk.size;
        let describe = disk.describe();
        Ok(Self {
            path: path.to_owned(),
            file,
            size,
            is_file: false,
            describe,
            blank: false,
        })
    }

    fn open_file(path: &Path) -> Result<Self> {
        let shown = path.display();
        let dir = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let dir = dir.canonicalize().map_err(|e| {
            Failure::new(format!(
                "The folder of the card file {shown} does not exist."
            ))
            .source(e)
        })?;
        if let Some(tree) = dir
            .ancestors()
            .find(|d| d.join(".git").exists() || d.join("flake.nix").exists())
        {
            return Err(Failure::new(format!("The card file {shown} would lie in {}, a flake or git work tree.", tree.display()))
                .hint("It holds secrets, and nix would copy it into its store, readable for all: put it elsewhere.")
                .into());
        }
        let open = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nofollow())
            .open(path);
        let file = open.map_err(|e| {
            Failure::new(format!("The card file {shown} could not be opened.")).source(e)
        })?;
        lock(&file, path)?;
        let meta = file
            .metadata()
            .with_context(|| format!("while reading {shown}"))?;
        if !meta.is_file() {
            return Err(Failure::new(format!("{shown} is not a regular file.")).into());
        }
        // it will hold a private key, whoever made it
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        file.set_permissions(private)
            .with_context(|| format!("while making {shown} private"))?;
        let blank = meta.len() == 0;
        let describe = if blank {
            "a new file".into()
        } else {
            format!("a file of {}", crate::ui::bytes(meta.len()))
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            size: meta.len(),
            is_file: true,
            describe,
            blank,
        })
    }

    /// Makes room for an image; a disk that is too small is refused before the first byte.
    pub fn make_room(&mut self, image: u64) -> Result<()> {
        if self.size >= image {
            return Ok(());
        }
        if !self.is_file {
            let (have, need) = (crate::ui::bytes(self.size), crate::ui::bytes(image));
            return Err(Failure::new(format!(
                "{} is too small: it holds {have}, the image needs {need}.",
                self.path.display()
            ))
            .into());
        }
        self.file
            .set_len(image)
            .with_context(|| format!("while growing {}", self.path.display()))?;
        self.size = image;
        Ok(())
    }

    /// Switches the page cache off or on; false where the file system refuses direct access.
    pub fn direct(&self, on: bool) -> bool {
        let Ok(mut flags) = fcntl_getfl(&self.file) else {
            return false;
        };
        flags.set(OFlags::DIRECT, on);
        fcntl_setfl(&self.file, flags).is_ok()
    }
}

fn lock(file: &File, path: &Path) -> Result<()> {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|e| {
        Failure::new(format!("{} is being written already.", path.display()))
            .hint("Another spinet holds it; wait until it is through.")
            .source(e)
            .into()
    })
}

fn exclusive() -> i32 {
    OFlags::EXCL.bits().cast_signed()
}

fn nofollow() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}
