//! agenix secrets: the rules as nix evaluates them, edited through their syntax tree, and the age files kept in line.

pub mod access;
pub mod check;
mod cipher;
pub mod edit;
pub mod header;
mod identity;
pub mod published;
mod recipient;
pub mod rekey;
pub mod replace;
mod rules;
pub mod scratch;
pub mod store;

pub use cipher::Audience;
pub use header::Header;
pub use identity::Identities;
pub use recipient::Recipient;
pub use rules::Rules;
