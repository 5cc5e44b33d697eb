//! `ssh` and `nix` of the simulated hosts: this program itself, called by those names through links on PATH.
//! All they say to spinet is here.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The folder of the simulated fleet.
pub const FLEET: &str = "SPINET_BENCH_FLEET";
/// Set when the hosts run another system than what is built.
pub const CHANGED: &str = "SPINET_BENCH_CHANGED";
/// What the guard is asked to do to an attempt, and the phase it is in from then on.
const DECISIONS: [(&str, &str); 2] = [("start", "waiting"), ("confirm", "committed")];

/// Whether this process is to be `ssh` or `nix`.
pub fn called() -> bool {
    matches!(name().as_str(), "ssh" | "nix") && std::env::var_os(FLEET).is_some()
}

pub fn answer() {
    let dir = PathBuf::from(std::env::var_os(FLEET).unwrap());
    let args: Vec<String> = std::env::args().skip(1).collect();
    let name = name();
    let mut calls = File::options()
        .create(true)
        .append(true)
        .open(dir.join(format!("calls-{name}")))
        .unwrap();
    calls.write_all(b".").unwrap();
    let said = if name == "nix" {
        nix(&dir, &args)
    } else {
        ssh(&dir, &args)
    };
    // whoever hung up does not care
    let _ = std::io::stdout().write_all(said.as_bytes());
}

fn name() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Where the system of a host is built to.
pub fn toplevel(dir: &Path, host: &str) -> PathBuf {
    dir.join("built").join(host)
}

fn nix(dir: &Path, args: &[String]) -> String {
    let is = |word: &str| args.iter().any(|arg| arg == word);
    if is("eval") {
        return fs::read_to_string(dir.join("fleet.json")).unwrap();
    }
    if is("path-info") {
        return fs::read_to_string(dir.join("closure")).unwrap();
    }
    if !is("build") {
        return String::new();
    }
    let built = args.iter().filter_map(|arg| arg.strip_prefix(".#"));
    let paths = built.map(|host| toplevel(dir, host).display().to_string());
    let rows: Vec<_> = paths
        .map(
            |out| serde_json::json!({ "drvPath": format!("{out}.drv"), "outputs": { "out": out } }),
        )
        .collect();
    serde_json::Value::from(rows).to_string()
}

/// What the guard says; most questions get its status and the end of the health checks.
fn ssh(dir: &Path, args: &[String]) -> String {
    let host = args
        .iter()
        .find_map(|arg| arg.strip_prefix("HostKeyAlias="))
        .unwrap();
    if args.iter().any(|arg| arg == "-O") {
        return String::new();
    }
    let mut input = String::new();
    let _ = std::io::stdin().read_to_string(&mut input);
    let command = args.join(" ");
    if command.contains("--check-validity") {
        // it has none of it
        return input;
    }
    if let Some(id) = word_after(&command, "follow") {
        eprintln!("spinet-waiting {id}");
        return String::new();
    }
    let attempt = attempt(&dir.join("attempts").join(host), args);
    let new = toplevel(dir, host).display().to_string();
    let old = if std::env::var_os(CHANGED).is_some() {
        dir.join("old").display().to_string()
    } else {
        new.clone()
    };
    let (id, phase) = attempt.split_once(' ').unwrap_or_default();
    let (current, permanent) = match phase {
        "waiting" => (&new, &old),
        "committed" => (&new, &new),
        _ => (&old, &old),
    };
    let guard = if phase == "waiting" { "alive" } else { "none" };
    let mut said = String::new();
    for (key, value) in [
        ("id", id),
        ("boot", "b"),
        ("phase", phase),
        ("mode", "switch"),
        ("new", &new),
        ("runs", &new),
        ("old", &old),
        ("deadline", "220"),
        ("reason", ""),
        ("switch_exit", "0"),
        ("guard", guard),
        ("now", "100"),
        ("boot_now", "b"),
        ("current", current),
        ("profile_now", permanent),
        ("entry_now", permanent),
        ("booted", &old),
        ("permanent", permanent),
        ("previous", ""),
        ("leftover", "0"),
        ("failed_now", ""),
        ("newly_failed", ""),
        ("machine", "aarch64"),
        ("free_kib", "20000000"),
        ("end", "status"),
    ] {
        writeln!(said, "{key}={value}").unwrap();
    }
    said + "done\n"
}

/// `ID PHASE` of the host's last attempt, after what this call decides about it; empty when there was none.
fn attempt(file: &Path, args: &[String]) -> String {
    let command = args.join(" ");
    let decision = DECISIONS.iter().find_map(|(verb, phase)| {
        let id = word_after(&command, verb)?;
        Some(format!("{id} {phase}"))
    });
    if let Some(decision) = &decision {
        fs::write(file, decision).unwrap();
    }
    decision.unwrap_or_else(|| fs::read_to_string(file).unwrap_or_default())
}

fn word_after<'c>(command: &'c str, verb: &str) -> Option<&'c str> {
    let mut words = command
        .split([' ', '\'', '"'])
        .filter(|word| !word.is_empty());
    words.find(|word| *word == verb)?;
    words.next()
}
