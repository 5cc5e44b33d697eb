//! What happens, for another program: one JSON object on each line of standard error (`--events`). The format is in
//! docs/reference.md; fields may be added, none is taken away.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use serde_json::{Value, json};

use super::bars::Count;

/// Between two events about how far the same thing is.
const PAUSE: Duration = Duration::from_millis(200);

/// What was told of things that go on.
#[derive(Default)]
pub struct Events {
    /// When something was last told about a host, or about the run as a whole.
    told: RefCell<HashMap<String, Instant>>,
}

/// Tells one event.
pub fn tell(event: &Value) {
    // a closed standard error must not end a deploy half-way
    let _ = writeln!(std::io::stderr(), "{event}");
}

/// A message, a warning or a detail.
pub fn text(kind: &str, text: &str) {
    let text = strip_str(text).to_string();
    tell(&json!({ "event": kind, "text": text }));
}

impl Events {
    /// How far something is, a few times a second and at its end.
    pub fn progress(&self, host: &str, text: &str, count: Count) {
        let mut told = self.told.borrow_mut();
        let is_over = matches!(count, Count::Bytes { done, total } | Count::Items { done, total } if done >= total);
        if !is_over && told.get(host).is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        told.insert(host.to_owned(), Instant::now());
        tell(&progress(host, text, count));
    }
}

fn progress(host: &str, text: &str, count: Count) -> Value {
    let host = (!host.is_empty()).then_some(host);
    let (unit, done, total) = match count {
        Count::Unknown | Count::Over => (None, None, None),
        Count::Bytes { done, total } => (Some("bytes"), Some(done), Some(total)),
        Count::Items { done, total } => (Some("items"), Some(done), Some(total)),
    };
    json!({ "event": "progress", "host": host, "text": text, "unit": unit, "done": done, "total": total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_what_is_known() {
        let count = Count::Bytes { done: 3, total: 9 };
        assert_eq!(
            progress("bach", "copying 1 of 2: a", count),
            json!({ "event": "progress", "host": "bach", "text": "copying 1 of 2: a", "unit": "bytes", "done": 3, "total": 9 })
        );
        let waiting = progress("", "Waiting for bach", Count::Unknown);
        assert!(waiting["host"].is_null() && waiting["total"].is_null());
    }
}
