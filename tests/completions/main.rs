//! Completions in the shells themselves, in a flake with hosts, secrets and networks, and the man pages as mandoc reads
//! them.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "the tests of the secrets use the rest")]
#[path = "../secrets/folder.rs"]
mod folder;
mod man;
#[allow(dead_code, reason = "the tests of the doctor use the rest")]
#[path = "../doctor/scene.rs"]
mod scene;
#[path = "../lab/terminal.rs"]
mod terminal;

use std::fs;
use std::path::Path;
use std::process::Command;

use scene::Scene;
use terminal::Terminal;

/// What is typed before the tab, and the words a command gets then.
const CASES: &[(&str, &[&str])] = &[
    ("spinet depl", &["deploy"]),
    ("spinet deploy by", &["deploy", "byrd"]),
    ("spinet deploy --diff ba", &["deploy", "--diff", "bach"]),
    ("spinet status @kit", &["status", "@kitchen"]),
    ("spinet log or", &["log", "orff"]),
    (
        "spinet bootstrap bach --host-key ke",
        &["bootstrap", "bach", "--host-key", "keep"],
    ),
    ("spinet secrets edit to", &["secrets", "edit", "token.age"]),
    (
        "spinet host enroll byrd --secret=to",
        &["host", "enroll", "byrd", "--secret=token.age"],
    ),
    (
        "spinet bootstrap bach --card ./spa",
        &["bootstrap", "bach", "--card", "./spare card.img"],
    ),
    (
        "spinet bootstrap bach --card /dev/sp",
        &["bootstrap", "bach", "--card", "/dev/spinet-no-card"],
    ),
    (
        "spinet bootstrap bach --wifi-from ../net",
        &["bootstrap", "bach", "--wifi-from", "../networks/"],
    ),
    (
        "spinet wifi show --wifi-from ../networks Zur",
        &["wifi", "show", "--wifi-from", "../networks", "Zur Post"],
    ),
    (
        "spinet wifi show --wifi-from ../networks 'Zur P",
        &["wifi", "show", "--wifi-from", "../networks", "Zur Post"],
    ),
    (
        "spinet wifi show --wifi-from ../networks Zur\\ P",
        &["wifi", "show", "--wifi-from", "../networks", "Zur Post"],
    ),
];

/// The flake of the doctor's tests with a second host, a tag, networks beside it, and a host that is gone.
fn scene() -> Option<Scene> {
    let scene = Scene::new()?;
    scene.write(
        "hosts/default.nix",
        r#"let row = { system = "x86_64-linux"; modules = [ ./byrd.nix ]; }; in {
          bach = row // { tags = [ "kitchen" ]; };
          byrd = row // { tags = [ "kitchen" "hall" ]; };
        }"#,
    );
    scene.write("spare card.img", "");
    let networks = scene.folder.beside("networks");
    fs::create_dir(&networks).unwrap();
    let profile = "[Security]\nPassphrase=not so secret\n";
    fs::write(networks.join("Zur Post.psk"), profile).unwrap();
    let card = r#"{"blockdevices":[{"name":"/dev/spinet-no-card","type":"disk","size":31914983424,"model":"Card","serial":"1","tran":"usb","rm":true,"ro":false,"hotplug":true,"mountpoints":[null],"fstype":null,"label":null,"children":[]}]}"#;
    scene
        .folder
        .program("lsblk", &format!("#!/bin/sh\necho '{card}'\n"));
    // one that only the history knows
    let state = scene.folder.state();
    fs::create_dir_all(&state).unwrap();
    let entry = r#"{"time":"2026-11-26T13:24:24Z","user":"anna","machine":"verdi","action":"deploy","host":"orff","revision":null,"system":null,"outcome":"deployed","exit":0,"seconds":3,"detail":null}"#;
    fs::write(state.join("history.jsonl"), format!("{entry}\n")).unwrap();
    Some(scene)
}

/// A shell in the flake that has spinet on its PATH; none, with the reason printed, where there is no such shell.
fn shell(scene: &Scene, name: &str, args: &[&str]) -> Option<Command> {
    if Command::new(name).arg("--version").output().is_err() {
        println!("skipped: no {name}");
        return None;
    }
    let sealed = scene.folder.spinet(&[]);
    let program = Path::new(sealed.get_program()).parent().unwrap();
    let mut command = Command::new(name);
    command.args(args).current_dir(scene.folder.path(""));
    for (variable, value) in sealed.get_envs() {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    let path = format!(
        "{}:{}:{}",
        scene.folder.beside("bin").display(),
        program.display(),
        std::env::var("PATH").unwrap()
    );
    command
        .env("PATH", path)
        .env("NIX_CONFIG", scene::NIX_CONFIG)
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "dumb")
        .env_remove("COMPLETE");
    Some(command)
}

/// Types each case at an interactive shell, and looks at what a command would get.
fn type_cases(mut at: Terminal, setup: &str) {
    // the one that asks for candidates is the real one
    at.answer(&format!(
        "{setup}; spinet() {{ if [ -n \"$COMPLETE\" ]; then command spinet \"$@\"; else printf '<%s>' \"$@\"; echo; fi; }}; echo set-\"up\""
    ))
    .wait_for("set-up");
    for (typed, words) in CASES {
        at.press(typed).press("\t");
        let words = format!("<{}>", words.join("><"));
        at.press("\n").wait_for(&format!("{words}\r\n"));
    }
    at.answer("exit 0");
    assert_eq!(at.end().0, Some(0));
}

