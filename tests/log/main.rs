//! `spinet log` as a whole program: what real runs leave in it, in a folder of secrets and in a flake.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

#[allow(dead_code, reason = "the tests of the secrets use the rest")]
#[path = "../secrets/folder.rs"]
mod folder;
#[path = "../lab/mod.rs"]
mod lab;
#[allow(dead_code, reason = "the tests of the doctor use the rest")]
#[path = "../doctor/scene.rs"]
mod scene;
#[path = "../lab/terminal.rs"]
mod terminal;

mod on_host;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use folder::{Done, Folder};
use scene::Scene;
use terminal::Terminal;

/// One stale file.
fn stale() -> Option<Folder> {
    let folder = Folder::new()?;
    folder.simple_rules(&[("a.age", &["admin", "orff"])]);
    folder.encrypt("a.age", "plain", &["admin"]);
    Some(folder)
}

/// What the entries say in some of their fields.
fn fields(done: &Done, names: &[&str]) -> Vec<Value> {
    let entries: Vec<Value> = serde_json::from_str(&done.out).unwrap();
    let pick = |entry: &Value| names.iter().map(|name| entry[name].clone()).collect();
    entries.iter().map(pick).collect()
}

fn file_of(state: &Path) -> PathBuf {
    let mut folders = state.join("spinet").read_dir().unwrap();
    folders
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("history.jsonl")
}

#[test]
fn rekeys_and_enrolments_are_told_by_whom_and_how_they_ended() {
    let Some(folder) = stale() else { return };
    folder
        .run(&["log"])
        .expect(0, &["Nothing is recorded of ", "secrets rekey"]);
    assert_eq!(folder.run(&["log", "--json"]).expect(0, &[]).out, "[]\n");

    folder.run(&["secrets", "rekey", "--plan"]).expect(0, &[]);
    folder.run(&["secrets", "rekey"]).expect(1, &["orff"]);
    let orff = folder.fingerprint("orff");
    let rekey = ["secrets", "rekey", "--accept-recipient", &orff];
    let mut named = folder.spinet(&rekey);
    Done::of(named.env("LOGNAME", "anna")).expect(0, &["rekeyed a.age"]);
    folder.run(&rekey).expect(0, &["right already"]);
    let byrd = folder.public("byrd");
    folder
        .run(&[
            "host", "enroll", "byrd", "--key", &byrd, "--secret", "a.age",
        ])
        .expect(0, &[]);

    let told = folder.run(&["log", "--json"]).expect(0, &[]);
    assert_eq!(
        fields(&told, &["action", "host", "outcome", "exit", "revision"]),
        [
            json!(["rekey", null, "failed", 1, null]),
            json!(["rekey", null, "rekeyed", 0, null]),
            json!(["enroll", "byrd", "enrolled", 0, null]),
        ]
    );
    let details = fields(&told, &["detail"]);
    assert_eq!(
        details[1..],
        [json!(["a.age"]), json!([folder.fingerprint("byrd")])]
    );
    assert_eq!(fields(&told, &["user"])[1], json!(["anna"]));
    let table = folder
        .run(&["log"])
        .expect(0, &["  rekeyed   -  anna@", "\n    "]);
    assert_eq!(table.out.lines().count(), 4, "{table:#?}");
    let last = folder
        .run(&["log", "-n", "1"])
        .expect(0, &["byrd  enroll  enrolled"]);
    assert_eq!(last.out.lines().count(), 1, "{last:#?}");
    folder
        .run(&["log", "bach"])
        .expect(0, &["Nothing is recorded of bach yet"]);
    assert_eq!(folder.in_clear("plain"), Vec::<PathBuf>::new());
}

#[test]
fn secrets_that_are_made_and_changed_are_told_and_never_their_content() {
    let Some(folder) = stale() else { return };
    let edit = ["secrets", "edit", "a.age", "--from", "-"];
    folder.run_with(&edit, "other-words").expect(1, &["orff"]);
    let orff = folder.fingerprint("orff");
    let edit = [&edit[..], &["--accept-recipient", &orff]].concat();
    folder
        .run_with(&edit, "plain")
        .expect(0, &["nothing was written"]);
    folder
        .run_with(&edit, "other-words")
        .expect(0, &["changed a.age"]);
    let new = ["--recipient", "admin", "--recipient", "orff"];
    let edit = ["secrets", "edit", "b.age", "--from", "-"];
    folder
        .run_with(&edit, "made-up")
        .expect(2, &["no rule for b.age"]);
    folder
        .run_with(&[&edit[..], &new].concat(), "made-up")
        .expect(0, &["made b.age"]);
    let generate = ["secrets", "generate", "c.age", "--kind", "hex", "--show"];
    let generated = folder
        .run(&[&generate[..], &new].concat())
        .expect(0, &["made c.age"])
        .out;

    let told = folder.run(&["log", "--json"]).expect(0, &[]);
    assert_eq!(
        fields(&told, &["action", "host", "outcome", "exit"]),
        [
            json!(["edit", null, "failed", 1]),
            json!(["edit", null, "changed", 0]),
            json!(["edit", null, "made", 0]),
            json!(["generate", null, "made", 0]),
        ]
    );
    assert_eq!(
        fields(&told, &["detail"])[1..],
        [
            json!(["a.age for admin, orff"]),
            json!(["b.age for admin, orff"]),
            json!(["c.age for admin, orff"]),
        ]
    );
    for content in ["plain", "other-words", "made-up", generated.trim()] {
        assert_eq!(folder.in_clear(content), Vec::<PathBuf>::new(), "{content}");
    }
}

