//! What the fuzz targets call: the parsers of what comes from outside, and what must hold for any input.

use std::path::Path;

/// An age file's header.
pub fn header(file: &[u8]) {
    let _ = crate::secrets::Header::parse(file);
}

/// Rules text: every change of text that Nix can parse can be parsed again.
pub fn rules(text: &str) {
    crate::secrets::edit::try_all(Path::new("/nonexistent/secrets.nix"), text);
}

/// An image's boot record, and the ext4 file system behind it.
pub fn card(image: &[u8]) {
    crate::card::try_all(image);
}

/// Wifi profiles of iwd, NetworkManager and wpa_supplicant.
pub fn wifi(file: &[u8]) {
    crate::wifi::try_all(file);
}
