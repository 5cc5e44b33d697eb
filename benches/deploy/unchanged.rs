//! A deploy that finds nothing to do.

use crate::Options;
use crate::contest::Contest;
use crate::hand::floor;
use crate::rig::Rig;
use crate::table::Way;

pub fn run(rig: &Rig, options: &Options) {
    println!("\n## unchanged: one host, nothing changed, evaluations cached\n");
    contest(rig, options, "evaluation cached");
    rig.evaluate(true);
    println!("\n## unchanged, and evaluated anew, as long as a small NixOS\n");
    contest(rig, options, "evaluated anew");
    rig.evaluate(false);
}

fn contest(rig: &Rig, options: &Options, evaluation: &str) {
    let name = "floor: nix build beside ssh readlink";
    let mut contest = Contest::new(rig, Way::new(name, floor(rig, rig.first())));
    if rig.hosts().len() == 1 {
        contest.add(Way::new("spinet deploy", rig.spinet(&[])).by_name());
    }
    contest.run(options, Way::pause);
    let what = format!("deploy, nothing changed, {evaluation}");
    contest.tell(&options.report, &what, 1, Some(1.0));
}
