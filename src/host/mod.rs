//! A host on the network: finding it, speaking to it only under its pinned key, and what it tells about itself.

pub mod discover;
pub mod facts;
pub mod key;
pub mod known_hosts;
pub mod ssh;
pub mod wait;
