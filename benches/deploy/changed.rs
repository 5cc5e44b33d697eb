//! A deploy of a new configuration to one host.

use crate::Options;
use crate::hand::{by_hand, nixos_rebuild, peers};
use crate::rig::Rig;
use crate::table::{Way, count, pause, print, race};

pub fn run(rig: &Rig, options: &Options) {
    println!("\n## changed: one host, a new file in /etc each time\n");
    let host = rig.first();
    let mut ways = vec![
        Way::new(
            "by hand: build, copy, test, nix-env --set, boot",
            by_hand(rig, &rig.hosts()[..1]),
        ),
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
    ways.extend(peers(rig, host));
    let change = || {
        rig.change();
        pause();
    };
    race(rig, &mut ways, options.rounds, change);
    count(rig, &mut ways, change);
    print(&ways, 0);
    println!(
        "spinet to the sum by hand: {:.2} x, by name {:.2} x (goal 1.15)",
        ways[1].wall() / ways[0].wall(),
        ways[2].wall() / ways[0].wall()
    );
}
