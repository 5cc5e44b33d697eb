//! Many hosts with a new configuration each, beside one.

use std::process::Command;

use crate::Options;
use crate::goals::{Beside, Figure};
use crate::hand::by_hand;
use crate::rig::{Host, Rig};
use crate::table::{Way, print, race};

pub fn run(rig: &Rig, options: &Options) {
    let (all, one) = (rig.hosts(), &rig.hosts()[1..2]);
    let number = all.len();
    println!("\n## fleet: {number} hosts beside one, a new file in /etc each time\n");
    let mut ways = vec![
        Way::new("nix build of 1", build(rig, one)),
        Way::new("spinet deploy of 1", rig.spinet(&[&one[0].name])),
        Way::new("by hand, 1", by_hand(rig, one)),
        Way::new(format!("nix build of {number}"), build(rig, all)),
        Way::new(format!("spinet deploy of {number}"), rig.spinet(&[])),
        Way::new(format!("by hand, {number} at once"), by_hand(rig, all)),
    ];
    race(rig, &mut ways, options.rounds, |_| rig.change());
    print(&ways, 1);
    let beyond = |way: usize, build: usize| ways[way].wall() - ways[build].wall();
    for (who, one, all) in [("spinet", 1, 4), ("by hand", 2, 5)] {
        let (one, all) = (beyond(one, 0), beyond(all, 3));
        println!(
            "{who}, beyond the build: 1 host {one:.2} s, {number} hosts {all:.2} s: {:.2} x{}",
            all / one,
            if who == "spinet" { " (goal 2)" } else { "" }
        );
    }
    println!(
        "The hosts' own work shares this machine's cores: no real fleet's does. What counts is spinet beside `by hand, {number} at once`: {:.2} x",
        beyond(4, 3) / beyond(5, 3)
    );
    let what = format!("deploy of a change to {number} hosts, beyond the build");
    options.report.tell(
        &Figure::new(what, beyond(4, 3), "s"),
        [
            Beside::new("the same to one host", beyond(1, 0)).goal(2.0),
            Beside::new(format!("by hand, {number} at once"), beyond(5, 3)),
        ],
    );
}

fn build(rig: &Rig, hosts: &[Host]) -> Command {
    let mut build = rig.command("nix");
    build.args(["build", "--no-link"]);
    build.args(hosts.iter().map(|host| format!(".#{}", host.name)));
    build
}
