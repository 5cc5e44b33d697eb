//! Where each host is on its way, while several go side by side.

use std::cell::Cell;
use std::time::Instant;

use super::job::Job;
use super::report::Outcome;
use crate::ui::Ui;

/// The stages of a host, in their order.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    Reach = 1,
    Copy,
    Activate,
    Confirm,
}

const STAGES: usize = 4;

impl Job<'_> {
    /// The host begins a stage, or something else within it.
    pub fn stage(&self, stage: Stage, text: &str) {
        self.ui().stage(self.name(), stage as usize, STAGES, text);
    }
}

/// How many hosts of a run are done.
pub struct Tally<'u> {
    ui: &'u Ui,
    began: Instant,
    done: Cell<u64>,
    hosts: u64,
}

impl<'u> Tally<'u> {
    pub fn new(jobs: &[Job<'_>], ui: &'u Ui) -> Self {
        ui.hosts(jobs.iter().map(Job::name));
        Self {
            ui,
            began: Instant::now(),
            done: Cell::default(),
            hosts: jobs.len() as u64,
        }
    }

    /// The hosts go on with what was built.
    pub fn show(&self) {
        if self.hosts > 1 {
            let (done, all) = (self.done.get(), self.hosts);
            self.ui
                .tally(&format!("{done} of {all} hosts done"), done, all);
        }
    }

    /// One more host is; of several each is told at once, and all of them again at the end.
    pub fn ended(&self, host: &str, outcome: &Outcome) {
        self.ui.leave(host);
        self.done.set(self.done.get() + 1);
        if self.hosts > 1 {
            let seconds = self.began.elapsed().as_secs();
            self.ui
                .say(format!("{host}: {} after {seconds} s", outcome.shown()));
            self.show();
        }
    }
}
