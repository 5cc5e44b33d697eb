//! Questions of a bootstrap that are answered wrong, or that nobody is there to answer.

use std::fs;

use crate::flake::{scene, spinet};
use crate::page::{Page, mounting};
use crate::programs::instead_of;
use crate::scene::Scene;

/// This machine is in no network, and in no country.
const NOWHERE: &str = "for place in /etc/iwd /sys/module/cfg80211/parameters; do [ ! -d $place ] || mount -t tmpfs none $place; done; exec \"$@\"";

fn cards(scene: &Scene, disks: &str) {
    let listing = scene.folder.beside("disks.json");
    fs::write(&listing, format!("{{ \"blockdevices\": [ {disks} ] }}\n")).unwrap();
    let cases = format!("*/dev/*) ;;\n*) exec cat {} ;;", listing.display());
    instead_of(&scene.folder, "lsblk", &cases);
}

#[test]
fn of_questions() {
    let Some(scene) = scene() else { return };
    let folder = &scene.folder;
    let mut page = Page::of(
        "questions",
        "Questions of a bootstrap: which card, which network, whose key.",
        folder,
    );
    let disk = |name: &str, model: &str, bus: &str| {
        format!(
            "{{ \"name\": \"/dev/{name}\", \"type\": \"disk\", \"size\": 31914983424, \"model\": \"{model}\", \"serial\": \"7\", \"tran\": \"{bus}\", \"rm\": {}, \"ro\": false, \"mountpoints\": [ null ], \"fstype\": null, \"label\": null }}",
            bus == "usb"
        )
    };
    let bootstrap = ["bootstrap", "bach", "--no-wifi"];
    cards(&scene, &disk("sdya", "Disk", "sata"));
    page.fails(
        "No card, and nobody to ask",
        &mut spinet(&scene, &bootstrap),
    );
    let two = [
        disk("sdyb", "Reader", "usb"),
        disk("sdyc", "Stick", "usb"),
        disk("sdya", "Disk", "sata"),
    ];
    cards(&scene, &two.join(", "));
    page.fails(
        "Two cards, and nobody to ask",
        &mut spinet(&scene, &bootstrap),
    );
    page.fails_at_terminal(
        "Both of two cards",
        &spinet(&scene, &bootstrap),
        &[("Which card? Number:", "1 2")],
    );
    page.fails_at_terminal(
        "A third one, and then none",
        &spinet(&scene, &bootstrap),
        &[("Which card? Number:", "3"), ("Which card? Number:", "")],
    );

    folder.program("iw", "#!/bin/sh\nexit 1\n");
    let wifi = folder.home("wifi");
    fs::create_dir(&wifi).unwrap();
    let place = wifi.to_str().unwrap();
    fs::write(
        wifi.join("Work.8021x"),
        "[Security]\nEAP-Method=PWD\nEAP-Identity=anna\n",
    )
    .unwrap();
    let card = folder.beside("card.img");
    let card = card.to_str().unwrap();
    let joining = ["bootstrap", "bach", "--card", card, "--wifi-from", place];
    page.fails_at_terminal(
        "Credentials that stay here",
        &spinet(&scene, &joining),
        &[("Type yes to put them on it:", "no")],
    );
    fs::remove_file(wifi.join("Work.8021x")).unwrap();
    let of_home = "[Security]\nPassphrase=tea for two\n";
    fs::write(wifi.join("Home.psk"), of_home).unwrap();
    fs::write(card, "old").unwrap();
    page.fails_behind(
        "Nothing tells the country",
        &mounting(NOWHERE),
        &spinet(&scene, &joining),
    );
    let joined = fs::File::create(wifi.join("Shed.open")).unwrap();
    // the network joined last comes first
    joined.set_modified(std::time::UNIX_EPOCH).unwrap();
    page.fails(
        "Two networks, and nobody to ask",
        &mut spinet(&scene, &joining),
    );
    page.fails_at_terminal(
        "Both of two networks",
        &spinet(&scene, &joining),
        &[("Which network? Number:", "1, 2")],
    );

    let mut olds = ["a", "b"].map(|name| {
        let path = folder.beside(name);
        crate::folder::keygen(&path, "bach", "");
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        public.trim().to_owned()
    });
    // as they are shown
    olds.sort();
    let [old, older] = &olds;
    for (key, name) in [(old, "old"), (older, "older")] {
        page.replace(key.split(' ').nth(1).unwrap(), &format!("AAAA..{name}"));
    }
    scene.write(
        "secrets.nix",
        &format!(
            "let\n  admin = \"{}\";\n  bach-red = \"{old}\";\n  bach-blue = \"{older}\";\nin\n{{\n  \"token.age\".publicKeys = [ admin bach-red bach-blue ];\n}}\n",
            folder.public("admin")
        ),
    );
    fs::remove_file(folder.path("hosts/known_hosts")).unwrap();
    let new = folder.public("admin").replace(" admin", "");
    let enroll = ["host", "enroll", "bach", "--no-rekey", "--key", &new];
    page.fails(
        "Two old keys, and nobody to ask",
        &mut spinet(&scene, &enroll),
    );
    page.fails_at_terminal(
        "Both of two old keys",
        &spinet(&scene, &enroll),
        &[("Number:", "1 2")],
    );
    page.compare();
}

/// Cards whose image nix has built, and that cannot be finished.
#[test]
fn of_made_cards() {
    let Some(scene) = scene() else { return };
    let folder = &scene.folder;
    let Some(image) = crate::rig::image(&folder.beside(""), "pi.img", 20, 7) else {
        return;
    };
    let mut page = Page::of(
        "made-cards",
        "Cards for a host that cannot be finished.",
        folder,
    );
    let built = folder.beside("built.json");
    let builds = |image: &std::path::Path| {
        let text = format!(
            "[ {{ \"outputs\": {{ \"out\": \"{}\" }} }} ]\n",
            image.display()
        );
        fs::write(&built, text).unwrap();
    };
    // its build takes a machine that builds for a Raspberry Pi
    let cases = format!("*' build '*bach-image*) exec cat {} ;;", built.display());
    instead_of(folder, "nix", &cases);
    let card = folder.beside("card.img");
    let words = [
        "bootstrap",
        "bach",
        "--no-wifi",
        "--card",
        card.to_str().unwrap(),
    ];
    builds(&image);
    instead_of(folder, "debugfs", "-w*) exit 0 ;;");
    page.fails("A debugfs that writes nothing", &mut spinet(&scene, &words));
    fs::remove_file(folder.beside("bin/debugfs")).unwrap();
    fs::remove_file(&card).unwrap();
    // without the magic of its superblock
    let mut bytes = fs::read(&image).unwrap();
    let magic = usize::try_from(crate::rig::ROOT).unwrap() + 1024 + 56;
    bytes[magic..magic + 2].fill(0);
    let other = folder.beside("other.img");
    fs::write(&other, bytes).unwrap();
    builds(&other);
    page.fails(
        "An image without a root file system",
        &mut spinet(&scene, &words),
    );
    page.compare();
}
