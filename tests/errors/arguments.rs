//! A command line that cannot be followed, and a folder it cannot be followed in.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::page::Page;

/// spinet in a folder, with a home that is empty.
fn spinet(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spinet"));
    command
        .args(args)
        .current_dir(dir.path().join("pi"))
        .env("HOME", dir.path())
        .env_remove("XDG_STATE_HOME")
        .env_remove("RULES")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null());
    command
}

#[test]
fn of_the_command_line() {
    let dir = TempDir::with_prefix("spinet-errors.").unwrap();
    let mut page = Page::new("arguments", "The command line, and the folder it is for.");
    page.stands_for(dir.path(), "/home/anna");
    fs::create_dir(dir.path().join("pi")).unwrap();
    let mut fails = |title: &str, args: &[&str]| page.fails(title, &mut spinet(&dir, args));

    fails("A command that does not exist", &["deplyo"]);
    fails("A flag that does not exist", &["deploy", "--dry-run"]);
    fails("No host to bootstrap", &["bootstrap"]);
    fails(
        "Two things at once",
        &["deploy", "bach", "--confirm", "--undo"],
    );
    fails(
        "A country that is no country",
        &["bootstrap", "bach", "--wifi-country", "germany"],
    );
    fails("Too little time", &["deploy", "--deadline", "1"]);
    for command in ["deploy", "status", "log"] {
        fails("No flake here", &[command]);
    }
    fails("No flake here, as JSON", &["status", "--json"]);
    fails(
        "No flake here, as events",
        &["--events", "bootstrap", "bach"],
    );
    fails("No folder there", &["-C", "../pie", "deploy"]);
    fails("No flake there", &["-C", "..", "deploy"]);
    fails("No rules here", &["secrets", "list"]);
    fails(
        "No rules there",
        &["secrets", "list", "--rules", "rules.nix"],
    );
    fails(
        "No folder there for rules",
        &["-C", "../pie", "secrets", "list"],
    );
    fails(
        "A name and no flake",
        &["host", "enroll", "bach", "--no-rekey"],
    );
    fails("Man pages into a file", &["man", "/dev/null/pages"]);

    fs::write(dir.path().join("pi/flake.nix"), "{ }").unwrap();
    fails("A flake that git does not know", &["deploy"]);
    page.compare();
}
