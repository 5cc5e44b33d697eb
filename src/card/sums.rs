//! What was written, as sums of its blocks: enough to tell whether a card kept it, without the image.

use std::ops::Range;

use twox_hash::XxHash3_64;

use super::source::ALIGN;

/// Ranges of the card and a sum of every [`ALIGN`] bytes in them: 2 MB for each GB.
#[derive(Default)]
pub struct Sums {
    ranges: Vec<Range<u64>>,
    sums: Vec<u64>,
}

impl Sums {
    /// Adds bytes that lie behind all that were added before, from a multiple of [`ALIGN`]; only the last ones may end
    /// elsewhere.
    pub fn add(&mut self, at: u64, bytes: &[u8]) {
        let end = at + bytes.len() as u64;
        match self.ranges.last_mut() {
            _ if bytes.is_empty() => {}
            Some(last) if last.end == at => last.end = end,
            _ => self.ranges.push(at..end),
        }
        self.sums.extend(blocks(bytes).map(XxHash3_64::oneshot));
    }

    /// What was added, joined.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// How many bytes were added.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|r| r.end - r.start).sum()
    }

    /// Compares bytes given in the same order, in pieces that begin at a block.
    pub fn compare(&self) -> Compare<'_> {
        Compare { left: &self.sums }
    }
}

/// A comparison under way.
pub struct Compare<'a> {
    left: &'a [u64],
}

impl Compare<'_> {
    /// The place in `bytes` of the first block that is not what was added.
    pub fn first_bad(&mut self, bytes: &[u8]) -> Option<u64> {
        let (now, later) = self
            .left
            .split_at(bytes.len().div_ceil(BLOCK).min(self.left.len()));
        self.left = later;
        let mut sums = now.iter();
        let bad = blocks(bytes).position(|block| sums.next() != Some(&XxHash3_64::oneshot(block)));
        bad.map(|n| n as u64 * ALIGN)
    }
}

const BLOCK: usize = 4096;
const _: () = assert!(BLOCK as u64 == ALIGN, "sums are of aligned blocks");

fn blocks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_with_a_flipped_bit_is_found() {
        let mut bytes = vec![7; 3 * BLOCK + 10];
        let mut sums = Sums::default();
        sums.add(0, &bytes[..BLOCK]);
        sums.add(BLOCK as u64, &bytes[BLOCK..]);
        let all = 0..bytes.len() as u64;
        assert_eq!(sums.ranges(), std::slice::from_ref(&all));
        assert_eq!(sums.compare().first_bad(&bytes), None);
        for flipped in [0, BLOCK, 3 * BLOCK + 9] {
            bytes[flipped] ^= 1;
            let mut compare = sums.compare();
            let expected = (flipped / BLOCK * BLOCK) as u64;
            assert_eq!(compare.first_bad(&bytes), Some(expected));
            bytes[flipped] ^= 1;
        }
        let mut compare = sums.compare();
        assert_eq!(compare.first_bad(&bytes[..2 * BLOCK]), None);
        bytes[2 * BLOCK] ^= 1;
        assert_eq!(compare.first_bad(&bytes[2 * BLOCK..]), Some(0));
    }

    #[test]
    fn more_than_was_written_differs() {
        let mut sums = Sums::default();
        sums.add(0, &[1; BLOCK]);
        assert_eq!(sums.compare().first_bad(&[1; 2 * BLOCK]), Some(ALIGN));
    }
}
