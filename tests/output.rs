//! Where results go: a reader that reads no further is no failure, a result that was not written is one.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs::File;
use std::process::{Command, Stdio};

/// Lines, and bytes written as they are.
const RESULTS: [&[&str]; 2] = [&["card", "list", "--json"], &["completions", "bash"]];

fn spinet(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spinet"));
    command.args(arguments);
    command
}

#[test]
fn a_pipe_that_nobody_reads_is_no_failure() {
    for arguments in RESULTS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = spinet(arguments);
        command.stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn a_result_that_could_not_be_written_is_a_failure() {
    for arguments in RESULTS {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = spinet(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("could not be written"),
            "{arguments:?}: {said}"
        );
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}
