//! What was promised and what happened, as a table and as JSON.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::steps::Step;
use crate::error::parts;

/// One step, taken.
pub struct Row {
    step: String,
    fault: &'static str,
    promised: String,
    happened: String,
    kept: bool,
    took: Duration,
}

impl Row {
    /// `happened` is an error where the promise was not kept.
    pub fn new(step: &Step, happened: Result<String>, took: Duration) -> Self {
        let kept = happened.is_ok();
        let happened = happened.unwrap_or_else(|error| {
            let (what, causes, _) = parts(&error);
            std::iter::once(what)
                .chain(causes)
                .collect::<Vec<_>>()
                .join("\n")
        });
        Self {
            step: step.title(),
            fault: step.fault(),
            promised: step.promise(),
            happened,
            kept,
            took,
        }
    }

    pub fn is_kept(&self) -> bool {
        self.kept
    }

    pub fn happened(&self) -> &str {
        &self.happened
    }
}

/// One line a step.
pub fn text(rows: &[Row], all: Duration) -> String {
    let width = rows
        .iter()
        .map(|row| row.step.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let word = if row.kept { "kept" } else { "NOT KEPT" };
        let happened = row.happened.lines().next().unwrap_or_default();
        let seconds = row.took.as_secs();
        text.push_str(&format!(
            "{:<width$}  {seconds:>4} s  {word:<8}  {happened}\n",
            row.step
        ));
    }
    text.push_str(&format!("{:<width$}  {:>4} s\n", "all", all.as_secs()));
    text
}

/// `{ "host", "seed", "steps": [ { "step", "fault", "promised", "happened", "kept", "seconds" } ] }`
pub fn json(host: &str, seed: u64, rows: &[Row]) -> Value {
    let steps = rows.iter().map(|row| {
        json!({
            "step": row.step,
            "fault": row.fault,
            "promised": row.promised,
            "happened": row.happened,
            "kept": row.kept,
            "seconds": row.took.as_secs(),
        })
    });
    json!({ "host": host, "seed": seed, "steps": steps.collect::<Value>() })
}
