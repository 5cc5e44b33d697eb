//! agenix secrets: the rules as nix evaluates them, edited through their syntax tree, and the age files kept in line.

pub mod check;
mod cipher;
pub mod enroll;
pub mod header;
mod identity;
pub mod published;
mod recipient;
pub mod rekey;
mod rules;

pub use identity::Identities;
pub use recipient::Recipient;
pub use rules::Rules;
