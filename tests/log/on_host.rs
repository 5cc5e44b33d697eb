//! What a host's own log tells, read over real ssh. Needs root.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use super::fields;
use super::folder::Done;
use super::lab::Lab;
use super::lab::lan::Lan;

#[test]
fn a_host_tells_what_its_guard_decided_beside_what_was_done_from_here() {
    let Some(lab) = Lab::available() else { return };
    let lan = Lan::new(&lab);
    let (key, file) = lan.key("bach");
    lan.flake("bach", &key);
    let bach = lan.machine(&file);
    bach.ip("addr add 10.0.0.2/24 dev eth0");
    bach.sshd();
    let log = |args: &[&str]| {
        let args = [&["log", "bach", "--address", "10.0.0.2"], args].concat();
        Done::of(lan.spinet(&args).stdin(Stdio::null()))
    };
    log(&[]).expect(2, &["--on-host"]);
    log(&["--on-host"]).expect(
        0,
        &[
            "bach has no log of its own yet",
            "Nothing is recorded of bach",
        ],
    );

    // this machine's own entry lies between those of the host
    let folder = lab.path("flake").display().to_string().replace('/', "%");
    let state = lab.path("state/spinet").join(folder);
    fs::create_dir_all(&state).unwrap();
    let own = json!({
        "time": "2026-11-26T13:30:00Z", "user": "anna", "machine": "verdi", "action": "deploy", "host": "bach",
        "revision": null, "system": "/nix/store/b", "outcome": "unknown", "exit": 5, "seconds": 9, "detail": "Lost.",
        "attempt": "18-1",
    });
    // seen by both, told once
    let mut seen = own.clone();
    for (key, value) in [
        ("time", "2026-11-26T13:32:00Z"),
        ("outcome", "withdrawn"),
        ("attempt", "19-1"),
    ] {
        seen[key] = json!(value);
    }
    fs::write(state.join("history.jsonl"), format!("{own}\n{seen}\n")).unwrap();
    let lines = [
        "2026-11-26T13:24:24Z 17-1 committed /nix/store/a /nix/store/0",
        "2026-11-26T13:31:00Z 18-1 undone /nix/store/b /nix/store/a",
        "2026-11-26T13:31:59Z 19-1 undone /nix/store/b /nix/store/a",
        "2026-11-26T13:3",
    ];
    bach.run(&format!(
        "mkdir -p /var/lib/spinet/guard && printf '{}\\n\\033[2J\\n' >/var/lib/spinet/guard/log",
        lines.join("\\n")
    ));
    let told = log(&["--on-host", "--json"]).expect(0, &["2 lines of bach's own log"]);
    assert_eq!(
        fields(
            &told,
            &["action", "outcome", "exit", "user", "machine", "seconds"]
        ),
        [
            json!(["decide", "deployed", 0, "guard", "bach", null]),
            json!(["deploy", "unknown", 5, "anna", "verdi", 9]),
            json!(["decide", "undone", 4, "guard", "bach", null]),
            json!(["deploy", "withdrawn", 5, "anna", "verdi", 9]),
        ]
    );
    let table = log(&["--on-host", "-n", "2"]).expect(
        0,
        &[
            "bach  decide  undone     -  guard@bach",
            "went back to /nix/store/a.",
        ],
    );
    assert_eq!(table.out.lines().count(), 4, "{table:#?}");

    // a stranger in its place is not asked
    let (other, _) = lan.key("other");
    fs::write(
        lab.path("flake/hosts/known_hosts"),
        format!("bach {other}\n"),
    )
    .unwrap();
    log(&["--on-host"]).expect(1, &["another key"]);
}
