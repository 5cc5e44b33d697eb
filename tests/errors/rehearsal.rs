//! Rehearsals that do not begin.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::flake::{scene, spinet};
use crate::page::Page;
use crate::programs::{all_but, instead_of};

#[test]
fn of_rehearsals() {
    let Some(scene) = scene() else { return };
    let folder = &scene.folder;
    let mut page = Page::of("rehearsal", "Rehearsals that do not begin.", folder);
    let rehearse = |args: &[&str]| {
        let mut command = spinet(&scene, &[&["rehearse"], args].concat());
        command.env_remove("SPINET_QEMU").env_remove("SPINET_UBOOT");
        command
    };
    page.fails("A host without a card", &mut rehearse(&["byrd"]));
    let rows = fs::read_to_string(folder.path("hosts/default.nix")).unwrap();
    scene.change(
        "hosts/default.nix",
        "byrd = {",
        "orff = { system = \"aarch64-linux\"; modules = [ ./byrd.nix ]; };\n  byrd = {",
    );
    page.fails("Two hosts, and none is named", &mut rehearse(&[]));
    scene.write("hosts/default.nix", &rows);
    page.fails(
        "No QEMU",
        rehearse(&["bach"]).env("PATH", all_but(folder, "qemu-system-aarch64")),
    );
    // it ends at once
    let qemu = folder.program(
        "qemu",
        "#!/bin/sh\necho 'qemu: could not set up host forwarding rule' >&2\nexit 1\n",
    );
    page.fails("No U-Boot", rehearse(&["bach"]).env("SPINET_QEMU", &qemu));
    let with = |args: &[&str]| {
        let mut command = rehearse(args);
        command.env("SPINET_QEMU", &qemu).env("SPINET_UBOOT", &qemu);
        command
    };

    // a rehearsal builds an image, which this machine cannot
    let Some(image) = crate::rig::image(&folder.beside(""), "pi.img", 20, 7) else {
        return;
    };
    let image = format!("{{ \"outputs\": {{ \"out\": \"{}\" }} }}", image.display());
    let system = "{ \"outputs\": { \"out\": \"/nix/store/toplevel\" } }";
    let (one, both) = (folder.beside("one.json"), folder.beside("both.json"));
    fs::write(&one, format!("[ {image} ]\n")).unwrap();
    fs::write(&both, format!("[ {image}, {system} ]\n")).unwrap();
    let cases = format!(
        "*' build '*'bach-image .#bach '*) exec cat {} ;;\n*' build '*bach-image*) exec cat {} ;;",
        both.display(),
        one.display()
    );
    instead_of(folder, "nix", &cases);
    folder.program(
        "ip",
        "#!/bin/sh\necho 'open: No such file or directory' >&2\nexit 1\n",
    );
    page.fails("No tun module", &mut with(&["bach"]));
    page.fails_behind(
        "No tun module, for a user without rights",
        &["unshare", "--user"],
        &with(&["bach"]),
    );
    fs::remove_file(folder.beside("bin/ip")).unwrap();
    if !Path::new("/dev/net/tun").exists() {
        println!("skipped: no /dev/net/tun");
        return;
    }
    // not the table: it has times
    page.fails(
        "A QEMU that does not start",
        with(&["bach"]).stdout(Stdio::null()),
    );

    let sub = folder.path("parts");
    fs::create_dir(&sub).unwrap();
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.args([
            "-c",
            "user.name=anna",
            "-c",
            "user.email=anna@example.org",
            "-C",
        ]);
        assert!(git.arg(&sub).args(args).status().unwrap().success());
    };
    git(&["init", "-q"]);
    git(&["commit", "-q", "--allow-empty", "-m", "Begin"]);
    scene.git(&["-c", "advice.addEmbeddedRepo=false", "add", "parts"]);
    let byrd = folder.public("byrd");
    let (begin, end) = byrd.split_at(50);
    scene.change("secrets.nix", &byrd, &format!("{begin}\" + \"{end}"));
    page.fails(
        "A submodule, and a key that is written in two parts",
        &mut with(&["bach"]),
    );
    page.compare();
}
