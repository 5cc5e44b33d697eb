//! Against what mke2fs makes and dumpe2fs says of it.

use super::*;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;

fn superblock(image: &File) -> Option<Super> {
    let mut raw = [0; 1024];
    image.read_exact_at(&mut raw, SUPERBLOCK.start).unwrap();
    Super::parse(&raw)
}

/// Everything in use, read at will.
fn used(image: &File) -> Vec<Range<u64>> {
    let mut map = Map::new(superblock(image).unwrap());
    loop {
        let wants = map.wants();
        if wants.is_empty() {
            return map.used(0..map.sup.size());
        }
        for range in wants {
            let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
            image.read_exact_at(&mut bytes, range.start).unwrap();
            map.feed(range.start, &bytes);
        }
    }
}

/// Everything in use, as a stream tells it: each chunk is asked about right after it was seen.
fn streamed(image: &File, chunk: u64) -> Vec<Range<u64>> {
    let mut map = Map::new(superblock(image).unwrap());
    let mut found = Vec::new();
    let mut at = 0;
    while at < map.sup.size() {
        let end = (at + chunk).min(map.sup.size());
        let mut bytes = vec![0; usize::try_from(end - at).unwrap()];
        image.read_exact_at(&mut bytes, at).unwrap();
        map.feed(at, &bytes);
        found.extend(map.used(at..end));
        at = end;
    }
    assert_eq!(map.wants(), []);
    merge(found, 0)
}

fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|r| r.end - r.start).sum()
}

/// An ext4 file system made by `mke2fs` with some content, and the free blocks `dumpe2fs` tells of it.
fn sample(options: &[&str], mib: u64) -> Option<(File, u64, Vec<Range<u64>>, tempfile::TempDir)> {
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
        let ours = used(&image);
        let mut expected = Vec::new();
        let mut at = 0;
        for range in &free {
            expected.push(at..range.start);
            at = range.end;
        }
        expected.push(at..size);
        for range in merge(expected, 0) {
            for (how, ours) in [("at will", &ours), ("streamed", &streamed(&image, 100_000))] {
                assert!(
                    ours.iter()
                        .any(|o| o.start <= range.start && range.end <= o.end),
                    "{options:?}, {how}: {range:?} is missing"
                );
            }
        }
        assert!(
            total(&ours) < size / 2,
            "{options:?}: {} of {size} bytes are called used",
            total(&ours)
        );
        // mke2fs puts the bitmaps before the blocks they tell of, so a stream knows as much
        let streamed = total(&streamed(&image, 4 << 20));
        assert!(
            streamed <= total(&ours) + (8 << 20),
            "{options:?}: {streamed}"
        );
        let counted = superblock(&image).unwrap().in_use();
        assert!(
            counted.abs_diff(total(&ours)) < 4 << 20,
            "{options:?}: {counted}"
        );
    }
}

#[test]
fn damaged_metadata_is_read_without_panic() {
    let Some((image, size, _, _dir)) = sample(&["-b", "1024"], 12) else {
        return;
    };
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    image.read_exact_at(&mut bytes, 0).unwrap();
    crate::card::try_all(&bytes);
    // superblock, group descriptors and what comes behind them
    let damage = proptest::collection::vec((1024_usize..20_000, 0_u8..), 1..40);
    proptest::proptest!(|(damage in damage)| {
        let mut bytes = bytes.clone();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        // what makes it a file system at all
        bytes[1024 + 0x38..1024 + 0x3a].copy_from_slice(&MAGIC.to_le_bytes());
        crate::card::try_all(&bytes);
    });
}

#[test]
fn zeros_are_no_file_system() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 20).unwrap();
    assert_eq!(superblock(&file), None);
}
