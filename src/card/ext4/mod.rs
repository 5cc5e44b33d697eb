//! Which blocks of an ext4 file system are in use, told by its own bitmaps
//! (kernel documentation: filesystems/ext4, "Super Block", "Block Group Descriptors", "Block and Inode Bitmaps").
//! Nothing is read here: the caller hands over bytes as it comes by them, at will or in the order of a stream.

use std::ops::Range;

const MAGIC: u16 = 0xef53;
const COMPAT_SPARSE_SUPER2: u32 = 0x200;
const INCOMPAT_META_BG: u32 = 0x10;
const INCOMPAT_64BIT: u32 = 0x80;
const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
const RO_COMPAT_BIGALLOC: u32 = 0x200;
/// The group's block bitmap was never written: only metadata is in use there.
const BLOCK_UNINIT: u16 = 0x2;

/// Where the superblock lies in a file system, in bytes.
pub const SUPERBLOCK: Range<u64> = 1024..2048;

/// What the superblock tells of the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Super {
    /// Bytes.
    block: u64,
    blocks: u64,
    free: u64,
    first: u64,
    blocks_per_group: u64,
    /// Blocks of one group's inode table.
    inode_table: u64,
    /// Bytes of one group descriptor.
    descriptor: u64,
    wide: bool,
    sparse: bool,
    reserved_gdt: u64,
}

impl Super {
    /// Reads the bytes of [`SUPERBLOCK`]; `None` when this is no ext4 file system of a layout known here: then all of
    /// it counts.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let short = |at| number(raw, at, 2);
        let long = |at| number(raw, at, 4);
        if raw.len() < 1024 || short(0x38) != u64::from(MAGIC) || long(0x18) > 6 {
            return None;
        }
        let has = |at, flag: u32| long(at) & u64::from(flag) != 0;
        let unknown = has(0x60, INCOMPAT_META_BG)
            || has(0x64, RO_COMPAT_BIGALLOC)
            || has(0x5c, COMPAT_SPARSE_SUPER2);
        let wide = has(0x60, INCOMPAT_64BIT);
        let high = |at| if wide { long(at) << 32 } else { 0 };
        let block = 1024_u64 << long(0x18);
        let sup = Self {
            block,
            blocks: long(0x4) | high(0x150),
            free: long(0xc) | high(0x158),
            first: long(0x14),
            blocks_per_group: long(0x20),
            inode_table: (long(0x28) * short(0x58).max(128)).div_ceil(block),
            descriptor: if wide { short(0xfe).max(64) } else { 32 },
            wide,
            sparse: has(0x64, RO_COMPAT_SPARSE_SUPER),
            reserved_gdt: short(0xce),
        };
        let sane = sup.blocks > sup.first
            && sup.blocks_per_group == block * 8
            && sup.blocks < 1 << 40
            && sup.table().end <= sup.size();
        (sane && !unknown).then_some(sup)
    }

    /// Bytes of the file system.
    pub fn size(&self) -> u64 {
        self.blocks * self.block
    }

    /// Bytes in use, as the superblock counts them: close to what the bitmaps say.
    pub fn in_use(&self) -> u64 {
        self.blocks.saturating_sub(self.free) * self.block
    }

    fn groups(&self) -> u64 {
        (self.blocks - self.first).div_ceil(self.blocks_per_group)
    }

    /// Where the group descriptors lie.
    fn table(&self) -> Range<u64> {
        let start = (self.first + 1) * self.block;
        start..start + self.groups() * self.descriptor
    }
}

/// Part of the file system that is wanted whole, and how much of it has been seen.
#[derive(Debug)]
struct Piece {
    at: Range<u64>,
    bytes: Vec<u8>,
}

impl Piece {
    fn new(at: Range<u64>) -> Self {
        Self {
            at,
            bytes: Vec::new(),
        }
    }

    fn whole(&self) -> bool {
        self.bytes.len() as u64 == self.at.end - self.at.start
    }

    /// What of it is still to be seen: it is taken in order only.
    fn missing(&self) -> Range<u64> {
        self.at.start + self.bytes.len() as u64..self.at.end
    }

    fn feed(&mut self, at: u64, bytes: &[u8]) {
        let missing = self.missing();
        let end = missing.end.min(at + bytes.len() as u64);
        if at <= missing.start && missing.start < end {
            let from = usize::try_from(missing.start - at).unwrap_or(0);
            let to = usize::try_from(end - at).unwrap_or(0);
            self.bytes.extend_from_slice(&bytes[from..to]);
        }
    }
}

/// What is known of the blocks in use. All bytes are counted from the start of the file system.
#[derive(Debug)]
pub struct Map {
    sup: Super,
    table: Piece,
    /// The block bitmap of each group that has one; empty until the table is known.
    bitmaps: Vec<Option<Piece>>,
    /// What no bitmap has to tell: superblocks, descriptors, bitmaps, inode tables; sorted and merged.
    metadata: Vec<Range<u64>>,
}

impl Map {
    pub fn new(sup: Super) -> Self {
        let table = Piece::new(sup.table());
        Self {
            sup,
            table,
            bitmaps: Vec::new(),
            metadata: Vec::new(),
        }
    }

