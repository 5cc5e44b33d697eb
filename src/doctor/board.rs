//! A host's board and card: room, memory, clock, power, heat, the root file system; and who gets in.

#[cfg(test)]
mod tests;

use super::finding::{Finding, Subject};
use crate::fleet::Host;
use crate::host::facts::{Facts, Room, Throttled};
use crate::ui::bytes;

const MB: u64 = 1_000_000;
/// Less than an update takes, and less than a switch needs.
const TIGHT: u64 = 700 * MB;
const FULL: u64 = 100 * MB;
/// A kernel and an initrd.
const KERNEL: u64 = 100 * MB;
/// A system has tens of thousands of files; an update changes a part of them.
const INODES: u64 = 20_000;
/// Boards with less need swap to activate a system.
const SMALL: u64 = 2_000 * MB;
/// Seconds that clocks may differ, and from when on certificates and logs are wrong.
const APART: i64 = 60;
const DAY: i64 = 24 * 60 * 60;
/// Seconds after the boot in which a time server may not have answered yet.
const SETTLING: u64 = 300;
/// A Raspberry Pi slows down from 80 degrees on.
const HOT: i64 = 80_000;

/// `memory`: bytes in all; `now`: seconds since 1970 by this machine's clock.
pub fn judge(host: &Host, facts: &Facts, memory: u64, now: i64) -> Vec<Finding> {
    let subject = Subject::host(&host.name);
    let mut found: Vec<Finding> = facts
        .rooms
        .iter()
        .map(|room| of_room(&subject, room, facts))
        .collect();
    found.push(of_memory(&subject, facts, memory, &host.name));
    found.push(clock(&subject, facts, now));
    found.extend(power(&subject, facts));
    // other machines bear more
    if !host.system.starts_with("x86_64") {
        found.extend(heat(&subject, facts));
    }
    found.push(root(&subject, facts));
    found.extend(wifi(&subject, facts));
    found.extend(logins(&subject, facts, host));
    found
}

fn of_room(subject: &Subject, room: &Room, facts: &Facts) -> Finding {
    let (place, free) = (&room.place, bytes(room.free));
    if place == "/boot" {
        if room.free < KERNEL {
            return subject
                .warning("room", format!("{place} has {free} left of {}: the next kernel may not fit.", bytes(room.size)))
                .remedy("Keep fewer systems there: boot.loader.generic-extlinux-compatible.configurationLimit (or boot.loader.systemd-boot.configurationLimit).");
        }
        return subject.ok("room", format!("{place}: {free} free"));
    }
    let keeps = format!(
        "It keeps {} generations; `nix-collect-garbage --delete-older-than 14d` there removes old ones.",
        facts.generations
    );
    let journal = facts.journal.filter(|size| *size > 200 * MB).map(|size| {
        format!("Its journal takes {}: `journalctl --vacuum-size=64M` there; Add `services.journald.extraConfig = \"SystemMaxUse=64M\";` to its configuration.", bytes(size))
    });
    let finding = if room.free < FULL {
        subject.failure(
            "room",
            format!("{place} is full: {free} left of {}.", bytes(room.size)),
        )
    } else if room.inodes > 0 && room.free_inodes < INODES {
        subject.failure(
            "room",
            format!(
                "{place} has {} inodes left: a deploy would not fit.",
                room.free_inodes
            ),
        )
    } else if room.free < TIGHT {
        subject.warning(
            "room",
            format!(
                "{place} has {free} left of {}: an update may not fit.",
                bytes(room.size)
            ),
        )
    } else {
        return subject.ok(
            "room",
            format!("{place}: {free} free, {} generations", facts.generations),
        );
    };
    journal
        .into_iter()
        .fold(finding.remedy(keeps), Finding::remedy)
}

fn of_memory(subject: &Subject, facts: &Facts, memory: u64, name: &str) -> Finding {
    match facts.swap {
        Some(0) if memory < SMALL => subject
            .warning(
                "memory",
                format!(
                    "{} and no swap: a switch may be killed for want of memory.",
                    bytes(memory)
                ),
            )
            .remedy(format!("Add `zramSwap.enable = true;` to hosts/{name}.")),
        Some(swap) if swap > 0 => subject.ok(
            "memory",
            format!("{}, and {} of swap", bytes(memory), bytes(swap)),
        ),
        _ => subject.ok("memory", bytes(memory)),
    }
}

fn clock(subject: &Subject, facts: &Facts, now: i64) -> Finding {
    let remedy = "A time server sets it: `services.timesyncd.enable = true;`, and UDP port 123 must get out. A board without a battery starts with an old time.";
    let Some(clock) = facts.clock else {
        return subject.warning("clock", "It does not tell the time.");
    };
    let apart = clock - now;
    let way = if apart < 0 { "behind" } else { "ahead of" };
    if apart.abs() > DAY {
        let message = format!(
            "Its clock is {} days {way} this machine's: certificates are not valid then.",
            apart.abs() / DAY
        );
        return subject.failure("clock", message).remedy(remedy);
    }
    if apart.abs() > APART {
        let message = format!("Its clock is {} s {way} this machine's.", apart.abs());
        return subject.warning("clock", message).remedy(remedy);
    }
    if facts.clock_synchronized == Some(false) && facts.uptime > SETTLING {
        return subject
            .warning(
                "clock",
                "No time server has set its clock since it booted; it is right only by chance.",
            )
            .remedy(remedy);
    }
    subject.ok("clock", "as this machine's")
}

