//! This machine and a flake: what is right is no finding, and what is wrong is one, with what to do.

use std::fs;
use std::process::Command;

use super::folder::{Done, keygen};
use super::scene::{Found, Scene};

#[test]
fn a_flake_that_is_right_is_all_in_order() {
    let Some(scene) = Scene::new() else { return };
    scene
        .look(&[])
        .in_order(&[
            "nix", "builds", "flake", "secrets", "keys", "network", "programs", "cards",
        ])
        .expect("flake", "evaluation", "ok", &["1 host"])
        .expect("keys", "host", "ok", &["byrd"])
        .code(0);
    let shown = Done::of(&mut scene.doctor(&[]));
    shown.expect(0, &["nix\n  ok       version: ", " checks: "]);
}

#[test]
fn without_a_flake_the_machine_is_looked_at() {
    let Some(scene) = Scene::new() else { return };
    let elsewhere = scene.folder.beside("tmp");
    let look = |args: &[&str]| {
        let mut command = scene.doctor(args);
        command.current_dir(&elsewhere);
        command
    };
    Found::of(&mut look(&["--json"]))
        .in_order(&["nix", "programs"])
        .expect(
            "flake",
            "tree",
            "warning",
            &["Only this machine", "--flake DIR"],
        )
        .code(0);
    // a host is asked for, or a folder: that is a mistake
    Done::of(&mut look(&["byrd"])).expect(2, &["There is no flake.nix"]);
    Done::of(&mut look(&["-C", "/nonexistent"])).expect(2, &["There is no folder"]);
    Done::of(&mut scene.doctor(&["orff"])).expect(2, &["The hosts are: byrd."]);
    // a flake outside of git
    fs::remove_dir_all(scene.folder.path(".git")).unwrap();
    scene
        .look(&[])
        .expect("flake", "tree", "failure", &["git work tree", "git init"])
        .code(3);
}

#[test]
fn files_git_does_not_track_are_named() {
    let Some(scene) = Scene::new() else { return };
    scene.write("hosts/orff.nix", "{ }");
    scene.write("notes.txt", "");
    scene.write(".gitignore", "ignored.nix\n");
    scene.write("ignored.nix", "");
    let found = scene.look(&[]);
    found
        .expect(
            "flake",
            "untracked",
            "warning",
            &["hosts/orff.nix", "git add --intent-to-add"],
        )
        .code(0);
    let said = &found.done.out;
    assert!(
        !said.contains("notes.txt") && !said.contains("ignored.nix"),
        "{said}"
    );
    // a secret that a host reads
    scene.git(&["rm", "-q", "--cached", "token.age"]);
    scene
        .look(&[])
        .expect(
            "flake",
            "untracked",
            "failure",
            &["token.age", "hosts/orff.nix"],
        )
        .code(3);
}

#[test]
fn a_flake_that_does_not_evaluate_leaves_the_other_checks() {
    let Some(scene) = Scene::new() else { return };
    scene.change("hosts/byrd.nix", "26.05", "${missing}");
    scene
        .look(&[])
        .expect(
            "flake",
            "evaluation",
            "failure",
            &["undefined variable 'missing'"],
        )
        .in_order(&["nix", "secrets", "programs"])
        .code(3);
    scene.write("flake.nix", "{ outputs = { self }: { packages = { }; }; }");
    scene
        .look(&[])
        .expect("flake", "evaluation", "warning", &["lib.fleet"])
        .in_order(&["secrets"])
        .code(0);
    scene.write("flake.nix", "{ outputs = ");
    scene
        .look(&[])
        .expect("flake", "evaluation", "failure", &["syntax error"])
        .in_order(&["secrets"])
        .code(3);
    scene.change("secrets.nix", "in\n", "in broken\n");
    scene
        .look(&[])
        .expect("secrets", "rules", "failure", &["could not be evaluated"])
        .code(3);
}

