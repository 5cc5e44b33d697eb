//! Which secrets the identities at hand can read, found out without asking anybody for a passphrase or a touch.

use super::{Header, Identities, Rules, cipher};

/// How the identities stand to a rule's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Decrypted, here and now.
    Open,
    /// A key under a passphrase or behind a plugin may do it.
    Perhaps,
    Closed,
}

/// Every rule's file that is there and is an age file, by the rule's name. What is decrypted is forgotten at once.
pub fn of(rules: &Rules, identities: &Identities) -> Vec<(String, Access)> {
    let access = |name: &String| {
        let path = rules.path_of(name);
        let header = Header::read(&path).ok()?;
        let bytes = std::fs::read(&path).ok()?;
        let keys = identities
            .open()
            .iter()
            .map(|key| &**key as &dyn age::Identity);
        let access = if cipher::decrypt(&bytes, keys).is_ok() {
            Access::Open
        } else if identities.could_open(&header) {
            Access::Perhaps
        } else {
            Access::Closed
        };
        Some((name.clone(), access))
    };
    rules.entries().keys().filter_map(access).collect()
}
