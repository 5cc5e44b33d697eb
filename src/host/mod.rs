//! A host on the network: finding it, speaking to it only under its pinned key, and what it tells about itself.

mod answer;
mod discover;
pub mod facts;
pub mod firewall;
pub mod glance;
pub mod guard;
pub mod health;
pub mod key;
pub mod known_hosts;
pub mod log;
pub mod login_keys;
pub mod look;
pub mod manifest;
pub mod neighbours;
pub mod root;
pub mod sightings;
pub mod ssh;
pub mod status;
pub mod user_known_hosts;
pub mod wait;