#[test]
fn a_run_that_is_stopped_at_a_question_did_not_fail() {
    let Some(folder) = stale() else { return };
    let rekey = folder.spinet(&["secrets", "rekey"]);
    let mut terminal = Terminal::start(&rekey);
    terminal.wait_for("Type yes:").press("\u{3}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    // nor at that for a passphrase
    let mut lock = Command::new("ssh-keygen");
    lock.args(["-q", "-p", "-P", "", "-N", "secret", "-f"]);
    lock.arg(folder.home(".ssh/id_ed25519"));
    assert!(lock.status().unwrap().success());
    let orff = folder.fingerprint("orff");
    let rekey = folder.spinet(&["secrets", "rekey", "--accept-recipient", &orff]);
    let mut terminal = Terminal::start(&rekey);
    terminal.wait_for("Passphrase").press("\u{3}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("Stopped. "), "{screen}");
    let told = folder.run(&["log", "--json"]).expect(0, &[]);
    assert_eq!(
        fields(&told, &["action", "outcome", "exit"]),
        [
            json!(["rekey", "stopped", 1]),
            json!(["rekey", "stopped", 1])
        ]
    );
}

#[test]
fn a_line_that_a_full_disk_has_no_room_for_leaves_nothing_of_itself() {
    let Some(folder) = stale() else { return };
    let orff = folder.fingerprint("orff");
    let rekey = ["secrets", "rekey", "--all", "--accept-recipient", &orff];
    folder.run(&rekey).expect(0, &[]);
    let history = file_of(&folder.beside("state"));
    let line = fs::read_to_string(&history).unwrap();
    // room for a part of the next line: 4096 blocks are 2 MiB, which is enough for what nix writes
    let filled = 2 * 1024 * 1024 - line.len() / 2;
    let whole = line.repeat(filled / line.len()) + &"\n".repeat(filled % line.len());
    fs::write(&history, &whole).unwrap();
    let spinet = folder.spinet(&rekey);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\""])
        .arg(spinet.get_program())
        .args(spinet.get_args())
        .current_dir(spinet.get_current_dir().unwrap())
        .envs(
            spinet
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null());
    Done::of(&mut limited).expect(0, &["The history could not be written", "rekeyed a.age"]);
    assert_eq!(fs::read_to_string(&history).unwrap(), whole);
    folder.run(&rekey).expect(0, &[]);
    let told = folder.run(&["log", "-n", "1", "--json"]).expect(0, &[]);
    assert!(!told.err.contains("Warning"), "{told:#?}");
}

#[test]
fn a_history_that_is_damaged_or_cannot_be_written_stops_nothing() {
    let Some(folder) = stale() else { return };
    let orff = folder.fingerprint("orff");
    let rekey = ["secrets", "rekey", "--all", "--accept-recipient", &orff];
    folder.run(&rekey).expect(0, &[]);
    let history = file_of(&folder.beside("state"));
    let whole = fs::read(&history).unwrap();
    fs::write(&history, &whole[..whole.len() / 2]).unwrap();
    folder.run(&rekey).expect(0, &[]);
    let told = folder
        .run(&["log", "--json"])
        .expect(0, &["Warning: ", "cannot be read", "1 line"]);
    assert_eq!(fields(&told, &["outcome"]), [json!(["rekeyed"])]);

    fs::remove_file(&history).unwrap();
    fs::create_dir(&history).unwrap();
    let done = folder.run(&rekey).expect(
        0,
        &["Warning: The history could not be written", "rekeyed a.age"],
    );
    assert_eq!(done.err.matches("Warning").count(), 1, "{done:#?}");
    folder
        .run(&["log"])
        .expect(1, &["while reading ", "history.jsonl"]);
}

#[test]
fn each_host_of_a_deploy_is_told_with_the_revision_also_when_it_is_stopped() {
    let Some(scene) = Scene::new() else { return };
    let folder = &scene.folder;
    let identity = ["-c", "user.name=anna", "-c", "user.email=anna@localhost"];
    scene.git(&[&identity[..], &["commit", "-qm", "Begin"]].concat());
    let spinet = |args: &[&str]| {
        let mut command = folder.spinet(args);
        command
            .env("NIX_CONFIG", scene::NIX_CONFIG)
            .env_remove("SSH_AUTH_SOCK")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::null());
        command
    };
    // nobody answers there
    let rollback = ["deploy", "byrd", "--rollback", "--address", "192.0.2.1"];
    Done::of(&mut spinet(&[&rollback[..], &["--plan"]].concat())).expect(0, &[]);
    let mut running = spinet(&rollback).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(running.stderr.take().unwrap());
    let mut said = said.lines().map(|line| line.unwrap());
    assert!(said.any(|line| line == "Reaching byrd."));
    let pid = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.wait().unwrap().code(), Some(1));

    scene.write("hosts/known_hosts", "");
    Done::of(&mut spinet(&["deploy", "byrd", "--rollback"])).expect(1, &["byrd"]);

    // the host goes, its history stays
    scene.write("hosts/default.nix", "{ }\n");
    let told = Done::of(&mut spinet(&["log", "byrd", "--json"])).expect(0, &[]);
    let head = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(folder.path(""))
        .output()
        .unwrap();
    let head = String::from_utf8(head.stdout).unwrap().trim().to_owned();
    assert_eq!(
        fields(&told, &["action", "host", "outcome", "exit", "revision"]),
        [
            json!(["rollback", "byrd", "stopped", 1, head]),
            json!(["rollback", "byrd", "failed", 1, format!("{head}-dirty")]),
        ]
    );
    let dirty = format!("{}-dirty", &head[..7]);
    Done::of(&mut spinet(&["log", "byrd"])).expect(0, &["byrd  rollback  stopped", &dirty]);
}
