//! `spinet status` as a whole program, on a flake that real nix evaluates. ssh is real where a connection is the point;
//! where it is what hosts say, a script says it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

#[allow(dead_code, reason = "the tests of the secrets use the rest")]
#[path = "../secrets/folder.rs"]
mod folder;
#[allow(dead_code, reason = "the tests of the doctor use the rest")]
#[path = "../doctor/scene.rs"]
mod scene;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use folder::Done;
use scene::Scene;

/// Answers as a host does that runs the system named in a file and fails its one check; of the dead ssh says what
/// it does after `ConnectTimeout`.
const SSH: &str = r#"#!/bin/sh
case "$*" in
*"-O exit"*) exit 0 ;;
*HostKeyAlias=dead*)
  sleep 2
  echo "ssh: connect to host 198.51.100.1 port 22: Connection timed out" >&2
  exit 255
  ;;
esac
cat >/dev/null
case "$*" in
*spinet-manifest*) ;;
*) printf '0\ndone\n'; exit ;;
esac
system=$(cat "$(dirname "$0")/system")
printf '%s\n' "current=$system" "profile_now=$system" "entry_now=$system" booted=/nix/store/first now=7500 \
  failed_now= free_kib=20000000 memory_kib=1000000 available_kib=600000 millidegrees=48312 throttled=50000 end=status \
  spinet-manifest '{ "system": "x86_64-linux", "deadline": 60, "healthChecks": [{ "name": "web", "command": "x" }] }'
"#;

/// The scene, with an address that nobody else has, and what the flake builds.
fn scene() -> Option<(Scene, String)> {
    let scene = Scene::new()?;
    scene.change(
        "flake.nix",
        "inherit (fleet) spinet;",
        "inherit (fleet) spinet nixosConfigurations;",
    );
    scene.change("hosts/default.nix", "byrd.example.org", "198.51.100.7");
    // what a system needs to be built at all
    scene.change("hosts/byrd.nix", "{\n", "{\n  services.openssh.enable = true;\n  boot.loader.generic-extlinux-compatible.enable = true;\n  fileSystems.\"/\" = { device = \"/dev/vda\"; fsType = \"ext4\"; };\n");
    scene.folder.program("ssh", SSH);
    let mut nix = Command::new("nix");
    nix.args([
        "eval",
        "--raw",
        ".#nixosConfigurations.byrd.config.system.build.toplevel.outPath",
    ]);
    nix.current_dir(scene.folder.path(""))
        .env("NIX_CONFIG", scene::NIX_CONFIG);
    let built = Done::of(nix.env("HOME", scene.folder.home("")))
        .expect(0, &[])
        .out;
    runs(&scene, &built);
    Some((scene, built))
}

/// What the host runs from now on.
fn runs(scene: &Scene, system: &str) {
    std::fs::write(scene.folder.beside("bin/system"), system).unwrap();
}

