//! What of an image goes onto the card, in order: all outside the root file system; inside it the blocks in use, zeros
//! included, because a used card holds other bytes there.

use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};

use super::buffer::Buffer;
use super::ext4::{Map, merge};
use super::image::{Image, Root};

/// Bytes moved at once, at multiples of themselves: as large as the erase blocks of cards.
pub const CHUNK: u64 = 4 << 20;
/// What direct writes are aligned to.
pub const ALIGN: u64 = 4096;
/// Gaps smaller than this are written as well: cards do not like small writes.
const GAP: u64 = 64 * 1024;

/// Part of an image, in memory.
pub struct Chunk {
    /// Where the buffer's first byte belongs on the card.
    pub at: u64,
    pub buffer: Buffer,
    /// What of the buffer goes there: aligned to [`ALIGN`], but for the image's end.
    pub parts: Vec<Range<usize>>,
}

/// Hands over chunk after chunk until `each` says no; `empty` gives buffers to fill.
pub fn read(
    image: &Image,
    empty: impl FnMut() -> Buffer,
    each: impl FnMut(Chunk) -> bool,
) -> Result<()> {
    if image.compressed {
        decompress(image, empty, each)
    } else {
        pick(image, empty, each)
    }
}

/// A plain file is asked for its bitmaps first, and then only for what is needed.
fn pick(
    image: &Image,
    mut empty: impl FnMut() -> Buffer,
    mut each: impl FnMut(Chunk) -> bool,
) -> Result<()> {
    let mut map = image.root.as_ref().map(|root| Map::new(root.sup.clone()));
    if let (Some(map), Some(root)) = (&mut map, &image.root) {
        loop {
            let wants = map.wants();
            if wants.is_empty() {
                break;
            }
            for range in wants {
                let mut bytes = vec![0; length(&range)];
                let read = image
                    .file
                    .read_exact_at(&mut bytes, root.bytes.start + range.start);
                read.with_context(|| image.while_reading())?;
                map.feed(range.start, &bytes);
            }
        }
    }
    for range in chunks(&used(image, map.as_ref(), 0..image.size)) {
        let mut buffer = empty();
        let (skipped, length) = (
            length(&(range.start / CHUNK * CHUNK..range.start)),
            length(&range),
        );
        let part = skipped..skipped + length;
        let read = image
            .file
            .read_exact_at(&mut buffer.bytes()[part.clone()], range.start);
        read.map_err(|e| image.damaged(e))?;
        let at = range.start - skipped as u64;
        if !each(Chunk {
            at,
            buffer,
            parts: vec![part],
        }) {
            break;
        }
    }
    Ok(())
}

/// A compressed file is read once, from start to end: bitmaps are learnt as they come by. They lie before the blocks
/// they tell of in what mke2fs and resize2fs make; a block whose bitmap is not known yet is written.
fn decompress(
    image: &Image,
    mut empty: impl FnMut() -> Buffer,
    mut each: impl FnMut(Chunk) -> bool,
) -> Result<()> {
    let mut stream = image.decoder()?;
    let mut map = image.root.as_ref().map(|root| Map::new(root.sup.clone()));
    let mut at = 0;
    loop {
        let mut buffer = empty();
        let filled = fill(&mut stream, buffer.bytes()).map_err(|e| image.damaged(e))?;
        if filled == 0 {
            break;
        }
        let here = at..at + filled as u64;
        if let (Some(map), Some(Root { bytes: root, .. })) = (&mut map, &image.root) {
            let seen = here.start.max(root.start)..here.end.min(root.end);
            if seen.start < seen.end {
                let (from, to) = (length(&(at..seen.start)), length(&(at..seen.end)));
                map.feed(seen.start - root.start, &buffer.bytes()[from..to]);
            }
        }
        let parts = used(image, map.as_ref(), here.clone())
            .into_iter()
            .map(|r| length(&(at..r.start))..length(&(at..r.end)))
            .collect();
        if !each(Chunk { at, buffer, parts }) {
            return Ok(());
        }
        at = here.end;
    }
    if at < image.size {
        return Err(image.damaged(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

/// What of `within` must be written, sorted, aligned, and with small gaps filled.
fn used(image: &Image, map: Option<&Map>, within: Range<u64>) -> Vec<Range<u64>> {
    let (Some(map), Some(Root { bytes: root, .. })) = (map, &image.root) else {
        return vec![within];
    };
    let clip = |r: Range<u64>| r.start.max(within.start)..r.end.min(within.end);
    let mut ranges = vec![clip(0..root.start), clip(root.end..u64::MAX)];
    let inside = clip(root.clone());
    if inside.start < inside.end {
        let inside = map.used(inside.start - root.start..inside.end - root.start);
        ranges.extend(
            inside
                .into_iter()
                .map(|r| root.start + r.start..root.start + r.end),
        );
    }
    let aligned = ranges
        .into_iter()
        .filter(|r| r.start < r.end)
        .map(|r| clip(r.start / ALIGN * ALIGN..r.end.next_multiple_of(ALIGN)));
    merge(aligned.collect(), GAP)
}

/// Ranges cut at the multiples of [`CHUNK`].
pub fn chunks(ranges: &[Range<u64>]) -> impl Iterator<Item = Range<u64>> {
    ranges.iter().flat_map(|range| {
        let first = range.start / CHUNK;
        (first..range.end.div_ceil(CHUNK))
            .map(move |n| range.start.max(n * CHUNK)..range.end.min((n + 1) * CHUNK))
    })
}

/// The length of a range that is in memory.
pub fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_where_erase_blocks_end() {
        let cut: Vec<_> = chunks(&[100..200, CHUNK - 1..2 * CHUNK + 5]).collect();
        assert_eq!(
            cut,
            [
                100..200,
                CHUNK - 1..CHUNK,
                CHUNK..2 * CHUNK,
                2 * CHUNK..2 * CHUNK + 5
            ]
        );
        assert_eq!(chunks(&[]).count(), 0);
    }
}
