//! The card, held open: one exclusive descriptor from the first look to the last byte.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{Advice, FlockOperation, OFlags, fadvise, fcntl_getfl, fcntl_setfl, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::disk;
use super::user::User;
use super::uses::{self, Number};
use crate::error::Failure;
use crate::ui::bytes;

/// udev looks at a card that was just put in, and holds it meanwhile: tries to lock it, and the pause between them.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// The card to open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CardRequest {
    pub path: PathBuf,
    /// `--allow-fixed-disk`
    pub allow_fixed_disk: bool,
    /// The kernel's number of the card that the user chose from a list.
    pub sequence: Option<u64>,
}

/// What tells the card in a reader from the next one.
#[derive(Debug, PartialEq, Eq)]
struct Medium {
    number: Number,
    sequence: Option<u64>,
    /// Bytes.
    size: u64,
}

/// An open card.
#[derive(Debug)]
pub struct Device {
    pub path: PathBuf,
    pub file: File,
    /// Bytes; a card file grows to its image.
    pub size: u64,
    /// None for a file.
    medium: Option<Medium>,
    /// What the user should know before it is erased.
    pub describe: String,
    /// A file that was made for this run or was empty: nothing can be lost.
    pub blank: bool,
}

impl Device {
    /// Opens a whole disk, or a file to write the card into, so that nobody else can use it meanwhile.
    /// `by` opens files as the user would; disks are opened with all rights.
    pub async fn open(card: &CardRequest, by: &User) -> Result<Self> {
        let path = &card.path;
        let among_devices = path.parent() == Some(Path::new("/dev"));
        match std::fs::metadata(path) {
            Ok(meta) if meta.file_type().is_block_device() => Self::open_disk(card).await,
            Ok(meta) if meta.is_file() && among_devices => Err(Failure::new(format!(
                "{} is an ordinary file where a device should be.",
                path.display()
            ))
            .hint("Some program wrote to a device that was not there. Remove the file, it takes memory, and put the card in.")
            .into()),
            Ok(meta) if meta.is_file() => by.run(|| Self::open_file(path))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound && !among_devices => {
                by.run(|| Self::open_file(path))?
            }
            Err(e) => Err(
                Failure::new(format!("There is no card {}.", path.display()))
                    .hint("`spinet card list` shows what is there.")
                    .source(e)
                    .into(),
            ),
            Ok(_) => Err(
                Failure::new(format!("{} is neither a disk nor a file.", path.display()))
                    .hint("Name a whole disk (`spinet card list` shows them), or a file to write the card into.")
                    .into(),
            ),
        }
    }

