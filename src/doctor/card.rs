//! What a card needs on this machine: the programs, the rights, and the card itself.

use super::finding::{Finding, Subject, line};
use crate::card::disk;
use crate::privileged::elevator;
use crate::tools;
use crate::ui::counted;

const CARDS: Subject = Subject::of("cards");
const PROGRAMS: Subject = Subject::of("programs");

pub fn programs() -> Vec<Finding> {
    let missing = tools::missing();
    if missing.is_empty() {
        let text = format!("all {} that spinet runs are here", tools::count());
        return vec![PROGRAMS.ok("path", text)];
    }
    let lacks = missing.into_iter().map(|tool| {
        let message = format!(
            "`{}` is not here; it is needed for {}.",
            tool.name, tool.purpose
        );
        PROGRAMS.failure("path", message).remedy(tool.remedy)
    });
    lacks.collect()
}

pub async fn check() -> Vec<Finding> {
    vec![rights(), cards().await]
}

fn rights() -> Finding {
    if rustix::process::geteuid().is_root() {
        return CARDS.ok("rights", "you are root");
    }
    match elevator() {
        Some(elevator) => CARDS.ok("rights", format!("through {elevator}")),
        None => CARDS
            .failure(
                "rights",
                "Writing a card needs root, and none of sudo, run0 and doas is here.",
            )
            .remedy(line(
                "security.sudo.enable = true;",
                "Install sudo, or run bootstrap as root.",
            )),
    }
}

/// None is nothing wrong: it is put in when it is wanted.
async fn cards() -> Finding {
    let disks = match disk::list().await {
        Ok(disks) => disks,
        Err(error) => return CARDS.error("card", &error),
    };
    let cards: Vec<_> = disks
        .iter()
        .filter(|disk| disk.refusal(false).is_none())
        .collect();
    let empty = disks.iter().filter(|disk| disk.is_empty_reader()).count();
    if cards.is_empty() {
        let readers = if empty == 0 {
            String::new()
        } else {
            format!(", and {} without one", counted(empty, "reader"))
        };
        return CARDS.ok(
            "card",
            format!("none is in{readers}; `spinet card list` tells why disks are refused"),
        );
    }
    let rows: Vec<_> = cards
        .iter()
        .map(|disk| format!("{}, {}", disk.path.display(), disk.describe()))
        .collect();
    CARDS.ok("card", rows.join("\n"))
}
