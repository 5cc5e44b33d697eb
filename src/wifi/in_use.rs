//! The network this machine is in now, told by `iw`, which needs no rights for that.

use crate::process::{self, Cmd};

/// The network's name; `None` without wifi, or without `iw`.
pub async fn ssid() -> Option<Vec<u8>> {
    let devices = Cmd::new(process::tool("iw")).arg("dev").text().await.ok()?;
    parse(&devices)
}

/// A line `ssid NAME` below an interface in use; bytes that are not printable ASCII, and backslashes, are `\xNN`.
fn parse(devices: &str) -> Option<Vec<u8>> {
    // not only trimmed: a name can end in what looks like white space
    let shown = devices
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("ssid "))?;
    let mut bytes = Vec::new();
    let mut rest = shown.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = rest
            .strip_prefix(b"\\x")
            .and_then(|tail| Some((tail.get(..2)?, tail.get(2..)?)));
        let number = escaped.and_then(|(digits, tail)| {
            Some((
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?,
                tail,
            ))
        });
        let (byte, left) = number.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = left;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_from_what_iw_prints() {
        let devices = "phy#0\n\tInterface wlan0\n\t\tifindex 3\n\t\taddr 00:11:22:33:44:55\n\t\tssid Zur Post \\xe2\\x98\\x95\\x5c\\x20\n\t\ttype managed\n";
        assert_eq!(parse(devices).unwrap(), "Zur Post ☕\\ ".as_bytes());
        assert_eq!(parse("phy#0\n\tInterface wlan0\n\t\ttype managed\n"), None);
    }
}
