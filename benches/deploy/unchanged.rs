//! A deploy that finds nothing to do.

use crate::Options;
use crate::hand::{floor, nixos_rebuild, peers};
use crate::rig::Rig;
use crate::table::{Way, count, pause, print, race};

pub fn run(rig: &Rig, options: &Options) {
    println!("\n## unchanged: one host, nothing changed, evaluations cached\n");
    contest(rig, options);
    rig.evaluate(true);
    println!("\n## unchanged, and evaluated anew, as long as a small NixOS\n");
    contest(rig, options);
    rig.evaluate(false);
}

fn contest(rig: &Rig, options: &Options) {
    let host = rig.first();
    let mut ways = vec![
        Way::new("floor: nix build beside ssh readlink", floor(rig, host)),
        Way::new(
            "spinet deploy HOST --address IP",
            rig.spinet(&[&host.name, "--address", &host.ip]),
        ),
        Way::new(
            "spinet deploy HOST, by .local name",
            rig.spinet(&[&host.name]),
        ),
        Way::new("nixos-rebuild-ng's commands", nixos_rebuild(rig, host)),
    ];
    if rig.hosts().len() == 1 {
        ways.push(Way::new("spinet deploy", rig.spinet(&[])));
    }
    ways.extend(peers(rig, host));
    race(rig, &mut ways, options.rounds, pause);
    count(rig, &mut ways, pause);
    print(&ways, 0);
    println!(
        "spinet to the floor: {:.2} x, by name {:.2} x (goal 1.15)",
        ways[1].wall() / ways[0].wall(),
        ways[2].wall() / ways[0].wall()
    );
}
