//! The key a passphrase stands for in a network (IEEE 802.11, "passphrase-to-PSK mapping").

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use zeroize::Zeroizing;

use crate::ui::hex;

/// 64 hexadecimal digits: PBKDF2 with HMAC-SHA-1, 4096 rounds, salted with the network's name.
pub fn derive(passphrase: &str, ssid: &[u8]) -> Zeroizing<String> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2_hmac::<Sha1>(passphrase.as_bytes(), ssid, 4096, &mut *key);
    Zeroizing::new(hex(&*key))
}

/// What WPA2 takes as a passphrase: 8 to 63 printable ASCII characters. Says why not.
pub fn check(passphrase: &str) -> Result<(), &'static str> {
    if !(8..=63).contains(&passphrase.len()) {
        return Err("has a passphrase that is not 8 to 63 characters long.");
    }
    if !passphrase.bytes().all(|b| (32..127).contains(&b)) {
        return Err(
            "has a passphrase with characters that WPA2 does not take (only printable ASCII).",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of IEEE 802.11-2020, J.4.2.
    #[test]
    fn test_vectors() {
        let z = "Z".repeat(32);
        let a = "a".repeat(32);
        for (passphrase, ssid, psk) in [
            (
                "password",
                "IEEE",
                "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e",
            ),
            (
                "ThisIsAPassword",
                "ThisIsASSID",
                "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af",
            ),
            (
                &a,
                &z,
                "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62",
            ),
        ] {
            assert_eq!(*derive(passphrase, ssid.as_bytes()), psk);
        }
    }

    #[test]
    fn what_wpa2_does_not_take_is_told() {
        assert!(
            check("1234567").is_err()
                && check(&"x".repeat(64)).is_err()
                && check("pässword").is_err()
        );
        assert!(check("12345678").is_ok() && check(&" ".repeat(63)).is_ok());
    }
}
