//! A host on the network: finding it, speaking to it only under its pinned key, and what it tells about itself.

mod answer;
mod discover;
pub mod facts;
pub mod guard;
pub mod key;
pub mod known_hosts;
mod sightings;
pub mod ssh;
pub mod user_known_hosts;
pub mod wait;
