//! The card: which disks can be one, what of an image must be written, writing and verifying it,
//! and the files that make it one host's own.

pub mod device;
pub mod disk;
mod ext4;
pub mod image;
mod mbr;
pub mod seed;
pub mod write;