    async fn open_disk(card: &CardRequest) -> Result<Self> {
        let shown = card.path.display();
        // /dev/disk/by-id and the like are links
        let path = card
            .path
            .canonicalize()
            .with_context(|| format!("while looking at {shown}"))?;
        let disk = disk::at(&path).await?.ok_or_else(|| {
            Failure::new(format!("There is no card in {shown}."))
                .hint("`spinet card list` shows what is there.")
        })?;
        let refuse = |why: String| -> Failure {
            Failure::new(format!("{shown} is not written: {why}"))
                .hint("`spinet card list` shows which disks could be a card.")
        };
        if let Some(why) = disk.refusal(card.allow_fixed_disk) {
            return Err(refuse(why).into());
        }
        // O_EXCL on a block device: refused while anything has it mounted or in use
        let open = File::options()
            .read(true)
            .write(true)
            .custom_flags(bits(OFlags::EXCL))
            .open(&path);
        let file = open.map_err(|e| {
            let failure = Failure::new(format!("{shown} could not be opened for this run alone."));
            match e.kind() {
                io::ErrorKind::ResourceBusy => failure.hint(
                    "Something uses it: unmount its partitions and close programs that look at it.",
                ),
                io::ErrorKind::PermissionDenied => failure.hint(
                    "Root itself may not open it here; a container has to be given the disk.",
                ),
                io::ErrorKind::ReadOnlyFilesystem => {
                    failure.hint("It is read-only; look at the card's lock switch.")
                }
                _ => failure,
            }
            .source(e)
        })?;
        lock(&file, &path)?;
        let medium = Medium::of(&file).with_context(|| format!("while looking at {shown}"))?;
        if let Some(what) = uses::of(medium.number) {
            return Err(refuse(format!("It is in use: {what}.")).into());
        }
        let listed = card.sequence.or(disk.sequence);
        if listed.is_some() && listed != medium.sequence || disk.size != medium.size {
            return Err(Failure::new(format!(
                "{shown} is not the card that was listed: it was replaced meanwhile."
            ))
            .hint("Look at `spinet card list` again.")
            .into());
        }
        Ok(Self {
            path: card.path.clone(),
            file,
            size: medium.size,
            medium: Some(medium),
            describe: disk.describe(),
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
            let failure = Failure::new(format!(
                "The folder of the card file {shown} does not exist."
            ));
            match e.kind() {
                io::ErrorKind::NotFound => failure.hint("Make it first, or choose another place."),
                _ => failure.source(e),
            }
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
            .custom_flags(bits(OFlags::NOFOLLOW))
            .open(path);
        let file = open.map_err(|e| {
            let failure = Failure::new(format!("The card file {shown} could not be opened."));
            match Errno::from_io_error(&e) {
                Some(Errno::LOOP) => failure.hint("It is a link; name the file itself."),
                _ => failure.source(e),
            }
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
            format!("a file of {}", bytes(meta.len()))
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            size: meta.len(),
            medium: None,
            describe,
            blank,
        })
    }

    /// Makes room for an image; a disk that is too small is refused before the first byte.
    pub fn make_room(&mut self, image: u64) -> Result<()> {
        if self.size >= image {
            return Ok(());
        }
        if self.room() < image {
            return Err(self.too_small(image));
        }
        self.file
            .set_len(image)
            .with_context(|| format!("while growing {}", self.path.display()))?;
        self.size = image;
        Ok(())
    }

    /// How many bytes it can hold; files grow.
    pub fn room(&self) -> u64 {
        if self.medium.is_some() {
            self.size
        } else {
            u64::MAX
        }
    }

    pub fn too_small(&self, need: u64) -> anyhow::Error {
        let (have, need) = (bytes(self.size), bytes(need));
        let card = self.path.display();
        Failure::new(format!(
            "{card} is too small: it holds {have}, the image needs {need}."
        ))
        .hint("Take a larger card.")
        .into()
    }

    /// The card that was confirmed is still the one in the reader.
    pub fn is_the_same(&self) -> Result<()> {
        let Some(medium) = &self.medium else {
            return Ok(());
        };
        match Medium::of(&self.file) {
            Ok(now) if now == *medium => Ok(()),
            _ => Err(Failure::new(format!(
                "{} is not the card any more that it was when this run began.",
                self.path.display()
            ))
            .hint("Nothing was written. Put the right card in and run the same command again.")
            .into()),
        }
    }

    /// Writes through the page cache, down to the card.
    pub fn write_through(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, at)?;
        self.file.sync_all()
    }

    /// What is read next comes from the card, not from memory.
    pub fn forget_cache(&self) {
        // only a hint, and direct access goes past the cache anyway
        let _ = fadvise(&self.file, 0, None, Advice::DontNeed);
    }

    /// Goes past the page cache until the returned value is dropped, where that is possible.
    pub fn direct_while(&self) -> Direct<'_> {
        self.direct(true);
        Direct(self)
    }

    fn direct(&self, on: bool) {
        if let Ok(mut flags) = fcntl_getfl(&self.file) {
            flags.set(OFlags::DIRECT, on);
            // a file system that refuses it is written through the cache
            let _ = fcntl_setfl(&self.file, flags);
        }
    }
}

/// Direct access to a card.
pub struct Direct<'a>(&'a Device);

impl Direct<'_> {
    pub fn put(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.or_through_cache(|| self.0.file.write_all_at(bytes, at))
    }

    pub fn get(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.or_through_cache(|| self.0.file.read_exact_at(bytes, at))
    }

    /// Some file systems take the flag and refuse the access, and the last bytes of an image of odd size cannot go
    /// direct: the page cache from there on.
    fn or_through_cache(&self, mut access: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        match access() {
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => {
                self.0.direct(false);
                access()
            }
            done => done,
        }
    }
}

impl Drop for Direct<'_> {
    fn drop(&mut self) {
        self.0.direct(false);
    }
}

impl Medium {
    fn of(mut file: &File) -> io::Result<Self> {
        let number = Number::from_raw(file.metadata()?.rdev());
        Ok(Self {
            number,
            sequence: number.sequence(),
            size: io::Seek::seek(&mut file, io::SeekFrom::End(0))?,
        })
    }
}

fn lock(file: &File, path: &Path) -> Result<()> {
    let mut tries = 0;
    while flock(file, FlockOperation::NonBlockingLockExclusive).is_err() {
        tries += 1;
        if tries == TRIES {
            return Err(Failure::new(format!("{} is being written already.", path.display()))
                .hint("Another program holds it, perhaps another spinet; wait until it is through.")
                .into());
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn bits(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}
