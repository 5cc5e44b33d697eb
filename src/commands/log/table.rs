//! The history as a table: one line an entry, with as much as the terminal has room for.

use std::time::Duration;

use crate::history::Entry;
use crate::process::Cmd;
use crate::ui::{cut, visible};

/// Nobody waits longer for local times.
const LIMIT: Duration = Duration::from_secs(2);
/// Of a commit's name.
const SHORT: usize = 7;

/// When each entry ended, in this machine's time zone, which the system's `date` knows; without its help in UTC.
pub async fn local_times(entries: &[Entry]) -> Vec<String> {
    let stamps: Vec<_> = entries.iter().map(|entry| entry.time.as_str()).collect();
    let date = Cmd::new("date").args(["--file=-", "+%Y-%m-%d %H:%M"]);
    let date = date.input(stamps.join("\n")).timeout(LIMIT);
    let told = date.text().await.unwrap_or_default();
    let times: Vec<_> = told.lines().map(str::to_owned).collect();
    if times.len() == entries.len() {
        return times;
    }
    stamps.into_iter().map(utc).collect()
}

/// `2026-11-26T13:24:24Z` as `2026-11-26 13:24Z`.
fn utc(stamp: &str) -> String {
    let (day, time) = stamp.split_once('T').unwrap_or((stamp, ""));
    format!("{day} {}Z", time.get(..5).unwrap_or_default())
}

/// One line an entry, with as much as the terminal has room for, and below it why it did not end as it should; with
/// `all_details` how it ended in any case.
pub fn table(
    entries: &[Entry],
    times: &[String],
    room: Option<usize>,
    all_details: bool,
) -> String {
    let rows = |level| -> Vec<Vec<String>> {
        let entries = entries.iter().zip(times);
        entries
            .map(|(entry, time)| cells(entry, time, level))
            .collect()
    };
    let fits = |rows: &Vec<Vec<String>>| {
        let widths = widths(rows);
        let all = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        room.is_none_or(|room| all <= room)
    };
    let all = (0..LEVELS).map(rows).find(fits);
    let rows = all.unwrap_or_else(|| rows(LEVELS));
    let widths = widths(&rows);
    let mut text = String::new();
    for (entry, row) in entries.iter().zip(&rows) {
        let cells = row.iter().zip(&widths);
        let line: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
        if let Some(detail) = entry
            .detail
            .as_ref()
            .filter(|_| all_details || entry.exit != 0)
        {
            let line = format!("    {}", visible(&detail.replace('\n', " ")));
            text.push_str(&cut(&line, room));
            text.push('\n');
        }
    }
    text
}

/// How many times something can be left out of a row.
const LEVELS: usize = 3;

/// An entry's cells; each level has less: the machine, who, the revision.
fn cells(entry: &Entry, time: &str, level: usize) -> Vec<String> {
    let revision = entry.revision.as_deref().map_or("-".into(), short);
    let host = entry.host.as_deref().unwrap_or("-");
    let mut cells = vec![time.to_owned(), visible(host)];
    cells.extend([&entry.action, &entry.outcome].map(|word| visible(word)));
    if level < 3 {
        cells.push(visible(&revision));
    }
    match level {
        0 => cells.push(visible(&format!("{}@{}", entry.user, entry.machine))),
        1 => cells.push(visible(&entry.user)),
        _ => {}
    }
    cells
}

/// A commit as git shortens it; `-dirty` stays.
fn short(revision: &str) -> String {
    let (commit, dirty) = match revision.strip_suffix("-dirty") {
        Some(commit) => (commit, "-dirty"),
        None => (revision, ""),
    };
    let commit: String = commit.chars().take(SHORT).collect();
    commit + dirty
}

/// The widest cell of each column, in characters.
fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    (0..columns)
        .map(|column| widest(column).unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let entry =
            |action: &str, host: Option<&str>, outcome: &str, exit, detail: Option<&str>| Entry {
                time: "2026-11-26T13:24:24Z".into(),
                user: "anna".into(),
                machine: "verdi".into(),
                action: action.into(),
                host: host.map(str::to_owned),
                revision: Some(format!("a042739{}-dirty", "0".repeat(33))),
                system: None,
                attempt: None,
                outcome: outcome.into(),
                exit,
                seconds: Some(3),
                detail: detail.map(str::to_owned),
            };
        vec![
            entry("bootstrap", Some("bach"), "enrolled", 0, Some("SHA256:x")),
            entry(
                "deploy",
                Some("bach"),
                "undone",
                4,
                Some("Not healthy: unit sshd\u{1b}[2J.\nMore of it that is too long for one line."),
            ),
            entry("rekey", None, "rekeyed", 0, Some("wifi.age")),
        ]
    }

    fn at(room: Option<usize>) -> String {
        let entries = entries();
        let times: Vec<_> = entries.iter().map(|entry| utc(&entry.time)).collect();
        table(&entries, &times, room, false)
    }

    #[test]
    fn everything_is_shown_where_there_is_room() {
        assert_eq!(
            at(None),
            "2026-11-26 13:24Z  bach  bootstrap  enrolled  a042739-dirty  anna@verdi\n\
             2026-11-26 13:24Z  bach  deploy     undone    a042739-dirty  anna@verdi\n    \
             Not healthy: unit sshd\\u{1b}[2J. More of it that is too long for one line.\n\
             2026-11-26 13:24Z  -     rekey      rekeyed   a042739-dirty  anna@verdi\n"
        );
    }

    #[test]
    fn a_narrow_terminal_loses_columns_and_no_line_wraps() {
        for (room, last) in [
            (75, "anna@verdi"),
            (70, "anna"),
            (60, "a042739-dirty"),
            (50, "enrolled"),
        ] {
            let text = at(Some(room));
            let first = text.lines().next().unwrap();
            assert!(first.ends_with(&format!("  {last}")), "{room}: {text}");
            assert!(
                text.lines().all(|line| line.chars().count() <= room),
                "{room}: {text}"
            );
        }
    }

    #[test]
    fn details_of_what_ended_well_are_told_when_asked_for() {
        let entries = entries();
        let times = vec![String::new(); entries.len()];
        let text = table(&entries, &times, None, true);
        assert!(
            text.contains("    SHA256:x\n") && text.ends_with("    wifi.age\n"),
            "{text}"
        );
    }
}
