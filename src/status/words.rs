//! What is said of a host in words: what waits, what ails it, how it is not reached.

use std::time::Duration;

use super::look::{Look, Told};
use super::wanted::Wants;
use crate::fleet::Host;
use crate::host::facts::Throttled;
use crate::host::status::{Last, Outcome, Status};
use crate::ui::{bytes, visible};

/// With less room than that, in bytes, the next deploy may not fit.
const TIGHT: u64 = 700_000_000;

/// `3 d 4 h`: the two largest units.
pub fn span(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (hours, days) = (minutes / 60, minutes / 60 / 24);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Why nothing is known of a host.
pub fn absence(look: &Look) -> Option<String> {
    match look {
        Look::Told(_) => None,
        Look::Missed(missed) => Some(visible(&missed.words)),
        Look::Unpinned {
            card_waits: true, ..
        } => Some("its card waits for its first boot".into()),
        Look::Unpinned { .. } => Some("not bootstrapped yet: no key is pinned".into()),
    }
}

/// What waits, in a sentence with what to do about it.
pub fn waits(host: &Host, last: &Last) -> String {
    let name = &host.name;
    let decide = format!("`spinet deploy {name} --confirm` or `--undo` decides it");
    match &last.outcome {
        Outcome::Waiting { left } => format!(
            "{} waits for confirmation, {} s left; {decide}",
            visible(&last.id),
            left.as_secs()
        ),
        Outcome::Busy { phase, left } => format!(
            "{} is {}, {} s left",
            visible(&last.id),
            visible(phase),
            left.as_secs()
        ),
        Outcome::Interrupted { phase } => format!(
            "{} was interrupted while {}; {decide}, and so does the next deploy",
            visible(&last.id),
            visible(phase)
        ),
        _ => String::new(),
    }
}

/// How the last attempt ended.
pub fn ended(last: &Last) -> Option<String> {
    let (word, reason) = match &last.outcome {
        Outcome::Committed => ("confirmed", ""),
        Outcome::Tested => ("confirmed until the next start", ""),
        Outcome::Undone { reason } => ("undone: ", reason.as_str()),
        Outcome::Failed { reason } => ("could not be undone: ", reason.as_str()),
        _ => return None,
    };
    Some(format!("{word}{}", visible(reason)))
}

/// What the firmware complains of.
pub fn power(throttled: Option<Throttled>) -> Vec<String> {
    let Some(throttled) = throttled else {
        return Vec::new();
    };
    let (now, before) = (throttled.now(), throttled.since_boot());
    let over = before.into_iter().filter(|what| !now.contains(what));
    let over = over.map(|what| format!("{what} since it started"));
    let now = now.iter().map(|what| format!("{what} now"));
    now.chain(over).collect()
}

/// What boots next, if that is not what runs.
pub fn boots(status: &Status) -> Option<&str> {
    if status.boots(&status.current, &status.current) {
        return None;
    }
    let entry = [&status.boot_entry, &status.profile];
    let boots = entry.into_iter().find(|path| !path.is_empty());
    Some(boots.map_or("nothing known", String::as_str))
}

/// The secrets that the host is to read and cannot.
pub fn unreadable(wants: &Wants) -> Option<String> {
    let files = wants
        .unreadable
        .as_ref()
        .filter(|files| !files.is_empty())?;
    let files = visible(&files.join(", "));
    Some(format!(
        "{files}: not there, or not encrypted for its pinned key; `spinet secrets check` tells more"
    ))
}

/// What somebody should look into, the gravest first.
pub fn troubles(host: &Host, look: &Look, wants: Option<&Wants>) -> Vec<String> {
    let mut troubles = match look {
        Look::Told(told) => of_told(host, told),
        _ => Vec::new(),
    };
    if let Some(wants) = wants {
        if wants.built.is_none() {
            troubles.push(format!(
                "its configuration does not evaluate; `nix build .#{}` tells why",
                host.name
            ));
        }
        troubles.extend(unreadable(wants));
    }
    troubles
}

fn of_told(host: &Host, told: &Told) -> Vec<String> {
    let status = &told.status;
    let mut troubles = Vec::new();
    if let Some(last) = &status.last {
        match last.outcome {
            _ if last.is_pending() => troubles.push(waits(host, last)),
            Outcome::Undone { .. } | Outcome::Failed { .. } => {
                troubles.extend(ended(last).map(|end| format!("last deploy: {end}")));
            }
            _ => {}
        }
    }
    // what waits is not what boots, on purpose
    if boots(status).is_some() && status.is_settled() {
        troubles.push("it would boot another system than it runs".into());
    }
    if !status.failed.is_empty() {
        troubles.push(format!("failed: {}", visible(&status.failed.join(", "))));
    }
    if let Some(failing) = told.failing.as_ref().filter(|failing| !failing.is_empty()) {
        troubles.push(format!("checks fail: {}", visible(&failing.join(", "))));
    }
    troubles.extend(power(status.throttled));
    if status.free < TIGHT {
        troubles.push(format!("only {} free", bytes(status.free)));
    }
    troubles.extend(
        told.conflict
            .as_ref()
            .map(|conflict| conflict.trim_end_matches('.').to_owned()),
    );
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_tells_what_its_power_supply_lacks() {
        let power = power(Throttled::parse("50001"));
        assert_eq!(power, ["under-voltage now", "throttled since it started"]);
    }

    #[test]
    fn times_are_told_in_their_two_largest_units() {
        let spans = [125, 7_500, 273_840].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["2 min", "2 h 5 min", "3 d 4 h"]);
    }
}
