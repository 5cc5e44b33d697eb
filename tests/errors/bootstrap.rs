//! What keeps a card from being made, found before it is written.

use std::fs::{self, File};

use crate::flake::{scene, spinet};
use crate::page::Page;
use crate::programs::all_but;

#[test]
fn of_bootstraps() {
    let Some(scene) = scene() else { return };
    let folder = &scene.folder;
    let mut page = Page::of(
        "bootstrap",
        "What is checked before a card is written.",
        folder,
    );
    let card = folder.beside("card.img");
    let card = card.to_str().unwrap();
    let words = ["bootstrap", "bach", "--no-wifi", "--card", card];
    let bootstrap = |more: &[&str]| spinet(&scene, &[&words, more].concat());

    page.fails(
        "ssh is not on PATH",
        bootstrap(&[]).env("PATH", all_but(folder, "ssh")),
    );
    page.fails(
        "git is not on PATH",
        bootstrap(&[]).env("PATH", all_but(folder, "git")),
    );
    page.fails(
        "nix is not on PATH",
        bootstrap(&[]).env("PATH", all_but(folder, "nix")),
    );
    page.fails(
        "A state folder that cannot be made",
        bootstrap(&[]).env("XDG_STATE_HOME", "/dev/null"),
    );
    let state = folder.state();
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("bach.pending.json"), "{").unwrap();
    page.fails(
        "A note of an earlier run that is damaged",
        &mut bootstrap(&[]),
    );
    fs::remove_file(state.join("bach.pending.json")).unwrap();
    let held = File::create(state.join("bach.lock")).unwrap();
    held.lock().unwrap();
    page.fails("The same is being done already", &mut bootstrap(&[]));
    drop(held);

    let mut with = |title: &str, file: &str, from: &str, to: &str, more: &[&str]| {
        let before = fs::read_to_string(folder.path(file)).unwrap();
        scene.change(file, from, to);
        page.fails(title, &mut bootstrap(more));
        scene.write(file, &before);
    };
    let admin = folder.public("admin");
    with(
        "Nobody could log in",
        "hosts/byrd.nix",
        &format!("\"{admin}\""),
        "",
        &[],
    );
    let example = include_str!("../keys/admin.pub").trim();
    with(
        "Everybody could log in",
        "hosts/byrd.nix",
        &admin,
        example,
        &[],
    );
    with(
        "Everybody could read a secret",
        "secrets.nix",
        &admin,
        example,
        &[],
    );
    with(
        "A secret without a rule",
        "secrets.nix",
        "\"token.age\"",
        "\"other.age\"",
        &[],
    );
    with(
        "A secret for nobody but the host",
        "secrets.nix",
        "[ admin byrd ]",
        "[ byrd ]",
        &["--host-key", "keep"],
    );
    with(
        "Everybody could read the kept key",
        "secrets.nix",
        "{\n",
        &format!("{{\n  \"bach-host-key.age\".publicKeys = [ \"{example}\" ];\n"),
        &["--host-key", "keep"],
    );
    let orff = folder.private("orff");
    page.fails(
        "An identity that opens no secret",
        &mut bootstrap(&["-i", orff.to_str().unwrap()]),
    );
    let kept = folder.path("bach-host-key.age");
    scene.change(
        "secrets.nix",
        "{\n",
        "{\n  \"bach-host-key.age\".publicKeys = [ admin byrd ];\n",
    );
    let other = fs::read_to_string(folder.private("orff")).unwrap();
    folder.encrypt("bach-host-key.age", &other, &["admin"]);
    page.fails(
        "A kept key that hosts may read",
        &mut bootstrap(&["--host-key", "keep"]),
    );
    scene.change(
        "secrets.nix",
        "[ admin byrd ];\n  \"token",
        "[ admin ];\n  \"token",
    );
    page.fails(
        "A kept key that is not used",
        &mut spinet(
            &scene,
            &["bootstrap", "bach", "--no-wifi", "--card", "/dev/null"],
        ),
    );
    folder.encrypt("bach-host-key.age", "tea for two", &["admin"]);
    page.fails(
        "A kept key that is none",
        &mut bootstrap(&["--host-key", "keep"]),
    );
    scene.change(
        "hosts/byrd.nix",
        "token.age;",
        "token.age;\n  age.secrets.key.file = ../bach-host-key.age;",
    );
    scene.git(&["add", "-A"]);
    page.fails(
        "A kept key on the host itself",
        &mut bootstrap(&["--host-key", "keep"]),
    );
    scene.change(
        "hosts/byrd.nix",
        "\n  age.secrets.key.file = ../bach-host-key.age;",
        "",
    );
    scene.change(
        "secrets.nix",
        "  \"bach-host-key.age\".publicKeys = [ admin ];\n",
        "",
    );
    fs::remove_file(kept).unwrap();
    fs::rename(folder.path("token.age"), folder.beside("token.age")).unwrap();
    page.fails("A secret that is not there", &mut bootstrap(&[]));
    fs::rename(folder.beside("token.age"), folder.path("token.age")).unwrap();

    let to = |card: &str| spinet(&scene, &["bootstrap", "bach", "--no-wifi", "--card", card]);
    page.fails("A card that is not there", &mut to("/dev/sdzz"));
    page.fails("A card that is no disk", &mut to("/dev/null"));
    page.fails("A card file in the flake", &mut to("card.img"));
    page.fails(
        "A card file in a folder that is not there",
        &mut to("/home/anna/cards/bach.img"),
    );
    fs::write(card, "old").unwrap();
    page.fails(
        "A card file with something in it, and no terminal",
        &mut bootstrap(&[]),
    );
    page.fails(
        "Wifi profiles that are not there",
        &mut spinet(
            &scene,
            &[
                "bootstrap",
                "bach",
                "--card",
                card,
                "--wifi-from",
                "../wifi",
            ],
        ),
    );
    let wifi = folder.home("wifi");
    fs::create_dir(&wifi).unwrap();
    fs::write(
        wifi.join("Work.8021x"),
        "[Security]\nEAP-Method=PWD\nEAP-Identity=anna\n",
    )
    .unwrap();
    let joining = [
        "bootstrap",
        "bach",
        "--card",
        card,
        "--wifi-from",
        wifi.to_str().unwrap(),
    ];
    page.fails("Credentials of a person", &mut spinet(&scene, &joining));
    let strict = "[Security]\nPassphrase=tea for two\n[Settings]\nTransitionDisable=true\nDisabledTransitionModes=personal\n";
    fs::write(wifi.join("Home.psk"), strict).unwrap();
    fs::remove_file(wifi.join("Work.8021x")).unwrap();
    fs::remove_file(folder.home(".ssh/id_ed25519.pub")).unwrap();
    let country = [&joining[..], &["--wifi-country", "DE"]].concat();
    page.fails(
        "A network for newer radios, and a key that may not log in",
        &mut spinet(&scene, &country),
    );
    scene.change(
        "hosts/byrd.nix",
        "age.secrets.token",
        "spinet.wifi.networks.home.secret = ../wifi-home.age;\n  age.secrets.token",
    );
    scene.change(
        "secrets.nix",
        "{\n",
        "{\n  \"wifi-home.age\".publicKeys = [ admin byrd ];\n",
    );
    page.fails(
        "A network of the configuration, and none for the card",
        &mut bootstrap(&[]),
    );
    page.compare();
}

#[test]
fn of_programs() {
    let Some(scene) = scene() else { return };
    let folder = &scene.folder;
    let mut page = Page::of("programs", "Programs that are missing.", folder);
    let mut without = |program: &str, args: &[&str]| {
        page.fails(
            &format!("{program} is not on PATH"),
            spinet(&scene, args).env("PATH", folder.beside(&format!("without-{program}"))),
        );
    };
    for program in ["nix", "nix-instantiate", "git", "ssh", "ssh-keyscan"] {
        all_but(folder, program);
    }
    without("nix", &["status"]);
    without("nix", &["deploy", "byrd"]);
    without("nix-instantiate", &["secrets", "check"]);
    without("git", &["status"]);
    without(
        "ssh",
        &[
            "host",
            "wait",
            "byrd",
            "--timeout",
            "1",
            "--address",
            "127.0.0.1",
        ],
    );
    without(
        "ssh-keyscan",
        &[
            "host",
            "scan",
            "byrd",
            "--timeout",
            "1",
            "--address",
            "127.0.0.1",
        ],
    );
    page.compare();
}
