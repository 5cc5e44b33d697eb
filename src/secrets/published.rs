//! Keys nothing real may trust: the example keys of this repository, whose private halves anybody can read.

use super::Recipient;
use crate::error::Failure;

/// One a line, as in a `.pub` file.
pub const KEYS: &str = include_str!("../../nix/example-keys");

/// Fails if `key` is a published example key.
pub fn refuse(key: &Recipient) -> Result<(), Failure> {
    if Recipient::parse_all(KEYS)
        .iter()
        .any(|known| known.key() == key.key())
    {
        let why = format!(
            "{} is a published example key: everybody has its private half.",
            key.name()
        );
        return Err(Failure::new(why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_keys_are_refused_under_any_comment() {
        for key in [
            include_str!("../../tests/keys/admin.pub"),
            include_str!("../../tests/keys/bach.pub"),
        ] {
            let bare = key.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            assert!(refuse(&Recipient::parse_all(key)[0]).is_err());
            assert!(refuse(&Recipient::parse_all(&format!("{bare} me@home"))[0]).is_err());
        }
        assert!(refuse(&Recipient::parse_all("ssh-ed25519 AAAA")[0]).is_ok());
    }
}
