//! Contestants that take turns, and the table of what they took.

use crate::measure::{Cost, cost};
use crate::rig::{Counts, Rig, succeeds};
use std::process::Command;
use std::time::Duration;

/// A way to get something done.
pub struct Way {
    pub name: String,
    pub command: Command,
    pub counts: Option<Counts>,
    pub costs: Vec<Cost>,
    /// Brings the host back to what the others expect; in nobody's figure.
    pub after: Option<Command>,
    /// It asks for a name in `.local`.
    by_name: bool,
    /// Processor time that the hosts took meanwhile.
    hosts: Vec<f64>,
}

impl Way {
    pub fn new(name: impl Into<String>, command: Command) -> Self {
        Self {
            name: name.into(),
            command,
            counts: None,
            costs: Vec::new(),
            after: None,
            by_name: false,
            hosts: Vec::new(),
        }
    }

    pub fn by_name(self) -> Self {
        Self {
            by_name: true,
            ..self
        }
    }

    /// avahi does not repeat an answer within a second (RFC 6762, 6): a command that asks for a name right after another
    /// one waits for that alone.
    pub fn pause(&self) {
        if self.by_name {
            std::thread::sleep(Duration::from_millis(1500));
        }
    }

    pub fn tidy(&mut self) {
        if let Some(after) = &mut self.after {
            succeeds(after);
        }
    }

    /// Median seconds of the clock.
    pub fn wall(&self) -> f64 {
        median(self.costs.iter().map(|cost| cost.wall))
    }
}

/// Every way takes its turn in each round, one that is not counted first.
pub fn race(rig: &Rig, ways: &mut [Way], rounds: usize, before_each: impl Fn(&Way)) {
    for round in 0..=rounds {
        for way in &mut *ways {
            before_each(way);
            let idle = rig.work();
            let cost = cost(&way.command, &rig.path("cost"), None);
            if round > 0 {
                way.costs.push(cost);
                way.hosts.push(rig.work() - idle);
            }
            way.tidy();
        }
    }
}

/// One more run of each way, with the counters of the rig on PATH.
pub fn count(rig: &Rig, ways: &mut [Way], before_each: impl Fn(&Way)) {
    for way in ways {
        before_each(way);
        way.counts = Some(rig.count(&way.command, rig.first()));
        way.tidy();
    }
}

/// `floor`: the row that the others are told as multiples of.
pub fn print(ways: &[Way], floor: usize) {
    println!(
        "| | s | x | CPU s here | on the hosts | nix processes | SSH logins |\n|---|---|---|---|---|---|---|"
    );
    for way in ways {
        let counts = way.counts.as_ref().map_or("| |".into(), |counts| {
            format!("{} | {} |", counts.nix, counts.logins)
        });
        println!(
            "| {} | {:.3} | {:.2} | {:.3} | {:.3} | {counts}",
            way.name,
            way.wall(),
            way.wall() / ways[floor].wall(),
            median(way.costs.iter().map(|cost| cost.cpu)),
            median(way.hosts.iter().copied())
        );
    }
    println!();
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
