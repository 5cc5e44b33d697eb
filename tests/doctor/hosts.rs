//! Hosts on a real link, with real avahi and sshd. Needs root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::lab::Lab;
use super::lab::lan::{Lan, Machine};
use super::scene::{Found, NIX_CONFIG};

/// A flake with bach.local, and the lab's key authorized on it.
fn flake(lab: &Lab, lan: &Lan, key: &str) {
    lan.flake("bach", key);
    let path = lab.path("flake/flake.nix");
    let mine = fs::read_to_string(lab.key().with_extension("pub")).unwrap();
    let needs = format!(
        "spinet.needs.bach = {{ secrets = [ ]; authorizedKeys = [ \"{}\" ]; }};\n          outputs",
        mine.trim()
    );
    // beside the hosts
    let text = fs::read_to_string(&path).unwrap();
    let needs = needs
        .replace("spinet.needs", "needs")
        .replace("\n          outputs", "");
    let text = text.replacen("rules = ", &format!("{needs}\n              rules = "), 1);
    fs::write(path, text).unwrap();
    fs::write(lab.path("flake/secrets.nix"), "{ }\n").unwrap();
    let mut add = Command::new("git");
    add.arg("-C").arg(lab.path("flake")).args(["add", "-A"]);
    assert!(add.status().unwrap().success());
}

fn doctor(lan: &Lan, args: &[&str]) -> Found {
    let args = [&["--json", "doctor", "bach"], args].concat();
    Found::of(lan.spinet(&args).stdin(Stdio::null()))
}

/// At 10.0.0.2, with nothing running yet.
fn bach<'a>(lan: &'a Lan<'a>, file: &std::path::Path) -> Machine<'a> {
    let bach = lan.machine(file);
    bach.ip("addr add 10.0.0.2/24 dev eth0");
    bach
}

#[test]
fn a_host_tells_what_ails_it() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (key, file) = lan.key("bach");
    flake(&lab, &lan, &key);
    let bach = bach(&lan, &file);
    bach.sshd();
    bach.announce_v4("bach");
    let (old, _) = lan.key("old");
    fs::write(
        lab.path("home/.ssh/known_hosts"),
        format!("bach.local {old}\n"),
    )
    .unwrap();
    bach.run("printf '#!/bin/sh\\necho throttled=0x50000\\n' >/usr/local/bin/vcgencmd; mv /usr/local/bin/vcgencmd /usr/bin/; chmod +x /usr/bin/vcgencmd");
    doctor(&lan, &[])
        .expect("host", "reached", "ok", &["under its pinned key, as root"])
        .expect("host", "attempt", "ok", &["none waits"])
        .expect("host", "clock", "ok", &[])
        .expect("host", "root", "ok", &[])
        .expect(
            "host",
            "power",
            "warning",
            &["too low since it booted", "power supply"],
        )
        .expect("host", "health", "warning", &["spinet deploy bach"])
        .expect(
            "keys",
            "known_hosts",
            "warning",
            &["ssh-keygen -R bach.local"],
        )
        .expect("network", "mdns", "ok", &["heard"]);
    // a board without a battery, and one that fails right now
    bach.run("printf '#!/bin/sh\\necho throttled=0x5\\n' >/usr/bin/vcgencmd; printf '#!/bin/sh\\necho 86400\\n' >/usr/bin/date; chmod +x /usr/bin/date");
    doctor(&lan, &[])
        .expect("host", "power", "failure", &["right now"])
        .expect("host", "clock", "failure", &["behind", "timesyncd"])
        .code(3);
}

#[test]
fn a_host_that_is_off_and_a_stranger_in_its_place_are_told_apart() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (key, _) = lan.key("bach");
    flake(&lab, &lan, &key);
    doctor(&lan, &[])
        .expect("host", "reached", "failure", &["nothing was heard"])
        .code(3);
    let (_, other) = lan.key("stranger");
    let stranger = bach(&lan, &other);
    stranger.sshd();
    stranger.announce_v4("bach");
    doctor(&lan, &[])
        .expect("host", "reached", "failure", &["strangers", "another key"])
        .code(3);
    fs::write(lab.path("flake/hosts/known_hosts"), "").unwrap();
    doctor(&lan, &[]).expect(
        "host",
        "reached",
        "failure",
        &["No key is pinned for bach", "spinet bootstrap bach"],
    );
}

/// Programs of a test's own come first.
fn with_program(lab: &Lab, command: &mut Command, name: &str, text: &str) {
    let bin = lab.path("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    let rest = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{rest}", bin.display()));
}

#[test]
fn silence_is_an_alarm_only_where_the_firewall_drops_multicast_dns() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (key, file) = lan.key("bach");
    flake(&lab, &lan, &key);
    let _silent = bach(&lan, &file);
    let look = |rules: &str| {
        let mut command = lan.spinet(&["--json", "doctor"]);
        with_program(
            &lab,
            &mut command,
            "nft",
            &format!("cat <<'EOF'\n{rules}\nEOF"),
        );
        Found::of(command.stdin(Stdio::null()))
    };
    let rules = "table inet f {\n chain i {\n type filter hook input priority filter; policy drop;\n udp dport 5353 accept\n }\n}";
    look(rules)
        .expect("network", "links", "ok", &["lan"])
        .expect("network", "mdns", "ok", &["nobody answered", "lets it in"]);
    look(&rules.replace("5353", "53")).expect(
        "network",
        "mdns",
        "warning",
        &["firewall drops", "5353"],
    );
    lan.ip("link set lan down");
    look(rules).expect("network", "links", "warning", &["cannot be found"]);
}

#[test]
fn a_builder_is_told_from_one_that_is_not_known() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (key, file) = lan.key("bach");
    flake(&lab, &lan, &key);
    let builder = bach(&lan, &file);
    builder.sshd();
    let settings = format!("{NIX_CONFIG}\nbuilders = ssh://root@10.0.0.2 aarch64-linux");
    let look = || {
        let mut command = lan.spinet(&["--json", "doctor"]);
        Found::of(command.stdin(Stdio::null()).env("NIX_CONFIG", &settings))
    };
    look().expect(
        "builds",
        "builder",
        "failure",
        &["host key is not known", "ssh"],
    );
    let known = lab.path("home/.ssh/known_hosts");
    fs::write(&known, format!("10.0.0.2 {key}\n")).unwrap();
    let found = look();
    found.expect(
        "builds",
        "system",
        "warning",
        &["built by ssh://root@10.0.0.2", "could not be tried"],
    );
    assert!(!found.done.out.contains("\"builder\""), "{:?}", found.done);
    builder.run("rm /root/.ssh/authorized_keys");
    look().expect("builds", "builder", "failure", &["does not let you in"]);
}
