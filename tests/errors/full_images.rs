//! Cards that are to boot straight into a host's configuration, and what does not let them.

use std::fs;

use crate::flake::{scene, spinet};
use crate::page::Page;

#[test]
fn of_full_images() {
    let Some(scene) = scene() else { return };
    let folder = &scene.folder;
    let mut page = Page::of(
        "full-images",
        "Cards with a host's whole configuration.",
        folder,
    );
    let card = folder.beside("card.img");
    let words = [
        "bootstrap",
        "bach",
        "--no-wifi",
        "--image",
        "full",
        "--card",
        card.to_str().unwrap(),
    ];
    let before = fs::read_to_string(folder.path("hosts/byrd.nix")).unwrap();
    scene.change(
        "hosts/byrd.nix",
        "{\n",
        "{\n  assertions = [ { assertion = false; message = \"The organ has no bellows.\"; } ];\n",
    );
    page.fails("An assertion that fails", &mut spinet(&scene, &words));
    scene.write("hosts/byrd.nix", &before);

    // written for the key of one host: found again for it alone
    let pin = format!("bach {}\n", folder.public("orff"));
    scene.write("hosts/known_hosts", &pin);
    folder.rules(
        "let\n  hosts.bach = \"@orff@\";\n  rule = name: { name = \"${name}.age\"; value.publicKeys = [ \"@admin@\" ] ++ (if name == \"token\" then [ ] ++ builtins.concatMap (k: builtins.genList (_: k) 1) (builtins.filter (k: k == hosts.bach) (builtins.attrValues hosts)) else [ ]); };\nin\nbuiltins.listToAttrs (map rule [ \"token\" \"other\" ])\n",
    );
    folder.encrypt("token.age", "42", &["admin", "orff"]);
    folder.encrypt("other.age", "42", &["admin"]);
    scene.git(&["add", "-A"]);
    page.fails(
        "Rules with no place for a second key",
        &mut spinet(&scene, &words),
    );
    page.compare();
}
