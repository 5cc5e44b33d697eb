//! The fleet at a glance: one line a host, and below it what somebody should look into.

use std::time::Duration;

use super::look::{Look, Told};
use super::wanted::{Wanted, Wants};
use super::{Picture, Row, words};
use crate::ui::{bytes, cut, indented};

/// Between two columns.
const GAP: &str = "  ";
/// Before what is told below a line.
const INDENT: &str = "    ";

/// The columns, and in which order they go where there is no room for all: the highest number first, 0 never.
const COLUMNS: [(&str, u8); 8] = [
    ("host", 0),
    ("system", 0),
    ("booted", 5),
    ("up", 3),
    ("heat", 4),
    ("free", 2),
    ("units", 0),
    ("secrets", 1),
];

/// `room` is how many columns the terminal has; none where the text goes elsewhere. Where not all hosts can be seen, those
/// that somebody should look into come first.
pub fn text(picture: &Picture, room: Option<usize>, troubled_first: bool) -> String {
    let mut rows: Vec<&Row> = picture.rows.iter().collect();
    if troubled_first {
        rows.sort_by_key(|row| !is_troubled(row, &picture.wanted));
    }
    let cells: Vec<Option<[String; 8]>> =
        rows.iter().map(|row| cells(row, &picture.wanted)).collect();
    let shown = shown(&rows, &cells, room);
    let line = |cells: &[String]| {
        let cells = shown
            .iter()
            .map(|(column, width)| format!("{:<width$}", cells[*column]));
        let line = cells.collect::<Vec<_>>().join(GAP);
        cut(line.trim_end(), room)
    };
    let mut text = line(&COLUMNS.map(|(title, _)| title.to_owned()));
    text.push('\n');
    for (row, cells) in rows.iter().zip(&cells) {
        let wants = picture.wanted.of(&row.host.name);
        let first = match (cells, &row.look) {
            (Some(cells), _) => line(cells),
            (None, look) => {
                let what = look.as_ref().and_then(words::absence);
                let width = shown.first().map_or(0, |(_, width)| *width);
                let what = what.unwrap_or_else(|| "is asked".into());
                cut(&format!("{:<width$}{GAP}{what}", row.host.name), room)
            }
        };
        text.push_str(&first);
        text.push('\n');
        let troubles = row
            .look
            .as_ref()
            .map(|look| words::troubles(row.host, look, wants));
        for trouble in troubles.unwrap_or_default() {
            text.push_str(&wrapped(&trouble, room));
        }
    }
    if let Some(trouble) = &picture.wanted.trouble {
        text.push_str(wrapped(trouble, room).trim_start());
    }
    text
}

fn is_troubled(row: &Row, wanted: &Wanted) -> bool {
    let wants = wanted.of(&row.host.name);
    row.look.as_ref().is_some_and(|look| {
        matches!(look, Look::Missed(_)) || !words::troubles(row.host, look, wants).is_empty()
    })
}

/// A line's cells; none of a host that told nothing.
fn cells(row: &Row, wanted: &Wanted) -> Option<[String; 8]> {
    let Some(Look::Told(told)) = &row.look else {
        return None;
    };
    let (status, wants) = (&told.status, wanted.of(&row.host.name));
    let unknown = if wanted.is_awaited { "..." } else { "-" };
    let same = |is_same, other: &str| {
        if is_same {
            "same".to_owned()
        } else {
            other.to_owned()
        }
    };
    Some([
        row.host.name.clone(),
        wants.map_or(unknown, |wants| system(told, wants)).into(),
        same(status.booted == status.current, "older"),
        age(status.uptime),
        status
            .heat
            .map_or("-".into(), |heat| format!("{} °C", heat / 1000)),
        bytes(status.free),
        match status.failed.len() {
            0 => "ok".into(),
            failed => format!("{failed} failed"),
        },
        wants.map_or(unknown, secrets).into(),
    ])
}

