//! A deploy of a new configuration to one host.

use crate::Options;
use crate::contest::Contest;
use crate::hand::by_hand;
use crate::rig::Rig;
use crate::table::Way;

pub fn run(rig: &Rig, options: &Options) {
    println!("\n## changed: one host, a new file in /etc each time\n");
    let name = "by hand: build, copy, test, nix-env --set, boot";
    let mut contest = Contest::new(rig, Way::new(name, by_hand(rig, &rig.hosts()[..1])));
    contest.run(options, |way| {
        rig.change();
        way.pause();
    });
    contest.tell(&options.report, "deploy, a file changed", 2, None);
}
