//! `spinet secrets list` and `show`: who can read what, and the content of one secret.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::cli::Global;
use crate::error::Failure;
use crate::secrets::{Header, Rules, edit};
use crate::ui::{out, print_bytes, room};

/// Prints one secret to standard output, as it is.
pub fn show(name: &str, plain: &[u8], global: &Global) -> Result<()> {
    if global.json {
        let text = std::str::from_utf8(plain).map_err(|_| {
            Failure::new(format!("{name} is no text, so it cannot be shown as JSON."))
                .hint("Leave --json out: standard output takes any bytes.")
        })?;
        let value = serde_json::json!({ "file": name, "content": text });
        out!("{value}");
    } else {
        print_bytes(plain);
    }
    Ok(())
}

/// Prints secrets against recipients, by name: a matrix where the terminal is wide enough, else a line for each secret.
pub fn run(rules: &Rules, global: &Global) -> Result<()> {
    let names = edit::names(rules)?;
    let name = |key: &str| names.get(key).cloned().unwrap_or_else(|| key.to_owned());
    let columns: BTreeSet<(String, &str)> = rules
        .entries()
        .values()
        .flat_map(|rule| &rule.recipients)
        .map(|recipient| (name(recipient.key()), recipient.key()))
        .collect();
    let rows: Vec<Row> = rules
        .entries()
        .keys()
        .map(|file| Row::of(rules, file))
        .collect();
    if global.json {
        let rows = rows.iter().map(|row| {
            let recipients: Vec<_> = columns
                .iter()
                .filter(|(_, key)| row.cell(key) != ' ')
                .map(|(name, key)| {
                    serde_json::json!({ "name": name, "key": key, "missing": row.cell(key) == '!' })
                })
                .collect();
            serde_json::json!({ "file": row.file, "exists": row.exists, "recipients": recipients })
        });
        out!("{}", rows.collect::<serde_json::Value>());
        return Ok(());
    }
    let widest = rows
        .iter()
        .map(|row| row.file.chars().count())
        .max()
        .unwrap_or(0);
    let needed = widest
        + columns
            .iter()
            .map(|(name, _)| name.chars().count() + 2)
            .sum::<usize>();
    if room().is_some_and(|(columns, _)| needed <= columns) {
        let titles = columns.iter().map(|(name, _)| format!("  {name}"));
        out!("{:widest$}{}", "", titles.collect::<String>());
        for row in &rows {
            let file = crate::ui::visible(&row.file);
            let cells = columns
                .iter()
                .map(|(name, key)| format!("  {:^1$}", row.cell(key), name.chars().count()));
            let note = if row.exists { "" } else { "  (no file yet)" };
            out!("{file:widest$}{}{note}", cells.collect::<String>());
        }
    } else {
        for row in &rows {
            let readers: Vec<String> = columns
                .iter()
                .filter(|(_, key)| row.cell(key) != ' ')
                .map(|(name, key)| match row.cell(key) {
                    '!' => format!("{name} (not yet)"),
                    _ => name.clone(),
                })
                .collect();
            let file = crate::ui::visible(&row.file);
            let note = if row.exists { "" } else { " (no file yet)" };
            out!("{file}\t{}{note}", readers.join(", "));
        }
    }
    Ok(())
}

struct Row {
    file: String,
    exists: bool,
    /// Keys of the rule, and whether the file is certainly not for them yet.
    cells: Vec<(String, bool)>,
}

impl Row {
    fn of(rules: &Rules, file: &str) -> Self {
        let path = rules.path_of(file);
        let header = Header::read(&path).ok();
        let recipients = rules
            .entries()
            .get(file)
            .into_iter()
            .flat_map(|rule| &rule.recipients);
        let cell = |recipient: &crate::secrets::Recipient| {
            let missing = header
                .as_ref()
                .is_some_and(|header| header.lacks(recipient));
            (recipient.key().to_owned(), missing)
        };
        Self {
            file: file.to_owned(),
            exists: path.exists(),
            cells: recipients.map(cell).collect(),
        }
    }

    /// `x` where the rule lists the key, `!` where the file lacks it yet.
    fn cell(&self, key: &str) -> char {
        match self.cells.iter().find(|(own, _)| own == key) {
            None => ' ',
            Some((_, false)) => 'x',
            Some((_, true)) => '!',
        }
    }
}
