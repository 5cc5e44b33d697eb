//! The image that goes onto a card: finding its file, plain or compressed, and where its root file system lies.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use zstd::stream::read::Decoder;

use super::ext4::{self, Super};
use super::mbr::{self, Partition};
use crate::error::Failure;
use crate::ui::bytes;

/// An open image.
#[derive(Debug)]
pub struct Image {
    /// The file itself.
    pub path: PathBuf,
    pub file: File,
    /// By zstd (RFC 8878), as nixpkgs does by default.
    pub compressed: bool,
    /// Bytes, decompressed.
    pub size: u64,
    /// The ext4 partition that files can be put into, and of which only blocks in use are written.
    pub root: Option<Root>,
}

/// Where the root file system lies.
#[derive(Debug, Clone)]
pub struct Root {
    /// Bytes from the start of the image.
    pub bytes: Range<u64>,
    pub sup: Super,
}

/// Reads bytes of an image at a place; places only go up.
type ReadAt<'a> = dyn FnMut(u64, &mut [u8]) -> io::Result<()> + 'a;

impl Image {
    /// Opens an `.img` or `.img.zst` file, or the one in a folder (nixpkgs puts it into `sd-image/`).
    pub fn open(path: &Path) -> Result<Self> {
        let path = locate(path)?;
        let file = File::open(&path).map_err(|e| {
            Failure::new(format!("The image {} could not be opened.", path.display())).source(e)
        })?;
        let compressed = path.extension().is_some_and(|e| e == "zst");
        let mut image = Self {
            path,
            file,
            compressed,
            size: 0,
            root: None,
        };
        if compressed {
            let told = image.content_size()?;
            let mut stream = image.decoder()?;
            let mut at = 0;
            image.look(told, &mut |place, bytes| {
                let skip = place - at;
                if io::copy(&mut (&mut stream).take(skip), &mut io::sink())? < skip {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                at = place + bytes.len() as u64;
                stream.read_exact(bytes)
            })?;
        } else {
            let length = image.file.metadata().map(|meta| meta.len());
            let length = length.with_context(|| image.while_reading())?;
            let file = image
                .file
                .try_clone()
                .with_context(|| image.while_reading())?;
            image.look(Some(length), &mut |place, bytes| {
                file.read_exact_at(bytes, place)
            })?;
        }
        Ok(image)
    }

    /// A decompressor that begins at the image's first byte.
    pub fn decoder(&self) -> Result<Decoder<'static, io::BufReader<impl Read + use<>>>> {
        let from_start = FromStart {
            file: self
                .file
                .try_clone()
                .with_context(|| self.while_reading())?,
            at: 0,
        };
        Decoder::new(from_start).with_context(|| self.while_reading())
    }

    /// About how many bytes will be written: exact enough to tell how far the writing is.
    pub fn expected(&self) -> u64 {
        let spared = self.root.as_ref().map_or(0, |root| {
            (root.bytes.end - root.bytes.start).saturating_sub(root.sup.in_use())
        });
        self.size - spared
    }

    /// What an error while reading the image is told with.
    pub fn while_reading(&self) -> String {
        format!("while reading the image {}", self.path.display())
    }

    /// Finds boot record, size and root file system.
    fn look(&mut self, told: Option<u64>, read: &mut ReadAt) -> Result<()> {
        let mut record = [0; 512];
        let read_record = read(0, &mut record);
        let Some(mut partitions) = read_record.ok().and_then(|()| mbr::parse(&record)) else {
            let failure = Failure::new(format!(
                "{} has no boot record: it is no card image.",
                self.path.display()
            ));
            return Err(failure.hint(MADE).into());
        };
        partitions.sort_by_key(|p| p.bytes.start);
        let end = partitions.iter().map(|p| p.bytes.end).max();
        self.size = match (told, end) {
            (Some(size), Some(end)) if size < end => {
                let (size, end) = (bytes(size), bytes(end));
                return Err(Failure::new(format!(
                    "{} is cut short: it has {size} of at least {end}.",
                    self.path.display()
                ))
                .hint("Build or fetch it again.")
                .into());
            }
            (Some(size), _) | (None, Some(size)) => size,
            (None, None) => {
                let failure = Failure::new(format!(
                    "{} does not tell how large it is.",
                    self.path.display()
                ));
                return Err(failure.hint("Decompress it first: `zstd -d`.").into());
            }
        };
        for Partition { bytes, .. } in partitions.into_iter().filter(|p| p.kind == mbr::LINUX) {
            let mut raw = [0; 1024];
            if bytes.end - bytes.start < ext4::SUPERBLOCK.end {
                continue;
            }
            read(bytes.start + ext4::SUPERBLOCK.start, &mut raw).map_err(|e| self.damaged(e))?;
            let fits = |sup: &Super| sup.size() <= bytes.end - bytes.start;
            if let Some(sup) = Super::parse(&raw).filter(fits) {
                self.root = Some(Root { bytes, sup });
                break;
            }
        }
        Ok(())
    }

