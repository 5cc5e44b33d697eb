//! How far each of several hosts is on its own way.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Where a host is.
pub struct Stage {
    pub number: usize,
    pub of: usize,
    pub text: String,
}

#[derive(Default)]
pub struct Stages {
    of_hosts: RefCell<BTreeMap<String, Stage>>,
    /// Columns of the longest name.
    width: Cell<usize>,
}

impl Stages {
    /// The hosts there will be: their lines stand in columns.
    pub fn expect<'h>(&self, names: impl Iterator<Item = &'h str>) {
        self.width.set(names.map(str::len).max().unwrap_or(0));
    }

    pub fn begin(&self, host: &str, stage: Stage) {
        self.of_hosts.borrow_mut().insert(host.to_owned(), stage);
    }

    pub fn end(&self, host: &str) {
        self.of_hosts.borrow_mut().remove(host);
    }

    /// What stands before anything about the host: `bach [2/4] `, or nothing if it is not on its way.
    pub fn prefix(&self, host: &str) -> String {
        let of_hosts = self.of_hosts.borrow();
        let Some(Stage { number, of, .. }) = of_hosts.get(host) else {
            return String::new();
        };
        let width = self.width.get();
        format!("{host:<width$} [{number}/{of}] ")
    }

    /// `bach [2/4] copying`
    pub fn label(&self, host: &str) -> Option<String> {
        let text = self.of_hosts.borrow().get(host)?.text.clone();
        Some(self.prefix(host) + &text)
    }
}