#[test]
fn bash_completes_what_is_there() {
    let Some(scene) = scene() else { return };
    let Some(bash) = shell(&scene, "bash", &["--norc", "--noprofile", "-i"]) else {
        return;
    };
    type_cases(Terminal::start(&bash), "source <(spinet completions bash)");
}

#[test]
fn zsh_completes_what_is_there() {
    let Some(scene) = scene() else { return };
    let Some(zsh) = shell(&scene, "zsh", &["-f", "-i"]) else {
        return;
    };
    let load = "autoload -Uz compinit; compinit -u -D";
    let sourced = format!("{load}; source <(spinet completions zsh)");
    type_cases(Terminal::start(&zsh), &sourced);
}

#[test]
fn zsh_completes_at_once_from_a_file_of_its_path() {
    let Some(scene) = scene() else { return };
    let Some(zsh) = shell(&scene, "zsh", &["-f", "-i"]) else {
        return;
    };
    let functions = scene.folder.beside("functions");
    fs::create_dir(&functions).unwrap();
    let code = scene.folder.run(&["completions", "zsh"]).expect(0, &[]).out;
    fs::write(functions.join("_spinet"), code).unwrap();
    let load = format!(
        "fpath=({} $fpath); autoload -Uz compinit; compinit -u -D",
        functions.display()
    );
    type_cases(Terminal::start(&zsh), &load);
}

#[test]
fn fish_completes_what_is_there() {
    let Some(scene) = scene() else { return };
    let complete = |line: &str| {
        let script = format!("spinet completions fish | source; complete -C {line:?}");
        let mut fish = shell(&scene, "fish", &["--no-config", "-c", &script])?;
        let done = folder::Done::of(&mut fish).expect(0, &[]);
        assert_eq!(done.err, "", "{line}");
        Some(done.out)
    };
    for (typed, words) in CASES {
        let Some(out) = complete(typed) else { return };
        let word = words.last().unwrap();
        let offered: Vec<_> = out.lines().map(|line| line.split('\t').next()).collect();
        // fish quotes what it puts in
        assert_eq!(offered, [Some(*word)], "{typed}: {out}");
    }
    let hosts = complete("spinet deploy b").unwrap();
    assert_eq!(
        hosts,
        "bach\tx86_64-linux, bach.local\nbyrd\tx86_64-linux, byrd.local\n"
    );
    let tags = complete("spinet deploy @").unwrap();
    assert_eq!(tags, "@hall\tbyrd\n@kitchen\tbach, byrd\n");
    let secrets = complete("spinet secrets edit t").unwrap();
    assert_eq!(secrets, "token.age\tfor admin, byrd\n");
    let gone = complete("spinet log o").unwrap();
    assert_eq!(gone, "orff\tonly in the history\n");
}

#[test]
fn where_nothing_can_be_known_nothing_is_said() {
    let Some(scene) = scene() else { return };
    let ask = |shell: &str, words: &[&str]| {
        let mut spinet = scene.folder.spinet(&[&["--"], words].concat());
        spinet
            .env("NIX_CONFIG", scene::NIX_CONFIG)
            .env("COMPLETE", shell)
            .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
        spinet
    };
    let silent = |mut spinet: Command| {
        let done = folder::Done::of(&mut spinet).expect(0, &[]);
        assert_eq!((done.out.as_str(), done.err.as_str()), ("", ""));
    };
    for shell in ["bash", "zsh", "fish"] {
        let mut outside = ask(shell, &["spinet", "deploy", "b"]);
        outside.current_dir("/");
        silent(outside);
        let mut outside = ask(shell, &["spinet", "secrets", "edit", "t"]);
        outside.current_dir("/");
        silent(outside);
        silent(ask(shell, &["spinet", "deploy", "-C", "/nonexistent", "b"]));
        silent(ask(
            shell,
            &["spinet", "wifi", "show", "--wifi-from", "/nonexistent", "Z"],
        ));
    }
    // hosts are plain data: of nixpkgs only its library is read
    for part in ["default.nix", "pkgs", "nixos"] {
        let part = scene.folder.path("standin/nixpkgs").join(part);
        if part.is_dir() {
            fs::remove_dir_all(part).unwrap();
        } else {
            fs::write(part, "throw \"evaluated\"").unwrap();
        }
    }
    // from elsewhere, what the line names
    let mut named = ask("fish", &["spinet", "-C", "../secrets", "deploy", "ba"]);
    named.current_dir(scene.folder.beside("tmp"));
    folder::Done::of(&mut named).expect(0, &["bach\t"]);
    let mut named = ask(
        "fish",
        &["spinet", "--flake=../secrets", "secrets", "show", "t"],
    );
    named.current_dir(scene.folder.beside("tmp"));
    folder::Done::of(&mut named).expect(0, &["token.age\t"]);
    scene.write("hosts/default.nix", "{ broken");
    silent(ask("bash", &["spinet", "deploy", "b"]));
    // the history does not need the flake to be whole
    folder::Done::of(&mut ask("bash", &["spinet", "log", "o"])).expect(0, &["orff"]);
}