    /// Learns from the bytes at `at`; whatever else they hold is passed over.
    pub fn feed(&mut self, at: u64, bytes: &[u8]) {
        if !self.table.whole() {
            self.table.feed(at, bytes);
            if self.table.whole() {
                self.read_table();
            }
        }
        let end = at + bytes.len() as u64;
        for bitmap in self.bitmaps.iter_mut().flatten() {
            if at < bitmap.at.end && bitmap.at.start < end {
                bitmap.feed(at, bytes);
            }
        }
    }

    /// What it has to be fed to know all; asked for again after each feeding, nothing more at the end.
    pub fn wants(&self) -> Vec<Range<u64>> {
        if !self.table.whole() {
            return vec![self.table.missing()];
        }
        let missing = self.bitmaps.iter().flatten().map(Piece::missing);
        missing.filter(|range| range.start < range.end).collect()
    }

    /// The bytes in use among `within`, sorted and merged; what is not known counts as used.
    pub fn used(&self, within: Range<u64>) -> Vec<Range<u64>> {
        let (size, block) = (self.sup.size(), self.sup.block);
        if !self.table.whole() {
            return vec![within];
        }
        let behind = size.max(within.start)..within.end;
        let mut used = Vec::from([behind]);
        used.extend(
            self.metadata
                .iter()
                .map(|r| r.start.max(within.start)..r.end.min(within.end)),
        );
        for (group, bitmap) in (0..).zip(&self.bitmaps) {
            let start = (self.sup.first + group * self.sup.blocks_per_group) * block;
            let end = (start + self.sup.blocks_per_group * block).min(size);
            let part = start.max(within.start)..end.min(within.end);
            match bitmap {
                Some(bitmap) if part.start < part.end && bitmap.whole() => {
                    let blocks = (part.start - start) / block..(part.end - start).div_ceil(block);
                    let runs = runs(&bitmap.bytes, blocks).into_iter();
                    used.extend(runs.map(|r| {
                        (start + r.start * block).max(part.start)
                            ..(start + r.end * block).min(part.end)
                    }));
                }
                Some(_) => used.push(part),
                None => {}
            }
        }
        merge(used, 0)
    }

    fn read_table(&mut self) {
        let sup = &self.sup;
        let table_blocks = (sup.groups() * sup.descriptor).div_ceil(sup.block);
        // block 0 holds the boot sector when blocks are larger than 1 KiB, and the superblock behind it
        let boot = 0..sup.first + 1;
        let mut blocks = Vec::from([boot]);
        let size = usize::try_from(sup.descriptor).unwrap_or(64);
        for (group, raw) in (0..sup.groups()).zip(self.table.bytes.chunks_exact(size)) {
            let start = sup.first + group * sup.blocks_per_group;
            let location = |low, high| {
                number(raw, low, 4)
                    | if sup.wide {
                        number(raw, high, 4) << 32
                    } else {
                        0
                    }
            };
            let (block_bitmap, inode_bitmap, inodes) =
                (location(0, 0x20), location(4, 0x24), location(8, 0x28));
            // a superset of what the bitmap says for groups that have one, and all there is for those that have none
            blocks.push(block_bitmap..block_bitmap.saturating_add(1));
            blocks.push(inode_bitmap..inode_bitmap.saturating_add(1));
            blocks.push(inodes..inodes.saturating_add(sup.inode_table));
            if !sup.sparse || has_backup(group) {
                blocks.push(start..start + 1 + table_blocks + sup.reserved_gdt);
            }
            let has_bitmap = number(raw, 0x12, 2) & u64::from(BLOCK_UNINIT) == 0;
            // a place outside the file system is never seen, so that group counts as used
            let place = |block: u64| block.saturating_mul(sup.block);
            self.bitmaps.push(has_bitmap.then(|| {
                Piece::new(place(block_bitmap)..place(block_bitmap).saturating_add(sup.block))
            }));
        }
        let bytes =
            |r: Range<u64>| r.start.min(sup.blocks) * sup.block..r.end.min(sup.blocks) * sup.block;
        self.metadata = merge(blocks.into_iter().map(bytes).collect(), 0);
    }
}

/// Sorts ranges and joins those that touch or lie at most `gap` apart.
pub fn merge(mut ranges: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    ranges.retain(|r| r.start < r.end);
    ranges.sort_by_key(|r| r.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap) => {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// A little-endian number of `length` bytes.
fn number(raw: &[u8], at: usize, length: usize) -> u64 {
    let bytes = raw.get(at..at + length).unwrap_or_default();
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// With `sparse_super`, backups lie in groups 0, 1 and the powers of 3, 5 and 7.
fn has_backup(group: u64) -> bool {
    let power_of = |base: u64| {
        let mut n = base;
        while n < group {
            n *= base;
        }
        n == group
    };
    group < 2 || [3, 5, 7].into_iter().any(power_of)
}

/// The runs of set bits among the bits `within`.
fn runs(bitmap: &[u8], within: Range<u64>) -> Vec<Range<u64>> {
    let is_set = |n: u64| {
        usize::try_from(n / 8).is_ok_and(|i| bitmap.get(i).is_some_and(|b| b >> (n % 8) & 1 == 1))
    };
    let mut runs = Vec::new();
    let mut n = within.start;
    while n < within.end {
        if is_set(n) {
            let from = n;
            while n < within.end && is_set(n) {
                n += 1;
            }
            runs.push(from..n);
        }
        n += 1;
    }
    runs
}

#[cfg(test)]
mod tests;
