//! A line of the one table of all benchmarks.

use serde::{Deserialize, Serialize};

/// What spinet took beside what something else took.
#[derive(Serialize, Deserialize)]
pub struct Row {
    /// The bench that measured it.
    pub part: String,
    pub what: String,
    /// Of both figures.
    pub unit: String,
    /// None if it was not measured.
    pub spinet: Option<f64>,
    /// Another program, a floor, or a limit.
    pub peer: String,
    /// None if it was not measured.
    pub theirs: Option<f64>,
    /// What spinet's figure may be, in multiples of the other; none for a comparison only.
    pub goal: Option<f64>,
    /// Why a figure is missing.
    pub missing: Option<String>,
}
