//! The image that goes onto a card: finding its file, and which of its bytes must be written.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{ext4, mbr};
use crate::error::Failure;
use crate::ui::bytes;

/// Gaps smaller than this are written as well: cards do not like small writes.
const GAP: u64 = 64 * 1024;
/// What direct writes are aligned to.
pub const ALIGN: u64 = 4096;

/// An image and what of it counts.
#[derive(Debug)]
pub struct Image {
    pub path: PathBuf,
    pub file: File,
    /// Bytes.
    pub size: u64,
    /// What must be written, sorted, aligned to [`ALIGN`] but for the image's end. All of it outside the root file
    /// system; inside it the blocks in use, zeros included, because a used card holds other bytes there.
    pub ranges: Vec<Range<u64>>,
    /// Where the root file system lies: the ext4 partition that files can be put into.
    pub root: Option<Range<u64>>,
}

impl Image {
    /// Opens an `.img` file, or the one in a folder (nixpkgs puts it into `sd-image/`).
    pub fn open(path: &Path) -> Result<Self> {
        let path = locate(path)?;
        let file = File::open(&path)
            .with_context(|| format!("while opening the image {}", path.display()))?;
        let size = file
            .metadata()
            .with_context(|| format!("while reading the image {}", path.display()))?
            .len();
        let mut image = Self {
            path,
            file,
            size,
            ranges: Vec::new(),
            root: None,
        };
        image
            .plan()
            .with_context(|| format!("while reading the image {}", image.path.display()))?;
        Ok(image)
    }

    /// How many bytes are written.
    pub fn used(&self) -> u64 {
        self.ranges.iter().map(|r| r.end - r.start).sum()
    }

    fn plan(&mut self) -> Result<()> {
        let mut record = Vec::new();
        (&self.file).take(512).read_to_end(&mut record)?;
        let Some(partitions) = mbr::parse(&record) else {
            return Err(Failure::new(format!(
                "{} has no boot record: it is no card image.",
                self.path.display()
            ))
            .hint("Images are made by `nix build .#HOST-image`.")
            .into());
        };
        if let Some(end) = partitions
            .iter()
            .map(|p| p.bytes.end)
            .max()
            .filter(|end| *end > self.size)
        {
            return Err(Failure::new(format!(
                "{} is cut short: it has {} of at least {}.",
                self.path.display(),
                bytes(self.size),
                bytes(end)
            ))
            .into());
        }
        let whole = 0..self.size;
        let mut ranges = vec![whole];
        for partition in partitions.iter().filter(|p| p.kind == mbr::LINUX) {
            if let Some(used) = ext4::used(&self.file, partition.bytes.start)? {
                let (start, end) = (partition.bytes.start, partition.bytes.end);
                ranges = ranges
                    .into_iter()
                    .flat_map(|r| [r.start..r.end.min(start), r.start.max(end)..r.end])
                    .collect();
                ranges.extend(used.into_iter().map(|r| start + r.start..start + r.end));
                self.root = Some(partition.bytes.clone());
                break;
            }
        }
        let aligned = ranges
            .into_iter()
            .filter(|r| r.start < r.end)
            .map(|r| r.start / ALIGN * ALIGN..r.end.next_multiple_of(ALIGN).min(self.size));
        self.ranges = ext4::merge(aligned.collect(), GAP);
        Ok(())
    }
}

fn locate(path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    if path.is_dir() {
        let folder = Some(path.join("sd-image"))
            .filter(|p| p.is_dir())
            .unwrap_or_else(|| path.to_owned());
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("while reading {}", folder.display()))?;
        let mut found: Vec<PathBuf> = entries
            .flatten()
            .map(|e| e.path())
            .filter(|p| is_image(p))
            .collect();
        return match (found.pop(), found.is_empty()) {
            (Some(one), true) => locate(&one),
            (None, _) => Err(Failure::new(format!("{shown} holds no .img file.")).into()),
            (Some(_), false) => Err(Failure::new(format!("{shown} holds several .img files."))
                .hint("Name one of them.")
                .into()),
        };
    }
    if path.extension().is_some_and(|e| e == "zst") {
        return Err(Failure::new(format!("{shown} is compressed, which this version does not read."))
            .hint("Build it with `sdImage.compressImage = false;` (spinet's bootstrap module does), or unpack it with `zstd -d`.")
            .into());
    }
    if !path.is_file() {
        return Err(Failure::new(format!("There is no image {shown}.")).into());
    }
    Ok(path.to_owned())
}

fn is_image(path: &Path) -> bool {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    name.ends_with(".img") || name.ends_with(".img.zst")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        crate::error::render(&Image::open(path).unwrap_err())
    }

    #[test]
    fn what_is_no_card_image_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refusal(dir.path()).contains("holds no .img file"));
        let path = dir.path().join("a.img");
        std::fs::write(&path, vec![0; 4096]).unwrap();
        assert!(refusal(dir.path()).contains("no boot record"));
        std::fs::write(dir.path().join("b.img.zst"), "").unwrap();
        assert!(refusal(dir.path()).contains("several"));
        std::fs::remove_file(path).unwrap();
        assert!(refusal(dir.path()).contains("is compressed"));
    }

    #[test]
    fn an_image_cut_short_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = vec![0; 1024];
        record[510..512].copy_from_slice(&[0x55, 0xaa]);
        record[446 + 4] = mbr::LINUX;
        record[446 + 12] = 9;
        let path = dir.path().join("a.img");
        std::fs::write(&path, record).unwrap();
        assert!(refusal(&path).contains("cut short"));
    }
}
