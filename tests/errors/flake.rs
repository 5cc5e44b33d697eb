//! A flake that does not say what it should, and hosts it does not have.

use std::fs;
use std::process::{Command, Stdio};

use crate::page::Page;
use crate::scene::{NIX_CONFIG, Scene};

/// The scene with one more host, a Raspberry Pi, and builds.
pub fn scene() -> Option<Scene> {
    let scene = Scene::new()?;
    scene.change(
        "flake.nix",
        "inherit (fleet) spinet;",
        "inherit (fleet) spinet packages;",
    );
    scene.write(
        "hosts/default.nix",
        "{\n  bach = { system = \"aarch64-linux\"; modules = [ ./byrd.nix ]; tags = [ \"organ\" ]; };\n  byrd = { system = \"x86_64-linux\"; address = \"byrd.example.org\"; modules = [ ./byrd.nix ]; tags = [ \"virginal\" ]; };\n}\n",
    );
    Some(scene)
}

/// spinet in the flake, with a nix that can build for a Raspberry Pi.
pub fn spinet(scene: &Scene, args: &[&str]) -> Command {
    let mut command = scene.folder.spinet(args);
    command
        .env(
            "NIX_CONFIG",
            format!("{NIX_CONFIG}\nextra-platforms = aarch64-linux"),
        )
        .env_remove("SSH_AUTH_SOCK")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null());
    command
}

#[test]
fn of_flakes() {
    let Some(scene) = scene() else { return };
    let mut page = Page::of("flake", "The flake and its hosts.", &scene.folder);
    let mut fails = |title: &str, args: &[&str]| page.fails(title, &mut spinet(&scene, args));
    fails("A host that does not exist", &["deploy", "bahc"]);
    fails("The same, of status", &["status", "bahc"]);
    fails("A tag that no host has", &["status", "@kitchen"]);
    fails("A pattern that fits no host", &["status", "x*"]);
    fails("A pattern that is none", &["status", "[b"]);
    fails(
        "One address for two hosts",
        &["deploy", "--address", "10.0.0.2"],
    );
    fails("A host without a card", &["bootstrap", "byrd", "--no-wifi"]);
    fails(
        "A fingerprint for a key made here",
        &["bootstrap", "bach", "--fingerprint", "SHA256:x"],
    );
    fails(
        "A full image for a key made there",
        &[
            "bootstrap",
            "bach",
            "--image",
            "full",
            "--host-key",
            "first-boot",
        ],
    );
    fails("A key that is not pinned", &["deploy", "bach"]);
    fails("The same, of host wait", &["host", "wait", "bach"]);
    fails("The same, of host enroll", &["host", "enroll", "bach"]);
    fails(
        "A key that is none",
        &["host", "enroll", "bach", "--key", "ssh-ed25519"],
    );
    fails(
        "A key of another kind",
        &[
            "host",
            "enroll",
            "bach",
            "--key",
            "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7",
        ],
    );

    let with = |file: &str, text: &str, then: &mut dyn FnMut()| {
        let before = fs::read_to_string(scene.folder.path(file)).unwrap();
        scene.write(file, text);
        then();
        scene.write(file, &before);
    };
    let status = ["status", "--no-build"];
    with("flake.nix", "{ outputs = ", &mut || {
        fails("A flake that is cut short", &status);
    });
    with("flake.nix", "{ outputs = { self }: { }; }", &mut || {
        fails("A flake without hosts for spinet", &status);
    });
    with(
        "flake.nix",
        "{ outputs = { self }: { spinet = { hosts = { }; rules = \"secrets.nix\"; knownHosts = \"hosts/known_hosts\"; }; }; }",
        &mut || {
            fails("A flake with no host yet", &["deploy", "bach"]);
        },
    );
    with(
        "flake.nix",
        "{ outputs = { self }: { spinet = { rules = \"secrets.nix\"; knownHosts = \"hosts/known_hosts\"; hosts.\"bach.local\" = { system = \"aarch64-linux\"; address = \"bach.local\"; user = \"root\"; port = 22; }; }; }; }",
        &mut || {
            fails("A flake that names a host by its address", &status);
        },
    );
    for (title, rows) in [
        (
            "A row with a word that spinet does not know",
            "{ bach = { system = \"aarch64-linux\"; modules = [ ]; adress = \"10.0.0.2\"; }; }",
        ),
        ("A row without a system", "{ bach = { modules = [ ]; }; }"),
        (
            "A row without modules",
            "{ bach = { system = \"aarch64-linux\"; }; }",
        ),
        (
            "A port in quotes",
            "{ bach = { system = \"aarch64-linux\"; modules = [ ]; port = \"22\"; }; }",
        ),
        (
            "A port that is none",
            "{ bach = { system = \"aarch64-linux\"; modules = [ ]; port = 70000; }; }",
        ),
        (
            "A name that is no host's",
            "{ \"bach.local\" = { system = \"aarch64-linux\"; modules = [ ]; }; }",
        ),
        ("A row that is no set", "{ bach = ./bach.nix; }"),
    ] {
        with("hosts/default.nix", rows, &mut || fails(title, &status));
    }
    let broken = fs::read_to_string(scene.folder.path("hosts/byrd.nix"))
        .unwrap()
        .replace("26.05", "${missing}");
    with("hosts/byrd.nix", &broken, &mut || {
        fails(
            "A configuration that does not evaluate",
            &["deploy", "byrd"],
        );
    });
    fs::remove_file(scene.folder.path("hosts/known_hosts")).unwrap();
    fs::create_dir(scene.folder.path("hosts/known_hosts")).unwrap();
    fails(
        "A folder in the place of the pinned keys",
        &["deploy", "byrd"],
    );
    page.compare();
}
