//! A deploy to one host, by spinet and by everybody else.

use crate::Options;
use crate::goals::{Beside, Figure, Report};
use crate::hand::{nixos_rebuild, peers};
use crate::rig::Rig;
use crate::table::{Way, count, print, race};

/// Which of the ways are the floor and spinet's own.
const FLOOR: usize = 0;
const BY_ADDRESS: usize = 1;
const BY_NAME: usize = 2;
const OTHERS: usize = 3;

pub struct Contest<'r> {
    rig: &'r Rig,
    ways: Vec<Way>,
    /// Other tools that cannot be measured, and why.
    missing: Vec<(&'static str, &'static str)>,
}

impl<'r> Contest<'r> {
    pub fn new(rig: &'r Rig, floor: Way) -> Self {
        let host = rig.first();
        let mut ways = vec![
            floor,
            Way::new(
                "spinet deploy HOST --address IP",
                rig.spinet(&[&host.name, "--address", &host.ip]),
            ),
            Way::new(
                "spinet deploy HOST, by .local name",
                rig.spinet(&[&host.name]),
            )
            .by_name(),
            Way::new("nixos-rebuild-ng's commands", nixos_rebuild(rig, host)),
        ];
        let mut missing = Vec::new();
        for peer in peers(rig, host) {
            match peer.way {
                Ok(way) => ways.push(way),
                Err(why) => missing.push((peer.name, why)),
            }
        }
        Self { rig, ways, missing }
    }

    /// One more way of spinet's, in the printed table only.
    pub fn add(&mut self, way: Way) {
        self.ways.push(way);
    }

    pub fn run(&mut self, options: &Options, before_each: impl Fn(&Way)) {
        race(self.rig, &mut self.ways, options.rounds, &before_each);
        count(self.rig, &mut self.ways, before_each);
        print(&self.ways, FLOOR);
        let floor = self.ways[FLOOR].wall();
        println!(
            "spinet to the floor: {:.2} x, by name {:.2} x (goal 1.15)",
            self.ways[BY_ADDRESS].wall() / floor,
            self.ways[BY_NAME].wall() / floor
        );
    }

    /// `logins`: how often spinet may log in. `goal`: of the other tools.
    pub fn tell(&self, report: &Report, what: &str, logins: u32, goal: Option<f64>) {
        let (floor, own) = (&self.ways[FLOOR], &self.ways[BY_NAME]);
        let mut rows = vec![Beside::new(&floor.name, floor.wall()).goal(1.15)];
        let others = self.ways[OTHERS..].iter();
        for way in others.filter(|way| !way.name.starts_with("spinet")) {
            let row = Beside::new(&way.name, way.wall());
            rows.push(match goal {
                Some(goal) => row.goal(goal),
                None => row,
            });
        }
        let missing = self.missing.iter();
        rows.extend(missing.map(|(name, why)| Beside::missing(*name, *why)));
        report.tell(&Figure::new(what, own.wall(), "s"), rows);
        if let Some(counts) = &own.counts {
            let figure = Figure::new(what, counts.logins as f64, "SSH logins");
            report.tell(&figure, [Beside::limit(f64::from(logins))]);
        }
    }
}