fn status(scene: &Scene, args: &[&str]) -> Command {
    let mut command = scene.folder.spinet(&[&["status"], args].concat());
    command
        .stdin(Stdio::null())
        .env("NIX_CONFIG", scene::NIX_CONFIG)
        .env_remove("SSH_AUTH_SOCK")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

fn rows(done: &Done) -> Vec<Value> {
    serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{e}: {done:?}"))
}

#[test]
fn one_host_is_told_at_length_and_several_in_a_line_each() {
    let Some((scene, built)) = scene() else {
        return;
    };
    let done = Done::of(&mut status(&scene, &[]));
    let done = done.expect(
        0,
        &[
            "byrd: reached under its pinned key",
            ", as the flake builds it",
        ],
    );
    assert!(
        done.out
            .contains("the flake's one is encrypted for its pinned key"),
        "{done:?}"
    );
    let row = rows(&Done::of(&mut status(&scene, &["--json"])).expect(0, &[])).remove(0);
    for (field, value) in [
        ("reached", json!(true)),
        ("pinned", json!(true)),
        ("built", json!(built)),
        ("current", json!(built)),
        ("booted", json!("/nix/store/first")),
        ("secrets", json!(1)),
        ("unreadableSecrets", json!([])),
        ("failedUnits", json!([])),
        ("failingChecks", json!(["web"])),
        ("millidegrees", json!(48312)),
        ("uptimeSeconds", json!(7500)),
    ] {
        assert_eq!(row[field], value, "{field}");
    }

    // another that has never been there, and one with the same system that runs another
    let host = |name: &str, address: &str| {
        format!(
            "{name} = {{ system = \"x86_64-linux\"; address = \"{address}\"; modules = [ ./byrd.nix ]; }};"
        )
    };
    let rows = [host("byrd", "198.51.100.7"), host("cage", "198.51.100.8")].concat();
    scene.write("hosts/default.nix", &format!("{{ {rows} }}\n"));
    scene.folder.encrypt("token.age", "42", &["admin"]);
    runs(&scene, "/nix/store/other");
    let done = Done::of(&mut status(&scene, &[]));
    let done = done.expect(
        0,
        &[
            "not bootstrapped yet",
            "    checks fail: web\n",
            "throttled since it started",
        ],
    );
    let lines: Vec<_> = done.out.lines().collect();
    assert_eq!(
        lines[0],
        "host  system   booted  up   heat   free     units  secrets"
    );
    assert_eq!(
        lines[1],
        "byrd  differs  older   2 h  48 °C  20.4 GB  ok     stale"
    );
    assert!(
        done.out.contains("token.age: not there, or not encrypted"),
        "{done:?}"
    );

    let long = Done::of(&mut status(&scene, &["--long", "--no-build"]));
    let long = long.expect(
        0,
        &[
            "byrd: reached",
            "cage: not reached",
            "No key is pinned for cage",
        ],
    );
    assert!(!long.out.contains("the flake builds"), "{long:?}");
}

#[test]
fn a_picture_that_cannot_be_written_is_a_failure_and_one_that_nobody_reads_is_none() {
    let Some((scene, _)) = scene() else { return };
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut told = status(&scene, &["--no-build"]);
    let told = told.stdout(full).output().unwrap();
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(said.contains("could not be written"), "{said}");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut told = status(&scene, &["--no-build"]);
    let told = told.stdout(writer).output().unwrap();
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(!said.contains("could not be written"), "{said}");
}

#[test]
fn a_host_that_takes_connections_and_says_nothing_costs_what_was_given() {
    let Some((scene, _)) = scene() else { return };
    std::fs::remove_file(scene.folder.beside("bin/ssh")).unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    scene.change(
        "hosts/default.nix",
        "modules",
        &format!("port = {port}; modules"),
    );
    let look = |flags: &[&str]| {
        let began = Instant::now();
        let flags = [&["--no-build", "--address", "127.0.0.1", "--json"], flags].concat();
        let done = Done::of(&mut status(&scene, &flags)).expect(1, &["Not reached: byrd."]);
        (rows(&done).remove(0), began.elapsed())
    };
    let (row, short) = look(&[]);
    assert_eq!(
        (&row["reached"], &row["pinned"]),
        (&json!(false), &json!(true))
    );
    let why = row["error"].as_str().unwrap();
    assert!(why.contains("takes connections and says nothing"), "{why}");
    let (_, longer) = look(&["--timeout", "8"]);
    let more = longer.saturating_sub(short);
    // 6, more or less what the machine has to do besides
    assert!(more > Duration::from_secs(3), "{short:?}, {longer:?}");
}

#[test]
fn dead_hosts_hold_up_nobody() {
    let Some((scene, _)) = scene() else { return };
    let name = |number: usize| {
        if number < 5 {
            format!("live{number}")
        } else {
            format!("dead{number}")
        }
    };
    let row = |number| {
        let name = name(number);
        format!(
            "{name} = {{ system = \"x86_64-linux\"; address = \"198.51.100.{}\"; modules = [ ./byrd.nix ]; }};",
            number + 1
        )
    };
    let all: String = (0..40).map(row).collect();
    scene.write("hosts/default.nix", &format!("{{ {all} }}\n"));
    let key = scene.folder.public("byrd");
    let pin = |number| format!("{} {key}\n", name(number));
    let pins: String = (0..40).map(pin).collect();
    scene.write("hosts/known_hosts", &pins);
    let began = Instant::now();
    let done = Done::of(&mut status(&scene, &["--no-build"]));
    let took = began.elapsed();
    let done = done.expect(1, &["Not reached: dead10, "]);
    assert_eq!(
        done.out.matches("not reached: 198.51.100.").count(),
        35,
        "{done:?}"
    );
    assert_eq!(done.out.matches(" GB  ok").count(), 5, "{done:?}");
    // one after the other they would take more than a minute
    println!("{took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// Pictures as lines of JSON.
struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watch {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str::<Vec<Value>>(&line).unwrap().remove(0)
    }

    /// The first picture for which it is so.
    fn until(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let row = self.next();
            if is_so(&row) {
                return row;
            }
            assert!(Instant::now() < end, "{row}");
        }
    }
}

#[test]
fn a_flake_is_evaluated_again_when_it_has_changed_and_only_then() {
    let Some((scene, built)) = scene() else {
        return;
    };
    let calls = scene.folder.beside("calls");
    let nix = String::from_utf8(Command::new("which").arg("nix").output().unwrap().stdout).unwrap();
    let log = format!(
        "#!/bin/sh\necho . >>{}\nexec {} \"$@\"\n",
        calls.display(),
        nix.trim()
    );
    scene.folder.program("nix", &log);
    let count = || std::fs::read_to_string(&calls).unwrap().lines().count();
    let mut watch = Watch::start(status(&scene, &["--watch=1", "--json"]));
    assert_eq!(watch.next()["built"], json!(built));
    let first = count();
    for _ in 0..3 {
        watch.next();
    }
    assert_eq!(count(), first);
    scene.change("hosts/byrd.nix", "26.05", "25.11");
    scene.folder.encrypt("token.age", "42", &["admin"]);
    let row = watch.until(|row| row["unreadableSecrets"] != json!([]));
    assert_eq!(row["unreadableSecrets"], json!(["token.age"]));

    // what is pinned meanwhile counts as well
    scene.write("hosts/known_hosts", "");
    let row = watch.until(|row| row["reached"] == json!(false));
    assert_eq!(row["pinned"], json!(false));

    // nobody reads on: that is its end, and no failure
    drop(watch.lines);
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
}
