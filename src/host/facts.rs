//! What a host says of its board, its card and its settings, as facts.sh prints it.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

/// Prints `KEY=VALUE` lines.
pub const SCRIPT: &str = include_str!("facts.sh");

/// A host at one moment. What it lacks or does not know is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Seconds since 1970, by its clock.
    pub clock: Option<i64>,
    /// A time server set the clock.
    pub clock_synchronized: Option<bool>,
    /// Seconds since it booted.
    pub uptime: u64,
    /// The root file system, and those of `/nix` and `/boot` if they have their own.
    pub rooms: Vec<Room>,
    /// Bytes of the journal on disk.
    pub journal: Option<u64>,
    /// Bytes of swap, zram included.
    pub swap: Option<u64>,
    /// The root file system can be written.
    pub root_writable: Option<bool>,
    pub root: Option<Root>,
    /// Errors that the kernel met on its ext4 file systems, ever.
    pub ext4_errors: u64,
    pub throttled: Option<Throttled>,
    /// The kernel's driver says so right now, and how often it did since the boot.
    pub under_voltage_now: bool,
    pub under_voltage_seen: u64,
    /// Thousandths of a degree Celsius.
    pub millidegrees: Option<i64>,
    /// The last complaint of the wifi driver.
    pub wifi_error: Option<String>,
    /// Wifi interfaces and their state (operstate).
    pub wifi: Vec<(String, String)>,
    pub generations: u64,
    /// It runs another kernel than its system would boot.
    pub kernel_waits: bool,
    /// Its SSH server takes passwords.
    pub password_logins: Option<bool>,
    /// Users and `@groups` whose unsigned paths nix takes.
    pub nix_trusts: Option<Vec<String>>,
    /// The groups of the user who logged in.
    pub groups: Vec<String>,
}

/// A file system.
#[derive(Debug, PartialEq, Eq)]
pub struct Room {
    pub place: String,
    /// Bytes in all, and those free.
    pub size: u64,
    pub free: u64,
    /// Inodes in all, and those free; all 0 where the file system counts none.
    pub inodes: u64,
    pub free_inodes: u64,
}

/// The root file system by /etc/fstab, against the one that is mounted.
#[derive(Debug, PartialEq, Eq)]
pub struct Root {
    /// As /etc/fstab names its device.
    pub named: String,
    /// What that name leads to now; none when nothing has it.
    pub meant: Option<String>,
    /// What is mounted.
    pub device: Option<String>,
}

/// `vcgencmd get_throttled` (Raspberry Pi documentation, "Utilities", `get_throttled`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled(u32);

/// What a bit means, and 16 bits higher that it has been so since the boot.
const BITS: [(u32, &str); 4] = [
    (0, "under-voltage"),
    (1, "the processor's frequency is capped"),
    (2, "throttled"),
    (3, "the soft temperature limit is reached"),
];

impl Throttled {
    /// In hexadecimal, with or without `0x`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim_start_matches("0x");
        u32::from_str_radix(digits, 16).ok().map(Self)
    }

    /// What is so now.
    pub fn now(self) -> Vec<&'static str> {
        self.bits(0)
    }

    /// What was so since the boot.
    pub fn since_boot(self) -> Vec<&'static str> {
        self.bits(16)
    }

    fn bits(self, shift: u32) -> Vec<&'static str> {
        let set = BITS
            .iter()
            .filter(|(bit, _)| self.0 >> (bit + shift) & 1 == 1);
        set.map(|(_, text)| *text).collect()
    }
}

