//! The table, in Markdown.

use std::fmt::Write as _;

use crate::row::Row;

pub fn render(rows: &[Row]) -> String {
    let mut out = String::from(
        "| what | spinet | beside | its figure | ratio | goal | |\n|---|---|---|---|---|---|---|\n",
    );
    let mut before = String::new();
    for row in rows {
        let what = format!("{}: {}", row.part, row.what);
        let figures = [row.spinet, row.theirs];
        let [own, theirs] = figures.map(|figure| figure.map(|value| number(value, &row.unit)));
        let own = own.unwrap_or_else(|| "not measured".to_owned());
        // said once for all that it stands beside
        let (shown, own) = if format!("{what}{own}") == before {
            (String::new(), String::new())
        } else {
            before = format!("{what}{own}");
            (what, own)
        };
        let missing = row.missing.as_deref().unwrap_or_default();
        let theirs = theirs.unwrap_or_else(|| missing.to_owned());
        let ratio = ratio(row).map_or_else(String::new, short);
        let goal = row.goal.map_or_else(String::new, |goal| goal.to_string());
        let met = met(row);
        writeln!(
            out,
            "| {shown} | {own} | {} | {theirs} | {ratio} | {goal} | {met} |",
            row.peer
        )
        .unwrap();
    }
    let with_goal: Vec<&str> = rows.iter().map(met).filter(|met| !met.is_empty()).collect();
    let missed = with_goal.iter().filter(|met| **met != "met").count();
    writeln!(
        out,
        "\n{} of {} goals met. A ratio is spinet's figure to the other: below 1 spinet takes less. Met is a ratio up to the goal.",
        with_goal.len() - missed,
        with_goal.len()
    )
    .unwrap();
    out
}

fn ratio(row: &Row) -> Option<f64> {
    Some(row.spinet? / row.theirs?)
}

fn met(row: &Row) -> &'static str {
    match (ratio(row), row.goal) {
        (Some(ratio), Some(goal)) if ratio <= goal => "met",
        (Some(_), Some(_)) => "**missed**",
        _ => "",
    }
}

fn number(value: f64, unit: &str) -> String {
    format!("{} {unit}", short(value))
}

/// Three digits that count, or two places.
fn short(value: f64) -> String {
    match value.abs() {
        ..0.1 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
