//! What a bench tells `benches/run`: its figures beside floors, limits and other programs, as JSON lines.

pub mod row;

use std::fs::File;
use std::io::Write as _;

pub use row::Row;

/// Where rows go. Nowhere, unless somebody asked for them by `--json FILE`.
pub struct Report {
    part: &'static str,
    file: Option<File>,
}

impl Report {
    pub fn new(part: &'static str) -> Self {
        Self { part, file: None }
    }

    /// Adds the rows to this file.
    pub fn write_to(&mut self, path: &str) {
        let file = File::options().create(true).append(true).open(path);
        self.file = Some(file.expect("a file for the rows"));
    }

    /// Tells all that spinet's figure stands beside.
    pub fn tell(&self, figure: &Figure, rows: impl IntoIterator<Item = Beside>) {
        for beside in rows {
            let (theirs, missing) = match beside.figure {
                Ok(value) => (Some(value), None),
                Err(why) => (None, Some(why)),
            };
            self.add(&Row {
                part: self.part.to_owned(),
                what: figure.what.clone(),
                unit: figure.unit.to_owned(),
                spinet: Some(figure.value),
                peer: beside.name,
                theirs,
                goal: beside.goal,
                missing,
            });
        }
    }

    /// Says, also in the table, that something was not measured.
    pub fn skip(&self, what: &str, why: &str) {
        println!("skipped: {why}");
        self.add(&Row {
            part: self.part.to_owned(),
            what: what.to_owned(),
            unit: String::new(),
            spinet: None,
            peer: String::new(),
            theirs: None,
            goal: None,
            missing: Some(why.to_owned()),
        });
    }

    fn add(&self, row: &Row) {
        if let Some(mut file) = self.file.as_ref() {
            let line = serde_json::to_string(row).expect("plain data");
            writeln!(file, "{line}").expect("the file for the rows");
        }
    }
}

/// A figure of spinet's.
pub struct Figure {
    what: String,
    unit: &'static str,
    value: f64,
}

impl Figure {
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let what = what.into();
        Self { what, unit, value }
    }
}

/// What a figure of spinet's stands beside.
pub struct Beside {
    name: String,
    figure: Result<f64, String>,
    goal: Option<f64>,
}

impl Beside {
    pub fn new(name: impl Into<String>, figure: f64) -> Self {
        Self {
            name: name.into(),
            figure: Ok(figure),
            goal: None,
        }
    }

    pub fn missing(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            figure: Err(why.into()),
            goal: None,
        }
    }

    /// A figure that was promised, in the same unit.
    pub fn limit(figure: f64) -> Self {
        Self::new("limit", figure).goal(1.0)
    }

    /// So many times the other is as much as it may be.
    pub fn goal(self, times: f64) -> Self {
        Self {
            goal: Some(times),
            ..self
        }
    }
}
