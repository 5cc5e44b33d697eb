//! Which blocks of an ext4 file system are in use, read from its own bitmaps
//! (kernel documentation: filesystems/ext4, "Super Block", "Block Group Descriptors", "Block and Inode Bitmaps").

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

const MAGIC: u16 = 0xef53;
const COMPAT_SPARSE_SUPER2: u32 = 0x200;
const INCOMPAT_META_BG: u32 = 0x10;
const INCOMPAT_64BIT: u32 = 0x80;
const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
const RO_COMPAT_BIGALLOC: u32 = 0x200;
/// The group's block bitmap was never written: only metadata is in use there.
const BLOCK_UNINIT: u16 = 0x2;

struct Super {
    /// Bytes.
    block: u64,
    blocks: u64,
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

/// The bytes in use, relative to the start of the file system, sorted and merged.
/// `None` when this is no ext4 file system of a layout known here: then all of it counts.
pub fn used(image: &File, offset: u64) -> io::Result<Option<Vec<Range<u64>>>> {
    let Some(sup) = read_super(image, offset)? else {
        return Ok(None);
    };
    let groups = (sup.blocks - sup.first).div_ceil(sup.blocks_per_group);
    let table_blocks = (groups * sup.descriptor).div_ceil(sup.block);
    let mut table = vec![0; usize::try_from(groups * sup.descriptor).unwrap_or(0)];
    image.read_exact_at(&mut table, offset + (sup.first + 1) * sup.block)?;

    // block 0 holds the boot sector when blocks are larger than 1 KiB, and the superblock behind it
    let mut blocks: Vec<Range<u64>> = vec![Range {
        start: 0,
        end: sup.first + 1,
    }];
    let mut bitmap = vec![0; usize::try_from(sup.block).unwrap_or(0)];
    let size = usize::try_from(sup.descriptor).unwrap_or(64);
    for (group, descriptor) in (0..groups).zip(table.chunks_exact(size)) {
        let start = sup.first + group * sup.blocks_per_group;
        let count = sup.blocks_per_group.min(sup.blocks - start);
        let half = |at: usize| {
            u64::from(u32::from_le_bytes([
                descriptor[at],
                descriptor[at + 1],
                descriptor[at + 2],
                descriptor[at + 3],
            ]))
        };
        let location =
            |low: usize, high: usize| half(low) | if sup.wide { half(high) << 32 } else { 0 };
        let (block_bitmap, inode_bitmap, inodes) =
            (location(0, 0x20), location(4, 0x24), location(8, 0x28));
        // a superset of what the bitmap says for groups that have one, and all there is for those that have none
        blocks.push(block_bitmap..block_bitmap + 1);
        blocks.push(inode_bitmap..inode_bitmap + 1);
        blocks.push(inodes..inodes + sup.inode_table);
        if !sup.sparse || has_backup(group) {
            blocks.push(start..start + 1 + table_blocks + sup.reserved_gdt);
        }
        if u16::from_le_bytes([descriptor[0x12], descriptor[0x13]]) & BLOCK_UNINIT == 0 {
            image.read_exact_at(&mut bitmap, offset + block_bitmap * sup.block)?;
            set_bits(&bitmap, start, count, &mut blocks);
        }
    }
    let ranges = blocks
        .into_iter()
        .map(|b| b.start * sup.block..b.end.min(sup.blocks) * sup.block);
    Ok(Some(merge(ranges.collect(), 0)))
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

fn read_super(image: &File, offset: u64) -> io::Result<Option<Super>> {
    let mut raw = [0; 1024];
    image.read_exact_at(&mut raw, offset + 1024)?;
    let short = |at: usize| u16::from_le_bytes([raw[at], raw[at + 1]]);
    let long = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
    let (compat, incompat, ro_compat) = (long(0x5c), long(0x60), long(0x64));
    let unknown = incompat & INCOMPAT_META_BG != 0
        || ro_compat & RO_COMPAT_BIGALLOC != 0
        || compat & COMPAT_SPARSE_SUPER2 != 0;
    if short(0x38) != MAGIC || unknown || long(0x18) > 6 {
        return Ok(None);
    }
    let wide = incompat & INCOMPAT_64BIT != 0;
    let block = 1024_u64 << long(0x18);
    let inode_size = u64::from(short(0x58)).max(128);
    let high = if wide {
        u64::from(long(0x150)) << 32
    } else {
        0
    };
    let sup = Super {
        block,
        blocks: u64::from(long(0x4)) | high,
        first: u64::from(long(0x14)),
        blocks_per_group: u64::from(long(0x20)),
        inode_table: (u64::from(long(0x28)) * inode_size).div_ceil(block),
        descriptor: if wide {
            u64::from(short(0xfe)).max(64)
        } else {
            32
        },
        wide,
        sparse: ro_compat & RO_COMPAT_SPARSE_SUPER != 0,
        reserved_gdt: u64::from(short(0xce)),
    };
    let sane = sup.blocks > sup.first && sup.blocks_per_group == block * 8 && sup.blocks < 1 << 40;
    Ok(sane.then_some(sup))
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

fn set_bits(bitmap: &[u8], start: u64, count: u64, blocks: &mut Vec<Range<u64>>) {
    let is_set = |n: u64| {
        usize::try_from(n / 8).is_ok_and(|i| bitmap.get(i).is_some_and(|b| b >> (n % 8) & 1 == 1))
    };
    let mut n = 0;
    while n < count {
        if is_set(n) {
            let from = n;
            while n < count && is_set(n) {
                n += 1;
            }
            blocks.push(start + from..start + n);
        }
        n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// An ext4 file system made by `mke2fs` with some content, and the free blocks `dumpe2fs` tells of it.
    fn sample(
        options: &[&str],
        mib: u64,
    ) -> Option<(File, u64, Vec<Range<u64>>, tempfile::TempDir)> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("root")).unwrap();
        std::fs::write(dir.path().join("root/file"), vec![7; 3_000_000]).unwrap();
        let path = dir.path().join("fs");
        File::create(&path).unwrap().set_len(mib << 20).unwrap();
        let tool = crate::process::tool("mke2fs");
        let made = Command::new(tool)
            .args(["-q", "-F", "-t", "ext4"])
            .args(options)
            .arg("-d")
            .arg(dir.path().join("root"))
            .arg(&path)
            .status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no mke2fs");
            return None;
        }
        let dump = Command::new(crate::process::tool("dumpe2fs"))
            .arg(&path)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&dump.stdout).into_owned();
        let value = |key: &str| {
            text.lines()
                .find_map(|l| l.strip_prefix(key))
                .unwrap()
                .trim()
                .parse::<u64>()
                .unwrap()
        };
        let block = value("Block size:");
        let mut free = Vec::new();
        for line in text
            .lines()
            .filter_map(|l| l.strip_prefix("  Free blocks: "))
        {
            for part in line.split(", ").filter(|p| !p.is_empty()) {
                let (from, to) = part.split_once('-').unwrap_or((part, part));
                free.push(
                    from.parse::<u64>().unwrap() * block..(to.parse::<u64>().unwrap() + 1) * block,
                );
            }
        }
        Some((File::open(&path).unwrap(), mib << 20, merge(free, 0), dir))
    }

    #[test]
    fn what_dumpe2fs_calls_used_is_used() {
        for (options, mib) in [
            (&["-b", "4096"][..], 300),
            (&["-b", "1024"], 80),
            (&["-b", "4096", "-O", "^64bit,^flex_bg"], 300),
            (&["-b", "4096", "-O", "^metadata_csum,uninit_bg"], 600),
        ] {
            let Some((image, size, free, _dir)) = sample(options, mib) else {
                return;
            };
            let ours = used(&image, 0).unwrap().unwrap();
            let mut expected = Vec::new();
            let mut at = 0;
            for range in &free {
                expected.push(at..range.start);
                at = range.end;
            }
            expected.push(at..size);
            for range in merge(expected, 0) {
                assert!(
                    ours.iter()
                        .any(|o| o.start <= range.start && range.end <= o.end),
                    "{options:?}: {range:?} is missing"
                );
            }
            let bytes: u64 = ours.iter().map(|r| r.end - r.start).sum();
            assert!(
                bytes < size / 2,
                "{options:?}: {bytes} of {size} bytes are called used"
            );
        }
    }

    #[test]
    fn zeros_are_no_file_system() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        assert!(used(&file, 0).unwrap().is_none());
    }
}
