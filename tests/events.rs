//! `--events` as another program sees it.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::{Command, Stdio};

use serde_json::Value;

#[test]
fn every_line_is_an_event_and_the_last_tells_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_spinet"))
            .args(args)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (
            output.status.code().unwrap(),
            events.collect::<Vec<Value>>(),
        )
    };

    let (code, events) = run(&["--events", "status"]);
    let last = events.last().unwrap();
    assert_eq!(
        (code, &last["event"], &last["exit"]),
        (2, &"end".into(), &2.into())
    );
    let why = last["error"]["text"].as_str().unwrap();
    assert!(why.starts_with("There is no flake.nix in "), "{why}");
    assert!(last["error"]["hints"][0].is_string(), "{last}");

    std::fs::write(
        folder.path().join("home.psk"),
        "[Security]\nPassphrase=rehearsal42\n",
    )
    .unwrap();
    let (code, events) = run(&["--events", "wifi", "list", "--wifi-from", "."]);
    let last = events.last().unwrap();
    assert_eq!(
        (code, &last["event"], &last["error"]),
        (0, &"end".into(), &Value::Null)
    );
}
