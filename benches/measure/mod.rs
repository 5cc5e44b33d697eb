//! What a command costs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Seconds of processor time and of the clock.
#[derive(Clone, Copy)]
pub struct Cost {
    pub cpu: f64,
    pub wall: f64,
}

/// Runs the command, which must succeed, in a shell that has joined `group` (the file that lists a cgroup's processes).
/// Processor time is the command's and its children's, as bash's `time` tells it into the file `report`.
pub fn cost(command: &Command, report: &Path, group: Option<&Path>) -> Cost {
    let mut bash = Command::new("bash");
    bash.args([
        "-c",
        "[ -z \"$1\" ] || echo $$ >\"$1\"; shift; exec 3>\"$0\"; TIMEFORMAT='%3U %3S %3R'; { time \"$@\" 2>&4 3>&-; } 4>&2 2>&3",
    ]);
    bash.arg(report)
        .arg(group.unwrap_or(Path::new("")))
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    if let Some(dir) = command.get_current_dir() {
        bash.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bash.env(name, value),
            None => bash.env_remove(name),
        };
    }
    let output = bash.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = fs::read_to_string(report).unwrap();
    let times: Vec<f64> = text
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    Cost {
        cpu: times[0] + times[1],
        wall: times[2],
    }
}

pub fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
