//! What is going on, at the foot of the terminal: one line for this run, or one for each host. Messages pass above them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{terminal, visible};

/// How often times and spinners move.
const TICK: Duration = Duration::from_millis(200);

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Nobody knows.
    Unknown,
    /// What was shown has ended.
    Over,
    Bytes {
        done: u64,
        total: u64,
    },
    Items {
        done: u64,
        total: u64,
    },
}

/// The lines. Nothing is drawn where there is no terminal.
pub struct Bars {
    all: MultiProgress,
    lines: RefCell<BTreeMap<String, Line>>,
}

struct Line {
    count: Count,
    bar: ProgressBar,
}

impl Bars {
    pub fn new(shown: bool) -> Self {
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            all: MultiProgress::with_draw_target(target),
            lines: RefCell::default(),
        }
    }

    /// Something new begins on the line of `key`, with a time of its own.
    pub fn begin(&self, key: &str, label: &str) {
        if let Some(line) = self.lines.borrow_mut().get_mut(key) {
            // so that the next count is another one's
            line.count = Count::Over;
        }
        self.set(key, label, Count::Unknown);
    }

    /// Shows how far something is on the line of `key`: a host, or nothing for the run, which stands below the hosts. Hosts
    /// take up half of the terminal at most.
    pub fn set(&self, key: &str, label: &str, count: Count) {
        if self.all.is_hidden() {
            return;
        }
        let mut lines = self.lines.borrow_mut();
        if let Some(line) = lines.get_mut(key) {
            line.set(label, count);
        } else if key.is_empty() || lines.len() < terminal::rows() / 2 {
            let mut line = Line {
                count: Count::Over,
                bar: ProgressBar::hidden(),
            };
            line.set(label, count);
            let above = lines
                .keys()
                .filter(|k| !k.is_empty() && k.as_str() < key)
                .count();
            if key.is_empty() {
                self.all.add(line.bar.clone());
            } else {
                self.all.insert(above, line.bar.clone());
            }
            line.bar.enable_steady_tick(TICK);
            lines.insert(key.to_owned(), line);
        }
    }

    /// Whether a line tells how far something is.
    pub fn counts(&self, key: &str) -> bool {
        let lines = self.lines.borrow();
        let count = lines.get(key).map(|line| line.count);
        matches!(count, Some(Count::Bytes { .. } | Count::Items { .. }))
    }

    /// Whether there is such a line.
    pub fn has(&self, key: &str) -> bool {
        self.lines.borrow().contains_key(key)
    }

    pub fn clear(&self, key: &str) {
        if let Some(line) = self.lines.borrow_mut().remove(key) {
            line.bar.finish_and_clear();
            self.all.remove(&line.bar);
        }
    }

    pub fn clear_all(&self) {
        let keys: Vec<String> = self.lines.borrow().keys().cloned().collect();
        for key in &keys {
            self.clear(key);
        }
    }

    /// Prints something above the lines.
    pub fn above(&self, print: impl FnOnce()) {
        self.all.suspend(print);
    }
}

impl Line {
    fn set(&mut self, label: &str, count: Count) {
        let goes_on = count.goes_on(self.count);
        self.count = count;
        if !goes_on {
            if let Ok(style) = ProgressStyle::with_template(count.template(terminal::columns())) {
                self.bar.set_style(style);
            }
            self.bar.reset();
        }
        self.bar.set_message(visible(label));
        if let Count::Bytes { done, total } | Count::Items { done, total } = count {
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
    }
}

impl Count {
    /// The same thing as before, further on: another one has a rate and a time left of its own.
    fn goes_on(self, before: Self) -> bool {
        match (before, self) {
            (Self::Unknown, Self::Unknown) => true,
            (Self::Bytes { done: then, .. }, Self::Bytes { done, .. })
            | (Self::Items { done: then, .. }, Self::Items { done, .. }) => done >= then,
            _ => false,
        }
    }

    /// Leaves a third of 60 columns and half of 80 for the words.
    fn template(self, columns: usize) -> &'static str {
        match self {
            Self::Unknown | Self::Over => "{spinner} {wide_msg} {elapsed}",
            Self::Bytes { .. } if columns < 80 => {
                "{spinner} {wide_msg} {percent}% of {decimal_total_bytes} {eta}"
            }
            Self::Bytes { .. } => {
                "{spinner} {wide_msg} {bar:12} {decimal_bytes}/{decimal_total_bytes} {eta}"
            }
            Self::Items { .. } => "{spinner} {wide_msg} {bar:12} {elapsed}",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_thing_begins_anew() {
        let bytes = |done| Count::Bytes { done, total: 9 };
        let items = |done| Count::Items { done, total: 9 };
        assert!(bytes(5).goes_on(bytes(5)) && items(2).goes_on(items(1)));
        assert!(!bytes(4).goes_on(bytes(5)));
        assert!(!items(5).goes_on(Count::Unknown) && !Count::Unknown.goes_on(items(1)));
    }
}
