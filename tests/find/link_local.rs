//! A host that can only be reached by an IPv6 address of the link: one that means nothing without its interface.

use crate::lab::lan::{Lan, Machine};
use crate::lab::{Lab, run, text};

fn bach<'a>(lan: &'a Lan<'a>) -> (Machine<'a>, String) {
    let (key, file) = lan.key("bach");
    lan.flake("bach", &key);
    let bach = lan.machine(&file);
    bach.sshd();
    (bach, key)
}

#[test]
fn an_announced_one_and_a_given_one_are_logged_in_to() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (bach, _) = bach(&lan);
    let given = format!("{}%lan", bach.link_local());
    let by_hand = [
        "host",
        "wait",
        "bach",
        "--address",
        &given,
        "--timeout",
        "60",
    ];
    let said = text_of(&run(&mut lan.spinet(&by_hand)));
    assert!(said.contains(&bach.link_local()), "{said}");
    bach.announce_v6("bach");
    let said = text_of(&run(&mut lan.spinet(&[
        "host",
        "wait",
        "bach",
        "--timeout",
        "60",
    ])));
    assert!(said.contains(&bach.link_local()), "{said}");
}

#[test]
fn its_key_is_shown() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (bach, key) = bach(&lan);
    bach.announce_v6("bach");
    let shown = run(&mut lan.spinet(&["host", "scan", "bach", "--timeout", "60"]));
    assert_eq!(text(&shown), key);
}

/// The machines of this network have no systemd, so the deploy ends where the guard would start. The closure is there.
#[test]
fn nix_copies_to_it() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (bach, _) = bach(&lan);
    bach.run(
        "mkdir -p /nix/old/bin /nix/var/nix/profiles
         install -m 755 /bin/true /nix/old/bin/switch-to-configuration
         ln -s /nix/old /run/current-system
         ln -s /nix/old /nix/var/nix/profiles/system",
    );
    for address in [None, Some(format!("{}%lan", bach.link_local()))] {
        if address.is_none() {
            bach.announce_v6("bach");
        }
        bach.run("rm -rf /nix/store /nix/var/nix/db; mkdir /nix/store");
        let mut deploy = lan.spinet(&["deploy", "bach"]);
        deploy.args(address.iter().flat_map(|a| ["--address", a]));
        let said = text_of(&deploy.output().unwrap());
        assert!(said.contains("bach: activating"), "{said}");
        let shown = bach.run("cat /nix/store/*-bach/etc/spinet/host.json");
        assert!(shown.contains("aarch64-linux"), "{shown}");
    }
}

fn text_of(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
