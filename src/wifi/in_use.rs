//! The network this machine is in now, told by `iw`, which needs no rights for that.

use crate::process::{self, Cmd};

/// The network's name; `None` without wifi, or without `iw`.
pub async fn ssid() -> Option<Vec<u8>> {
    let devices = Cmd::new(process::tool("iw")).arg("dev").text().await.ok()?;
    parse(&devices)
}

/// `ssid NAME` and then `type managed` below an interface: an access point of this machine's own has a name, too.
fn parse(devices: &str) -> Option<Vec<u8>> {
    let mut name = None;
    for line in devices.lines().map(str::trim_start) {
        if line.starts_with("Interface ") {
            name = None;
        } else if let Some(shown) = line.strip_prefix("ssid ") {
            name = Some(shown);
        } else if line == "type managed"
            && let Some(shown) = name
        {
            return Some(printed(shown));
        }
    }
    None
}

/// Bytes that are not printable ASCII, backslashes, and spaces at the ends are `\xNN`.
fn printed(shown: &str) -> Vec<u8> {
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
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_point_of_ones_own_is_no_network_in_use() {
        let own = "\tInterface ap0\n\t\tssid Own\n\t\ttype AP\n";
        let joined = "\tInterface wlan0\n\t\tssid Home\n\t\ttype managed\n";
        assert_eq!(parse(own), None);
        assert_eq!(parse(&format!("{own}{joined}")).unwrap(), b"Home");
        assert_eq!(parse(&format!("{joined}{own}")).unwrap(), b"Home");
    }

    #[test]
    fn names_are_read_back_from_what_iw_prints() {
        let devices = "phy#0\n\tInterface wlan0\n\t\tifindex 3\n\t\taddr 00:11:22:33:44:55\n\t\tssid Zur Post \\xe2\\x98\\x95\\x5c\\x20\n\t\ttype managed\n";
        assert_eq!(parse(devices).unwrap(), "Zur Post ☕\\ ".as_bytes());
        assert_eq!(parse("phy#0\n\tInterface wlan0\n\t\ttype managed\n"), None);
    }
}