    /// The size in the frame's header. Of several frames it is the first one's: then the boot record has to tell.
    fn content_size(&self) -> Result<Option<u64>> {
        // the longest frame header (RFC 8878, section 3.1.1.1)
        let mut header = [0; 18];
        let read = self
            .file
            .read_at(&mut header, 0)
            .with_context(|| self.while_reading())?;
        let told = zstd::zstd_safe::get_frame_content_size(&header[..read]);
        told.map_err(|_| {
            Failure::new(format!(
                "{} is no zstd file, whatever its name says.",
                self.path.display()
            ))
            .hint("If it is a plain image, take .zst off its name.")
            .into()
        })
    }

    /// The error for an image whose content cannot be read.
    pub fn damaged(&self, error: io::Error) -> anyhow::Error {
        let failure = Failure::new(format!(
            "The image {} could not be read to its end.",
            self.path.display()
        ));
        let failure = if self.compressed {
            failure.hint("Is it damaged or cut short? `zstd -t` tells; build or fetch it again.")
        } else {
            failure
        };
        failure.source(error).into()
    }
}

/// A file read from its start, whatever position other readers of it have moved to.
struct FromStart {
    file: File,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

const MADE: &str = "Images are made by `nix build .#HOST-image`.";

fn locate(path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Failure::new(format!("There is no image {shown}.")).hint(MADE),
        _ => Failure::new(format!("The image {shown} could not be opened.")).source(e),
    })?;
    if meta.is_file() {
        return Ok(path.to_owned());
    }
    if !meta.is_dir() {
        return Err(Failure::new(format!(
            "{shown} is neither an image file nor a folder with one."
        ))
        .hint(MADE)
        .into());
    }
    let folder = Some(path.join("sd-image"))
        .filter(|p| p.is_dir())
        .unwrap_or_else(|| path.to_owned());
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("while reading {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| is_image(p) && p.is_file())
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => Err(
            Failure::new(format!("{shown} holds no .img or .img.zst file."))
                .hint(MADE)
                .into(),
        ),
        (Some(_), false) => Err(Failure::new(format!("{shown} holds several images."))
            .hint("Name one of them.")
            .into()),
    }
}

fn is_image(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".img") || name.ends_with(".img.zst")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        crate::error::render(&Image::open(path).unwrap_err())
    }

    /// A boot record with one Linux partition of `sectors` from sector 1.
    fn record(sectors: u8) -> Vec<u8> {
        let mut record = vec![0; 512];
        record[510..512].copy_from_slice(&[0x55, 0xaa]);
        record[446 + 4] = mbr::LINUX;
        record[446 + 8] = 1;
        record[446 + 12] = sectors;
        record
    }

    #[test]
    fn what_is_no_card_image_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refusal(dir.path()).contains("holds no .img"));
        let path = dir.path().join("a.img");
        std::fs::write(&path, vec![0; 4096]).unwrap();
        assert!(refusal(dir.path()).contains("no boot record"));
        std::fs::write(dir.path().join("b.img.zst"), "plainly not").unwrap();
        assert!(refusal(dir.path()).contains("several"));
        std::fs::remove_file(path).unwrap();
        assert!(refusal(dir.path()).contains("is no zstd file"));
        assert!(refusal(&dir.path().join("none")).contains("There is no image"));
        assert!(refusal(Path::new("/dev/null")).contains("neither an image file"));
    }

    #[test]
    fn an_image_cut_short_is_refused_compressed_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let (path, packed) = (dir.path().join("a.img"), dir.path().join("a.img.zst"));
        std::fs::write(&path, [record(9), vec![0; 512]].concat()).unwrap();
        assert!(refusal(&path).contains("cut short"));
        let whole = [record(9), vec![0; 9 * 512]].concat();
        let mut zst = zstd::bulk::compress(&whole, 3).unwrap();
        std::fs::write(&packed, &zst).unwrap();
        assert_eq!(Image::open(&packed).unwrap().size, 5120);
        zst.truncate(zst.len() / 2);
        std::fs::write(&packed, &zst).unwrap();
        let shown = refusal(&packed);
        assert!(
            shown.contains("no boot record") || shown.contains("zstd -t"),
            "{shown}"
        );
    }

    #[test]
    fn a_compressed_image_without_a_size_is_as_large_as_its_partitions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.img.zst");
        let whole = [record(9), vec![0; 9 * 512]].concat();
        // a stream does not know its size beforehand
        std::fs::write(&path, zstd::stream::encode_all(&whole[..], 3).unwrap()).unwrap();
        let image = Image::open(&path).unwrap();
        assert_eq!((image.size, image.expected()), (5120, 5120));
    }

    #[test]
    fn a_gpt_image_is_one_without_a_known_root() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.img");
        let mut record = record(9);
        record[446 + 4] = 0xee;
        record[446 + 12..446 + 16].copy_from_slice(&[0xff; 4]);
        std::fs::write(&path, [record, vec![0; 9 * 512]].concat()).unwrap();
        let image = Image::open(&path).unwrap();
        assert!(image.root.is_none());
        assert_eq!(image.size, 5120);
    }
}