/// What runs, against what the flake builds.
fn system(told: &Told, wants: &Wants) -> &'static str {
    match &wants.built {
        Some(built) if *built == told.status.current => "as built",
        Some(_) => "differs",
        None => "-",
    }
}

fn secrets(wants: &Wants) -> &'static str {
    match &wants.unreadable {
        None => "-",
        Some(_) if wants.secrets == 0 => "none",
        Some(unreadable) if unreadable.is_empty() => "in step",
        Some(_) => "stale",
    }
}

/// `3 d`: the largest unit.
fn age(time: Duration) -> String {
    let span = words::span(time);
    span.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// The columns there is room for, with their widths.
fn shown(rows: &[&Row], cells: &[Option<[String; 8]>], room: Option<usize>) -> Vec<(usize, usize)> {
    let width = |column: usize| {
        let cells = cells.iter().flatten().map(|cells| cells[column].as_str());
        let hosts = rows
            .iter()
            .filter(|_| column == 0)
            .map(|row| row.host.name.as_str());
        let all = cells.chain(hosts).chain([COLUMNS[column].0]);
        all.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    // a fleet of virtual machines has no thermometer
    let told = |column: &usize| {
        COLUMNS[*column].0 != "heat" || cells.iter().flatten().any(|cells| cells[*column] != "-")
    };
    let columns = (0..COLUMNS.len()).filter(told);
    let mut columns: Vec<_> = columns.map(|column| (column, width(column))).collect();
    let fits = |columns: &[(usize, usize)]| {
        let widths: usize = columns.iter().map(|(_, width)| width).sum();
        room.is_none_or(|room| widths + GAP.len() * columns.len().saturating_sub(1) <= room)
    };
    while !fits(&columns) {
        let first = columns
            .iter()
            .map(|(column, _)| COLUMNS[*column].1)
            .max()
            .unwrap_or(0);
        if first == 0 {
            break;
        }
        columns.retain(|(column, _)| COLUMNS[*column].1 != first);
    }
    columns
}

/// A sentence, indented, on as many lines as it takes.
fn wrapped(sentence: &str, room: Option<usize>) -> String {
    let lines = indented(sentence, INDENT, room).into_iter();
    lines.map(|line| cut(&line, room) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Host;
    use crate::host::glance::Missed;
    use crate::host::status::Status;

    const FINE: &str = "current=/nix/store/n\nprofile_now=/nix/store/n\nentry_now=/nix/store/n\nbooted=/nix/store/o\n\
        now=273840\nfree_kib=20800000\nmillidegrees=51540\nthrottled=0\n";
    const ILL: &str = "id=a-1\nboot=b\nphase=waiting\ndeadline=7544\nguard=alive\nboot_now=b\ncurrent=/nix/store/x\n\
        profile_now=/nix/store/o\nentry_now=/nix/store/o\nbooted=/nix/store/x\nnow=7500\nfree_kib=1000000\n\
        failed_now=nginx.service\u{1b}[2J cups.service\nmillidegrees=71800\nthrottled=50005\n";

    fn told(lines: &str) -> Look {
        let status = Status::parse(&format!("{lines}end=status\n")).unwrap();
        let (failing, conflict) = (Some(Vec::new()), None);
        Look::Told(Box::new(Told {
            status,
            failing,
            conflict,
        }))
    }

    fn missed() -> Look {
        Look::Missed(Missed {
            words: "not reached: 10.0.0.2 does not respond".into(),
            error: anyhow::anyhow!("x"),
        })
    }

    fn unpinned() -> Look {
        let (card_waits, error) = (false, anyhow::anyhow!("x"));
        Look::Unpinned { card_waits, error }
    }

    fn wants(unreadable: &[&str]) -> Wants {
        Wants {
            built: Some("/nix/store/n".into()),
            secrets: 2,
            unreadable: Some(unreadable.iter().map(ToString::to_string).collect()),
        }
    }

    fn at(
        looks: Vec<(&str, Option<Look>)>,
        wanted: Wanted,
        room: Option<usize>,
        sort: bool,
    ) -> String {
        let hosts: Vec<Host> = looks.iter().map(|(name, _)| Host::named(name)).collect();
        let rows = hosts.iter().zip(looks).map(|(host, (_, look))| Row {
            host,
            look,
            fresh: true,
        });
        let rows = rows.collect();
        text(&Picture { rows, wanted }, room, sort)
    }

    fn fleet(room: Option<usize>, sort: bool) -> String {
        let looks = vec![
            ("bach", Some(told(FINE))),
            ("byrd", Some(told(ILL))),
            ("gould", Some(missed())),
            ("holst", Some(unpinned())),
            ("ives", None),
        ];
        let wanted = Wanted::told([("bach", wants(&[])), ("byrd", wants(&["wifi.age"]))]);
        at(looks, wanted, room, sort)
    }

    #[test]
    fn eighty_columns_hold_everything() {
        assert_eq!(
            fleet(Some(80), false),
            "host   system    booted  up   heat   free     units     secrets\n\
             bach   as built  older   3 d  51 °C  21.2 GB  ok        in step\n\
             byrd   differs   same    2 h  71 °C  1.0 GB   2 failed  stale\n    \
             a-1 waits for confirmation, 44 s left; `spinet deploy byrd --confirm` or\n    \
             `--undo` decides it\n    \
             failed: nginx.service\\u{1b}[2J, cups.service\n    \
             under-voltage now\n    \
             throttled now\n    \
             wifi.age: not there, or not encrypted for its pinned key;\n    \
             `spinet secrets check` tells more\n\
             gould  not reached: 10.0.0.2 does not respond\n\
             holst  not bootstrapped yet: no key is pinned\n\
             ives   is asked\n"
        );
    }

    #[test]
    fn a_narrow_terminal_loses_columns_and_no_line_wraps() {
        let first = |room| fleet(Some(room), false).lines().next().unwrap().to_owned();
        assert!(first(60).ends_with("up   heat   free     units     secrets"));
        assert_eq!(
            first(50),
            "host   system    up   free     units     secrets"
        );
        assert_eq!(first(45), "host   system    free     units     secrets");
        for room in [20, 30, 40, 50, 60] {
            let text = fleet(Some(room), false);
            let fits = |line: &str| line.chars().count() <= room;
            assert!(text.lines().all(fits), "{room}: {text}");
        }
        assert!(
            fleet(None, false)
                .lines()
                .any(|line| line.ends_with("`spinet secrets check` tells more"))
        );
    }

    #[test]
    fn those_to_look_into_come_first_where_not_all_can_be_seen() {
        let text = fleet(Some(80), true);
        let hosts = text.lines().filter(|line| !line.starts_with(' '));
        let hosts: Vec<_> = hosts.filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(hosts, ["host", "byrd", "gould", "bach", "holst", "ives"]);
    }

    #[test]
    fn what_the_flake_wants_may_be_awaited_or_never_told() {
        let line = |wanted| {
            let text = at(vec![("bach", Some(told(FINE)))], wanted, None, false);
            text.lines().nth(1).unwrap().to_owned()
        };
        let fine = "older   3 d  51 °C  21.2 GB  ok";
        assert_eq!(
            line(Wanted::nothing(true)),
            format!("bach  ...     {fine}     ...")
        );
        assert_eq!(
            line(Wanted::nothing(false)),
            format!("bach  -       {fine}     -")
        );
        let mut failed = Wanted::told([("bach", Wants::default())]);
        failed.trouble = Some("What the flake builds could not be evaluated.".into());
        let text = at(vec![("bach", Some(told(FINE)))], failed, None, false);
        assert!(
            text.contains(
                "    its configuration does not evaluate; `nix build .#bach` tells why\n"
            )
        );
        assert!(
            text.ends_with("\nWhat the flake builds could not be evaluated.\n"),
            "{text}"
        );
    }
}