#[test]
fn old_inputs_and_a_clock_behind_them_are_told() {
    let Some(scene) = Scene::new() else { return };
    let lock = |time: u64| {
        let text = format!(
            r#"{{ "nodes": {{ "root": {{ "inputs": {{ "nixpkgs": "n" }} }}, "n": {{ "locked": {{ "lastModified": {time} }} }} }}, "root": "root", "version": 7 }}"#
        );
        scene.write("flake.lock", &text);
        scene.git(&["add", "flake.lock"]);
        scene.look(&[])
    };
    lock(1_600_000_000).expect(
        "flake",
        "lock",
        "warning",
        &["2020-09-13", "nix flake update nixpkgs"],
    );
    lock(9_000_000_000)
        .expect(
            "flake",
            "clock",
            "failure",
            &["clock is wrong", "2255-03-14"],
        )
        .code(3);
    scene.write("flake.lock", "no json");
    scene.look(&[]).expect(
        "flake",
        "lock",
        "failure",
        &["flake.lock is no JSON", "git"],
    );
    fs::remove_file(scene.folder.path("flake.lock")).unwrap();
    scene.change("flake.nix", "{\n  outputs", "{\n  inputs = { };\n  outputs");
    scene
        .look(&[])
        .expect("flake", "lock", "warning", &["nix flake lock"]);
}

#[test]
fn secrets_that_drifted_are_told_as_the_check_of_secrets_tells_them() {
    let Some(scene) = Scene::new() else { return };
    scene.folder.encrypt("token.age", "42", &["admin"]);
    scene.write("other.age", "not age");
    scene
        .look(&[])
        .expect(
            "secrets",
            "files",
            "failure",
            &[
                "token.age: stale: not yet for byrd",
                "other.age: no rule",
                "secrets rekey",
            ],
        )
        .expect("secrets", "identity", "ok", &["opens 1 secret"])
        .code(3);
}

#[test]
fn whose_key_opens_what_is_found_out_without_a_question() {
    let Some(scene) = Scene::new() else { return };
    let folder = &scene.folder;
    folder.simple_rules(&[("token.age", &["admin", "byrd"]), ("theirs.age", &["orff"])]);
    folder.encrypt("theirs.age", "", &["orff"]);
    scene
        .look(&[])
        .expect(
            "secrets",
            "identity",
            "warning",
            &["1 of 2 secrets", "theirs.age"],
        )
        .code(0);
    let orff = folder.private("orff");
    scene.look(&["-i", orff.to_str().unwrap()]).expect(
        "secrets",
        "identity",
        "warning",
        &["token.age"],
    );
    let mine = folder.home(".ssh/id_ed25519");
    fs::remove_file(&mine).unwrap();
    scene
        .look(&[])
        .expect(
            "secrets",
            "identity",
            "failure",
            &["no identity at all", "-i FILE"],
        )
        .code(3);
    // the same key under a passphrase, which nobody is asked for
    fs::copy(folder.private("admin"), &mine).unwrap();
    let mut protect = Command::new("ssh-keygen");
    protect
        .args(["-q", "-p", "-P", "", "-N", "words", "-f"])
        .arg(&mine);
    assert!(protect.status().unwrap().success());
    folder.simple_rules(&[("token.age", &["admin", "byrd"])]);
    fs::remove_file(folder.path("theirs.age")).unwrap();
    scene
        .look(&[])
        .expect("secrets", "identity", "ok", &["under a passphrase"]);
    fs::write(&mine, "no key").unwrap();
    scene
        .look(&[])
        .expect("secrets", "identity", "failure", &["no private key"])
        .code(3);
}

