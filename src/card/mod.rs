//! The card: which disks can be one, what of an image must be written, writing and verifying it,
//! and the files that make it one host's own.

mod buffer;
pub mod device;
pub mod disk;
mod ext4;
pub mod image;
mod mbr;
pub mod seed;
mod source;
mod sums;
pub mod user;
mod uses;
pub mod write;

/// For the fuzz target and its like: reads whatever these bytes say they are, and checks what is said to be in use.
#[cfg(any(test, fuzzing))]
pub fn try_all(image: &[u8]) {
    let _ = mbr::parse(image);
    let behind = image.get(source::length(&(0..ext4::SUPERBLOCK.start))..);
    let Some(sup) = behind.and_then(ext4::Super::parse) else {
        return;
    };
    let mut map = ext4::Map::new(sup);
    let mut at = 0;
    for chunk in image.chunks(10_000) {
        map.feed(at, chunk);
        let end = at + chunk.len() as u64;
        let used = map.used(at..end);
        let inside = used
            .iter()
            .all(|r| at <= r.start && r.start < r.end && r.end <= end);
        assert!(
            inside && used.is_sorted_by(|a, b| a.end < b.start),
            "{used:?}"
        );
        at = end;
    }
    map.used(0..u64::MAX);
}
