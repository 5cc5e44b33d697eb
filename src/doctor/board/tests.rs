//! Every ailment of a board, by what it prints.

use super::super::finding::Verdict;
use super::*;
use crate::host::facts::Root;

const NOW: i64 = 1_800_000_000;

fn host(user: &str) -> Host {
    Host {
        user: user.into(),
        ..Host::named("bach")
    }
}

/// What a board in order prints; of two values the last counts.
fn facts(lines: &str) -> Facts {
    let well = format!(
        "clock={NOW}\nclock_synchronized=yes\nuptime=9000\nroom /=30000000 20000000 1900000 1500000\nswap_kib=500000\nroot_mode=rw\next4_errors=0\nthrottled=0x0\nmillidegrees=51540\nwifi wlan0=up\npassword_logins=no\ngenerations=3\n{lines}\nend=facts\n"
    );
    Facts::parse(&well).unwrap()
}

#[track_caller]
fn expect(lines: &str, check: &str, verdict: Verdict, text: &str) {
    let found = judge(&host("deploy"), &facts(lines), 900 * MB, NOW);
    let of = |finding: &&Finding| finding.check == check;
    let one = found.iter().filter(of).max_by_key(|f| f.verdict).unwrap();
    let said = format!(
        "{} {}",
        one.message,
        one.remedy.as_deref().unwrap_or_default()
    );
    assert!(one.verdict == verdict && said.contains(text), "{one:?}");
}

#[test]
fn a_board_in_order_has_nothing_to_do() {
    let found = judge(&host("root"), &facts(""), 900 * MB, NOW);
    let well = |f: &Finding| f.verdict == Verdict::Ok && f.remedy.is_none();
    assert!(found.iter().all(well), "{found:?}");
    // one that tells next to nothing
    let found = judge(
        &host("root"),
        &Facts::parse(&format!("clock={NOW}\nend=facts")).unwrap(),
        900 * MB,
        NOW,
    );
    assert!(found.iter().all(well), "{found:?}");
}

#[test]
fn every_ailment_has_its_remedy() {
    use Verdict::{Failure, Ok, Warning};
    for (lines, check, verdict, text) in [
        (
            "room /=30000000 500000 0 0",
            "room",
            Warning,
            "nix-collect-garbage",
        ),
        (
            "room /=30000000 500000 0 0\njournal_kib=900000",
            "room",
            Warning,
            "SystemMaxUse",
        ),
        ("room /=30000000 90000 0 0", "room", Failure, "full"),
        (
            "room /=30000000 20000000 100000 900",
            "room",
            Failure,
            "900 inodes",
        ),
        (
            "room /boot=100000 90000 0 0",
            "room",
            Warning,
            "configurationLimit",
        ),
        ("room /boot=500000 400000 0 0", "room", Ok, ""),
        ("swap_kib=0", "memory", Warning, "zramSwap.enable"),
        ("clock=0", "clock", Failure, "days behind"),
        ("clock=1800000090", "clock", Warning, "90 s ahead"),
        ("clock_synchronized=no", "clock", Warning, "timesyncd"),
        ("clock_synchronized=no\nuptime=100", "clock", Ok, ""),
        ("throttled=0x50005", "power", Failure, "right now"),
        ("throttled=0x8", "power", Warning, "temperature limit"),
        ("throttled=0x20000", "power", Warning, "capped"),
        ("under_voltage_now=1", "power", Failure, "power supply"),
        ("under_voltage_seen=2", "power", Warning, "since it booted"),
        ("millidegrees=81000", "heat", Warning, "81 °C"),
        ("root_mode=ro", "root", Failure, "read-only"),
        ("ext4_errors=3", "root", Failure, "3 errors"),
        (
            "root_named=/dev/disk/by-label/NIXOS_SD\nroot_meant=/dev/sda2\nroot_device=/dev/mmcblk0p2",
            "root",
            Failure,
            "/dev/sda2",
        ),
        (
            "root_named=/dev/disk/by-label/NIXOS_SD\nroot_device=/dev/mmcblk0p2",
            "root",
            Failure,
            "leads to nothing",
        ),
        (
            "root_named=/dev/disk/by-label/NIXOS_SD\nroot_meant=/dev/sda2\nroot_device=/dev/sda2",
            "root",
            Ok,
            "",
        ),
        (
            "password_logins=yes",
            "logins",
            Warning,
            "PasswordAuthentication = false",
        ),
        ("nix_trusts=root", "copying", Failure, "trusted-users"),
    ] {
        expect(lines, check, verdict, text);
    }
    let silent = "clock=1\nwifi_error=brcmfmac: firmware failed\nend=facts";
    let found = judge(&host("root"), &Facts::parse(silent).unwrap(), 0, 1);
    let wifi = found.iter().find(|f| f.check == "wifi").unwrap();
    assert!(wifi.verdict == Warning && wifi.message.contains("brcmfmac"));
}

#[test]
fn a_root_that_cannot_be_compared_is_no_alarm() {
    let mut facts = facts("");
    facts.root = Some(Root {
        named: "/dev/disk/by-label/NIXOS_SD".into(),
        meant: None,
        device: None,
    });
    assert_eq!(root(&Subject::host("bach"), &facts).verdict, Verdict::Ok);
}
