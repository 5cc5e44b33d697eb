//! Everything that is known of a host, a line for each fact.

use super::look::{Look, Told};
use super::wanted::Wants;
use super::{Picture, Row, words};
use crate::error::parts;
use crate::host::glance::Missed;
use crate::host::status::Status;
use crate::ui::{bytes, visible};

pub fn text(picture: &Picture) -> String {
    let mut text: String = picture
        .rows
        .iter()
        .map(|row| host(row, picture.wanted.of(&row.host.name)))
        .collect();
    if let Some(trouble) = &picture.wanted.trouble {
        text.push_str(&format!("{trouble}\n"));
    }
    text
}

fn host(row: &Row, wants: Option<&Wants>) -> String {
    let name = &row.host.name;
    let mut text = match &row.look {
        None => format!("{name}: not asked yet\n"),
        Some(Look::Told(_)) => format!("{name}: reached under its pinned key\n"),
        Some(Look::Unpinned {
            card_waits: true, ..
        }) => {
            format!("{name}: not reached\n  Its card is written and waits for its first boot.\n")
        }
        Some(Look::Missed(Missed { error, .. }) | Look::Unpinned { error, .. }) => {
            let (what, _, hints) = parts(error);
            let hints = hints.iter().map(|hint| format!("  Hint: {hint}\n"));
            format!(
                "{name}: not reached\n  {what}\n{}",
                hints.collect::<String>()
            )
        }
    };
    let mut facts = Vec::new();
    if let Some(Look::Told(told)) = &row.look {
        facts = of_told(row, told, wants.and_then(|wants| wants.built.as_deref()));
    }
    if let Some(wants) = wants {
        facts.extend(secrets(wants).map(|secrets| ("secrets", secrets)));
    }
    for (title, fact) in facts {
        text.push_str(&format!("  {title:<10} {fact}\n"));
    }
    text
}

fn of_told(row: &Row, told: &Told, built: Option<&str>) -> Vec<(&'static str, String)> {
    let status = &told.status;
    let current = visible(&status.current);
    let runs = match built {
        Some(built) if built == status.current => format!("{current}, as the flake builds it"),
        Some(_) => format!("{current}, which is not what the flake builds"),
        None => current,
    };
    let mut facts = vec![("runs", runs)];
    facts.extend(words::boots(status).map(|boots| ("boots", visible(boots))));
    if status.booted != status.current {
        facts.push(("booted", visible(&status.booted)));
    }
    if let Some(last) = &status.last {
        if last.is_pending() {
            facts.push(("pending", words::waits(row.host, last)));
        } else {
            facts.extend(words::ended(last).map(|end| ("last", end)));
        }
    }
    if !status.failed.is_empty() {
        facts.push(("failed", visible(&status.failed.join(" "))));
    }
    let health = told
        .failing
        .as_ref()
        .map(|failing| match failing.as_slice() {
            [] => "secrets and checks are in order".into(),
            failing => format!("failing: {}", visible(&failing.join(", "))),
        });
    facts.extend(health.map(|health| ("health", health)));
    facts.push(("board", board(status)));
    facts.push(("room", format!("{} free", bytes(status.free))));
    let (available, all) = (bytes(status.memory_available), bytes(status.memory));
    facts.push(("memory", format!("{available} of {all} available")));
    facts.extend(
        told.conflict
            .iter()
            .map(|conflict| ("name", conflict.clone())),
    );
    facts
}

/// How it stands with the secrets the flake gives it.
fn secrets(wants: &Wants) -> Option<String> {
    let unreadable = wants.unreadable.as_ref()?;
    Some(match (wants.secrets, unreadable.len()) {
        (0, _) => "it uses none".into(),
        (1, 0) => "the flake's one is encrypted for its pinned key".into(),
        (all, 0) => format!("the flake's {all} are encrypted for its pinned key"),
        _ => words::unreadable(wants)?,
    })
}

/// How long it is up, how warm it is, and what its firmware complains of.
fn board(status: &Status) -> String {
    let mut parts = vec![format!("up {}", words::span(status.uptime))];
    if let Some(heat) = status.heat {
        parts.push(format!("{}.{} °C", heat / 1000, heat % 1000 / 100));
    }
    parts.extend(words::power(status.throttled));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &str) -> Status {
        Status::parse(&format!("{lines}\nend=status\n")).unwrap()
    }

    #[test]
    fn a_board_tells_its_heat_and_what_its_power_supply_lacks() {
        let status = of("now=273840\nmillidegrees=51540\nthrottled=50001");
        assert_eq!(
            board(&status),
            "up 3 d 4 h, 51.5 °C, under-voltage now, throttled since it started"
        );
        // a virtual machine
        assert_eq!(board(&of("now=125")), "up 2 min");
    }
}