impl Facts {
    /// Reads what the script printed; an answer cut short is an error.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = || text.lines().filter_map(|line| line.split_once('='));
        let values: BTreeMap<_, _> = lines().collect();
        let get = |key: &str| values.get(key).copied();
        if get("end") != Some("facts") {
            bail!("The host's answer was cut short.");
        }
        let number = |key| get(key).and_then(|text| text.parse::<u64>().ok());
        let signed = |key| get(key).and_then(|text| text.parse::<i64>().ok());
        let kib = |key| number(key).map(|n| n.saturating_mul(1024));
        let yes = |key| get(key).map(|text| text == "yes");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let named = |prefix| {
            lines().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value)))
        };
        let owned = |key| get(key).map(str::to_owned);
        Ok(Self {
            clock: signed("clock"),
            clock_synchronized: yes("clock_synchronized"),
            uptime: number("uptime").unwrap_or(0),
            rooms: named("room ")
                .filter_map(|(p, n)| Room::parse(p, n))
                .collect(),
            journal: kib("journal_kib"),
            swap: kib("swap_kib"),
            root_writable: get("root_mode").map(|mode| mode == "rw"),
            root: owned("root_named").map(|named| Root {
                named,
                meant: owned("root_meant"),
                device: owned("root_device"),
            }),
            ext4_errors: number("ext4_errors").unwrap_or(0),
            throttled: get("throttled").and_then(Throttled::parse),
            under_voltage_now: get("under_voltage_now") == Some("1"),
            under_voltage_seen: number("under_voltage_seen").unwrap_or(0),
            millidegrees: signed("millidegrees"),
            wifi_error: owned("wifi_error"),
            wifi: named("wifi ")
                .map(|(link, state)| (link.to_owned(), state.to_owned()))
                .collect(),
            generations: number("generations").unwrap_or(0),
            kernel_waits: get("booted_kernel").is_some()
                && get("current_kernel").is_some()
                && get("booted_kernel") != get("current_kernel"),
            password_logins: yes("password_logins"),
            nix_trusts: get("nix_trusts").map(words),
            groups: get("groups").map(words).unwrap_or_default(),
        })
    }

    /// Nix on the host takes unsigned paths from the user; none when that is not known.
    pub fn trusts(&self, user: &str) -> Option<bool> {
        let trusted = self.nix_trusts.as_ref()?;
        let is_named = |word: &String| match word.strip_prefix('@') {
            Some(group) => self.groups.iter().any(|own| own == group),
            None => word == "*" || word == user,
        };
        Some(trusted.iter().any(is_named))
    }
}

impl Room {
    /// KiB in all and free, inodes in all and free; `-` where there are none.
    fn parse(place: &str, text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(|word| word.parse::<u64>().ok());
        let (size, free) = (numbers.next()??, numbers.next()??);
        let mut inodes = || numbers.next().flatten().unwrap_or(0);
        Some(Self {
            place: place.to_owned(),
            size: size.saturating_mul(1024),
            free: free.saturating_mul(1024),
            inodes: inodes(),
            free_inodes: inodes(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_documentation() {
        let bits = |text| {
            let throttled = Throttled::parse(text).unwrap();
            (throttled.now(), throttled.since_boot())
        };
        assert_eq!(bits("0x0"), (vec![], vec![]));
        // as the kernel prints it
        assert_eq!(
            bits("50005"),
            (
                vec!["under-voltage", "throttled"],
                vec!["under-voltage", "throttled"]
            )
        );
        assert_eq!(bits("0x80008").0, ["the soft temperature limit is reached"]);
        assert_eq!(
            bits("0x20000"),
            (vec![], vec!["the processor's frequency is capped"])
        );
        assert_eq!(Throttled::parse("error=1 error_msg=\"..\""), None);
    }

    #[test]
    fn what_this_machine_says_of_itself_can_be_read() {
        // a sandbox has its programs elsewhere
        if !["/usr/bin/df", "/run/current-system/sw/bin/df"]
            .iter()
            .any(|df| std::path::Path::new(df).exists())
        {
            println!("skipped: no system's programs");
            return;
        }
        let output = std::process::Command::new("sh")
            .args(["-c", SCRIPT])
            .output()
            .unwrap();
        let facts = Facts::parse(&String::from_utf8(output.stdout).unwrap()).unwrap();
        assert!(facts.clock.unwrap() > 1_700_000_000 && facts.uptime > 0);
        assert_eq!(facts.rooms[0].place, "/");
        assert!(facts.rooms[0].size >= facts.rooms[0].free);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "");
    }

    #[test]
    fn an_answer_cut_short_is_an_error_and_what_is_missing_is_none() {
        assert!(Facts::parse("clock=1\n").is_err());
        let facts =
            Facts::parse("clock=0\nroom /boot=100 50 - -\nwifi wlan0=up\nend=facts\n").unwrap();
        assert_eq!(facts.clock, Some(0));
        assert_eq!(facts.rooms[0].free, 51_200);
        assert_eq!(facts.rooms[0].inodes, 0);
        assert_eq!(facts.wifi, [("wlan0".to_owned(), "up".to_owned())]);
        assert!(facts.throttled.is_none() && facts.clock_synchronized.is_none());
    }

    #[test]
    fn trust_is_by_name_by_group_or_for_all() {
        let trusts = |list: &str| {
            let text = format!("nix_trusts={list}\ngroups=users wheel\nend=facts\n");
            Facts::parse(&text).unwrap().trusts("deploy")
        };
        assert_eq!(trusts("root deploy"), Some(true));
        assert_eq!(trusts("root @wheel"), Some(true));
        assert_eq!(trusts("*"), Some(true));
        assert_eq!(trusts("root @admins"), Some(false));
        assert_eq!(Facts::parse("end=facts").unwrap().trusts("deploy"), None);
    }
}
