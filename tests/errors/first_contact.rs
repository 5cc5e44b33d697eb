//! Keys that a host shows for the first time, and what the user's own ssh knows of the host.

use std::fs;

use crate::flake::spinet;
use crate::hosts::{HERE, Sshd, free_port, of_byrd, page};
use crate::scene::Scene;

#[test]
fn of_keys() {
    let port = free_port();
    let Some(scene) = of_byrd(port) else { return };
    let folder = &scene.folder;
    fs::write(folder.beside("answer"), "exec </dev/null\nexit 0\n").unwrap();
    let mut page = page(
        "first-contact",
        "Keys that a host shows, and the user's own known_hosts.",
        &scene,
        port,
    );
    let known = folder.home(".ssh/known_hosts");
    // ssh finds the home of a user elsewhere than in HOME
    let ssh = fs::read_to_string(folder.beside("bin/ssh")).unwrap();
    let settings = format!(
        "#!/bin/sh\nfor word; do\n  [ \"$word\" != -G ] || exec /usr/bin/ssh -F none -o UserKnownHostsFile={} \"$@\"\ndone\n",
        known.display()
    );
    folder.program("ssh", &ssh.replace("#!/bin/sh\n", &settings));
    let sshd = Sshd::start(&scene, port, "byrd", true);
    if sshd.is_none() {
        return;
    }
    let wait = ["host", "wait", "byrd", "--timeout", "20", "--address", HERE];
    let other = folder.public("orff");
    fs::write(&known, format!("[{HERE}]:{port} {other}\n")).unwrap();
    page.warns(
        "Another key in the user's known_hosts",
        &mut spinet(&scene, &wait),
    );
    fs::write(&known, format!("[127.0.0.*]:{port} {other}\n")).unwrap();
    page.warns("The same under a pattern", &mut spinet(&scene, &wait));
    fs::write(&known, [0xff, b'\n']).unwrap();
    page.warns("A known_hosts that is no text", &mut spinet(&scene, &wait));
    fs::remove_file(&known).unwrap();

    waits_for_bach(&scene, port, "null", false);
    let words = [
        "bootstrap",
        "bach",
        "--no-wifi",
        "--host-key",
        "first-boot",
        "--timeout",
        "20",
        "--address",
        HERE,
    ];
    page.fails("Nobody to vouch for the key", &mut spinet(&scene, &words));
    page.fails(
        "A fingerprint of another key",
        spinet(&scene, &words).args(["--fingerprint", &folder.fingerprint("orff")]),
    );
    page.fails_at_terminal(
        "A key that is not vouched for",
        spinet(&scene, &words).arg("--no-progress"),
        &[("Type yes to trust it:", "no")],
    );
    drop(sshd);
    page.compare();
}

/// The card of bach is written, with this key (as JSON); bach is its first boot's host.
fn waits_for_bach(scene: &Scene, port: u16, key: &str, full: bool) {
    scene.write(
        "hosts/default.nix",
        &format!("{{ bach = {{ system = \"aarch64-linux\"; port = {port}; modules = [ ./byrd.nix ]; }}; }}\n"),
    );
    let state = scene.folder.state();
    fs::create_dir_all(&state).unwrap();
    let pending = format!(
        "{{ \"attempt\": \"20261126-1\", \"key\": {key}, \"replaces\": null, \"written\": true, \"card\": \"/dev/sda\", \"full\": {full} }}\n"
    );
    fs::write(state.join("bach.pending.json"), pending).unwrap();
}

#[test]
fn of_first_boots() {
    let port = free_port();
    let Some(scene) = of_byrd(port) else { return };
    let folder = &scene.folder;
    let mut page = page(
        "first-boots",
        "First boots of a card with the host's configuration that do not end well.",
        &scene,
        port,
    );
    let Some(_sshd) = Sshd::start(&scene, port, "orff", true) else {
        return;
    };
    let words = [
        "bootstrap",
        "bach",
        "--no-wifi",
        "--image",
        "full",
        "--timeout",
        "20",
        "--address",
        HERE,
    ];
    let key = format!("\"{}\"", folder.public("orff"));
    let answer = |status: &str| {
        let text = format!(
            "exec </dev/null\ncase $SSH_ORIGINAL_COMMAND in\n*host.json*) echo '{{ \"system\": \"aarch64-linux\", \"deadline\": 120 }}' ;;\n*status*) {status} ;;\n*'echo done'*) printf 'done\\n' ;;\nesac\n"
        );
        fs::write(folder.beside("answer"), text).unwrap();
    };
    let before = fs::read_to_string(folder.path("secrets.nix")).unwrap();
    for (title, status) in [
        (
            "A host that does not tell its state",
            "echo 'No space left on device' >&2; exit 1",
        ),
        (
            "A unit that fails",
            "printf 'current=/nix/store/b-nixos\\nprofile_now=/nix/store/b-nixos\\nmachine=aarch64\\nfailed_now=organ.service\\nend=status\\n'",
        ),
    ] {
        scene.write("secrets.nix", &before);
        folder.encrypt("token.age", "42", &["admin", "byrd"]);
        waits_for_bach(&scene, port, &key, true);
        answer(status);
        page.fails(title, &mut spinet(&scene, &words));
    }
    page.compare();
}
