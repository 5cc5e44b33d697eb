//! What is going on, at the foot of the terminal: one line for this run, or one for each host. Messages pass above them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::visible;

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Nobody knows.
    Unknown,
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
    lines: RefCell<BTreeMap<String, (Count, ProgressBar)>>,
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

    /// Shows how far something is on the line of its own.
    pub fn set(&self, key: &str, label: &str, count: Count) {
        if self.all.is_hidden() {
            return;
        }
        let mut lines = self.lines.borrow_mut();
        if lines.get(key).is_some_and(|(old, _)| !count.goes_on(*old)) {
            self.remove(lines.remove(key));
        }
        let (last, bar) = lines.entry(key.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::no_length());
            if let Ok(style) = ProgressStyle::with_template(count.template()) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            (count, bar)
        });
        *last = count;
        bar.set_message(visible(label));
        if let Count::Bytes { done, total } | Count::Items { done, total } = count {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    /// Whether a line tells how far something is.
    pub fn counts(&self, key: &str) -> bool {
        let lines = self.lines.borrow();
        lines
            .get(key)
            .is_some_and(|(count, _)| *count != Count::Unknown)
    }

    pub fn clear(&self, key: &str) {
        self.remove(self.lines.borrow_mut().remove(key));
    }

    pub fn clear_all(&self) {
        for line in std::mem::take(&mut *self.lines.borrow_mut()) {
            self.remove(Some(line.1));
        }
    }

    /// Prints something above the lines.
    pub fn above(&self, print: impl FnOnce()) {
        self.all.suspend(print);
    }

    fn remove(&self, line: Option<(Count, ProgressBar)>) {
        if let Some((_, bar)) = line {
            bar.finish_and_clear();
            self.all.remove(&bar);
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

    /// Fits into 60 columns.
    fn template(self) -> &'static str {
        match self {
            Self::Unknown => "  {spinner} {wide_msg} {elapsed}",
            Self::Bytes { .. } => {
                "  {wide_msg} {bar:12} {decimal_bytes}/{decimal_total_bytes} {eta} left"
            }
            Self::Items { .. } => "  {wide_msg} {bar:12} {elapsed}",
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