fn power(subject: &Subject, facts: &Facts) -> Option<Finding> {
    let supply = "Use the board's own power supply and a short, thick cable; take USB devices that draw much off it.";
    let now = facts.throttled.map(Throttled::now).unwrap_or_default();
    let before = facts
        .throttled
        .map(Throttled::since_boot)
        .unwrap_or_default();
    if facts.under_voltage_now || now.contains(&"under-voltage") {
        let message = "Its voltage is too low right now: it slows down, and its card may lose what is written.";
        return Some(subject.failure("power", message).remedy(supply));
    }
    if !now.is_empty() {
        let message = format!("It is held back right now: {}.", now.join(", "));
        return Some(
            subject
                .warning("power", message)
                .remedy("Cool it, or give it less to do."),
        );
    }
    if facts.under_voltage_seen > 0 || before.contains(&"under-voltage") {
        let message = "Its voltage was too low since it booted.";
        return Some(subject.warning("power", message).remedy(supply));
    }
    if !before.is_empty() {
        let message = format!("It was held back since it booted: {}.", before.join(", "));
        return Some(
            subject
                .warning("power", message)
                .remedy("Cool it, or give it less to do."),
        );
    }
    // not every board tells
    facts
        .throttled
        .map(|_| subject.ok("power", "neither too low nor held back since it booted"))
}

fn heat(subject: &Subject, facts: &Facts) -> Option<Finding> {
    let heat = facts.millidegrees?;
    let degrees = heat / 1000;
    Some(if heat >= HOT {
        subject
            .warning(
                "heat",
                format!("{degrees} °C: it slows down from 80 °C on."),
            )
            .remedy("Give it a heat sink or a fan, and air.")
    } else {
        subject.ok("heat", format!("{degrees} °C"))
    })
}

fn root(subject: &Subject, facts: &Facts) -> Finding {
    let card = "Save what matters and write a new card: `spinet bootstrap` with --host-key keep, or a reflash.";
    if facts.root_writable == Some(false) {
        let message =
            "Its root file system is read-only: the kernel does that after errors of the card.";
        return subject
            .failure("root", message)
            .remedy(card)
            .remedy("`dmesg` there tells what the kernel met; a restart with fsck may help once.");
    }
    if facts.ext4_errors > 0 {
        let message = format!(
            "The kernel met {} errors on its file systems: the card may be at its end.",
            facts.ext4_errors
        );
        return subject.failure("root", message).remedy(card).remedy(
            "After a check of the card in another machine (`e2fsck -f`) the count begins anew.",
        );
    }
    if let Some(root) = &facts.root
        && let Some(device) = &root.device
        && root.meant.as_ref() != Some(device)
    {
        let meant = root.meant.as_deref().unwrap_or("nothing");
        let message = format!(
            "It would not find its root file system again: {} leads to {meant}, and {device} is mounted.",
            root.named
        );
        return subject.failure("root", message).remedy("Is a second card with the same label attached? Take it out, or correct fileSystems.\"/\".device.");
    }
    subject.ok("root", "can be written, and no errors are known")
}

fn wifi(subject: &Subject, facts: &Facts) -> Option<Finding> {
    if facts.wifi.is_empty() {
        let error = facts.wifi_error.as_ref()?;
        let message = format!("Its wifi driver found no radio.\n{error}");
        return Some(subject.warning("wifi", message).remedy("Without its firmware there is no wlan0: `hardware.enableRedistributableFirmware = true;`."));
    }
    let links: Vec<_> = facts
        .wifi
        .iter()
        .map(|(link, state)| format!("{link} is {state}"))
        .collect();
    Some(subject.ok("wifi", links.join(", ")))
}

fn logins(subject: &Subject, facts: &Facts, host: &Host) -> Vec<Finding> {
    let mut found = Vec::new();
    match facts.password_logins {
        Some(true) => found.push(
            subject
                .warning(
                    "logins",
                    "Its SSH server takes passwords, which can be guessed.",
                )
                .remedy(format!(
                    "Add `services.openssh.settings.PasswordAuthentication = false;` to hosts/{}.",
                    host.name
                )),
        ),
        Some(false) => found.push(subject.ok("logins", "with keys only")),
        None => {}
    }
    if host.user != "root" && facts.trusts(&host.user) == Some(false) {
        found.push(
            subject
                .failure("copying", format!("Its nix does not trust {}: a deploy could copy nothing there.", host.user))
                .remedy(format!("Add `nix.settings.trusted-users = [ \"root\" \"{}\" ];` to hosts/{}; spinet's module does it for spinet.deploy.user.", host.user, host.name)),
        );
    }
    found
}
