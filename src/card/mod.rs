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
