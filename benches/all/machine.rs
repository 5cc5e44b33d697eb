//! When, on what, and beside which programs.

use std::fs;
use std::process::{Command, Stdio};

/// Programs that take part, the option that makes each tell its version, and what they belong to.
const PROGRAMS: [(&str, &str, &str); 9] = [
    ("nix", "--version", "nix"),
    ("age", "--version", "age"),
    ("agenix", "--help", "agenix"),
    ("ragenix", "--version", "ragenix"),
    ("bmaptool", "--version", "bmaptool"),
    ("caligula", "--version", "caligula"),
    ("deploy", "--version", "deploy-rs"),
    ("colmena", "--version", "colmena"),
    ("avahi-resolve", "--version", "avahi-resolve"),
];

pub fn describe() -> String {
    let mut lines = vec![format!(
        "{}; spinet {}, {} cores ({}), Linux {}",
        said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_default(),
        said("git", &["describe", "--always", "--dirty"]).unwrap_or_else(|| "?".to_owned()),
        std::thread::available_parallelism().map_or(1, usize::from),
        processor(),
        said("uname", &["-r"]).unwrap_or_default(),
    )];
    let mut here = Vec::new();
    let mut absent = Vec::new();
    for (program, option, name) in PROGRAMS {
        match said(program, &[option]) {
            Some(text) => here.push(format!("{name} {}", version(&text))),
            None => absent.push(name),
        }
    }
    lines.push(format!("Beside: {}", here.join(", ")));
    if !absent.is_empty() {
        lines.push(format!("Not on PATH: {}", absent.join(", ")));
    }
    lines.join("\n")
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The word after "version", or the last word that begins with a digit.
fn version(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let after = words.iter().position(|word| *word == "version:");
    let after = after.and_then(|at| words.get(at + 1));
    let is_number = |word: &&&str| {
        let word = word.trim_start_matches('v');
        word.starts_with(|c: char| c.is_ascii_digit())
    };
    let number = after.or_else(|| words.iter().rfind(is_number));
    number.map_or_else(|| "?".to_owned(), |word| (*word).to_owned())
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or_else(|| "?".to_owned(), |(_, name)| name.to_owned())
}