#[test]
fn a_host_whose_key_does_not_fit_is_told() {
    let Some(scene) = Scene::new() else { return };
    let folder = &scene.folder;
    keygen(&folder.private("new"), "root@byrd", "");
    scene.write(
        "hosts/known_hosts",
        &format!("byrd {}\n", folder.public("new")),
    );
    scene
        .look(&[])
        .expect(
            "keys",
            "recipient",
            "failure",
            &["token.age", "spinet host enroll byrd"],
        )
        .code(3);
    scene.write("hosts/known_hosts", "");
    scene
        .look(&[])
        .expect(
            "keys",
            "pinned",
            "warning",
            &["called byrd", "bootstrap byrd"],
        )
        .code(0);
    folder.simple_rules(&[("token.age", &["admin"])]);
    folder.encrypt("token.age", "42", &["admin"]);
    scene.change("secrets.nix", "byrd =", "other =");
    scene
        .look(&[])
        .expect("keys", "pinned", "ok", &["not enrolled yet"])
        .code(0);
}

#[test]
fn example_keys_and_missing_logins_are_told() {
    let Some(scene) = Scene::new() else { return };
    let example = include_str!("../keys/admin.pub").trim();
    let admin = scene.folder.public("admin");
    scene.change("secrets.nix", &admin, example);
    scene.change("hosts/byrd.nix", &admin, example);
    scene
        .look(&[])
        .expect(
            "secrets",
            "recipients",
            "failure",
            &["example-admin", "secrets.nix"],
        )
        .expect("keys", "logins", "failure", &["published example key"])
        .code(3);
    scene.change("hosts/byrd.nix", example, &scene.folder.public("orff"));
    scene
        .look(&[])
        .expect("keys", "logins", "warning", &["ssh-agent"]);
    scene.change(
        "hosts/byrd.nix",
        &format!("\"{}\"", scene.folder.public("orff")),
        "",
    );
    scene.look(&[]).expect(
        "keys",
        "logins",
        "failure",
        &["Nobody could log in to byrd"],
    );
}

#[test]
fn what_was_left_half_way_is_told() {
    let Some(scene) = Scene::new() else { return };
    let state = scene.folder.state();
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("replace.json"), "{}").unwrap();
    let pending =
        r#"{ "attempt": "a", "key": null, "replaces": null, "written": true, "card": "/dev/sda" }"#;
    fs::write(state.join("byrd.pending.json"), pending).unwrap();
    scene
        .look(&[])
        .expect("secrets", "unfinished", "warning", &["secrets rekey"])
        .expect(
            "keys",
            "bootstrap",
            "warning",
            &["first boot was not seen", "spinet bootstrap byrd"],
        )
        .code(0);
    fs::write(state.join("byrd.pending.json"), "{").unwrap();
    scene
        .look(&[])
        .expect("keys", "bootstrap", "failure", &["is damaged"])
        .code(3);
}

#[test]
fn a_system_that_cannot_be_built_is_told_with_the_line_to_add() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    scene.change("hosts/default.nix", "x86_64-linux", "riscv64-linux");
    scene.set("extra-platforms =");
    scene
        .look(&[])
        .expect(
            "builds",
            "system",
            "failure",
            &["riscv64-linux", "extra-platforms"],
        )
        .code(3);
    scene.set("max-jobs = 0");
    scene
        .look(&[])
        .expect("nix", "jobs", "failure", &["max-jobs"]);
}

#[test]
fn a_builder_that_does_not_answer_is_told() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    scene.change("hosts/default.nix", "x86_64-linux", "riscv64-linux");
    // nobody listens on that port
    scene.set("builders = ssh://127.0.0.1:9 riscv64-linux");
    scene
        .look(&[])
        .expect(
            "builds",
            "builder",
            "failure",
            &["ssh://127.0.0.1:9", "does not answer"],
        )
        .code(3);
}

#[test]
fn flakes_that_are_switched_off_are_told() {
    let Some(mut scene) = Scene::new() else {
        return;
    };
    scene.set("experimental-features = nix-command");
    scene
        .look(&[])
        .expect("nix", "features", "failure", &["experimental-features"])
        .in_order(&["flake"])
        .code(3);
}
