//! The writers' figures for the one table of all benchmarks.

use crate::goals::{Beside, Figure, Report};
use crate::rig::Rig;
use crate::{Costs, cost, floor};

/// `rate`: of the throttled card, in MB/s.
pub fn tell(report: &Report, rig: &Rig, costs: &Costs, rate: Option<u64>) {
    let size = rig.size() as f64 / 1e9;
    let card = rate.map_or("in memory".to_owned(), |rate| format!("at {rate} MB/s"));
    let figure = |kind: &str, name: &str| {
        let own = cost(costs, name)?.wall;
        let what = format!("card {card}, {size:.1} GB {kind}, written and verified");
        Some(Figure::new(what, own, "s"))
    };
    if let Some(raw) = figure(".img", "spinet .img") {
        let floor = rate.map(|rate| {
            Beside::new("floor: what is in use, there and back", floor(rig, rate)).goal(1.1)
        });
        report.tell(
            &raw,
            floor
                .into_iter()
                .chain(others(costs, false, rate.is_some())),
        );
    }
    if let Some(packed) = figure(".img.zst", "spinet .img.zst") {
        let raw = cost(costs, "spinet .img");
        let raw = raw.map(|raw| Beside::new("spinet, .img", raw.wall).goal(1.2));
        report.tell(
            &packed,
            raw.into_iter().chain(others(costs, true, rate.is_some())),
        );
    }
}

fn others(costs: &Costs, compressed: bool, throttled: bool) -> Vec<Beside> {
    let others = costs.iter().filter(|(writer, _)| {
        !writer.is_spinet()
            && writer.takes_compressed() == compressed
            && (writer.writes || !throttled)
    });
    others
        .map(|(writer, cost)| {
            let name = writer.title();
            match (cost, &writer.command) {
                (Some(cost), _) if !writer.writes => Beside::new(name, cost.wall),
                // what the kernel writes back later is not throttled
                (Some(cost), _) if throttled && !writer.direct => {
                    Beside::new(format!("{name}, not held to the rate"), cost.wall)
                }
                (Some(cost), _) => Beside::new(name, cost.wall).goal(1.0),
                (None, Some(_)) => Beside::missing(name, "left out"),
                (None, None) => Beside::missing(name, "not on PATH"),
            }
        })
        .collect()
}
