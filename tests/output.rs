//! Where results go: a reader that reads no further is no failure, a result that was not written is one.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs::File;
use std::process::{Command, Stdio};

fn list() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spinet"));
    command.args(["card", "list", "--json"]);
    command
}

#[test]
fn a_pipe_that_nobody_reads_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = list().stdout(writer).stderr(Stdio::piped()).output();
    let output = output.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_result_that_could_not_be_written_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = list().stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("could not be written"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
