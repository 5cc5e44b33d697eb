//! Where a deploy's time goes: every process it starts, as strace sees them come and go.

use std::fs;
use std::process::Command;

use crate::rig::{Rig, succeeds};
use crate::{Options, is_on_path};

/// A process, in milliseconds from the start of spinet.
struct Process {
    id: String,
    name: String,
    start: f64,
    end: f64,
}

pub fn run(rig: &Rig, options: &Options) {
    if !is_on_path("strace") {
        println!("\nskipped: no strace");
        return;
    }
    let host = rig.first();
    for (title, changed) in [("nothing changed", false), ("changed", true)] {
        let mut runs: Vec<Vec<Process>> = (0..options.rounds)
            .map(|_| {
                if changed {
                    rig.change();
                }
                trace(rig, &rig.spinet(&[&host.name, "--address", &host.ip]))
            })
            .collect();
        runs.sort_by(|a, b| a[0].end.total_cmp(&b[0].end));
        println!("\n## trace: {title}, the median run\n");
        println!("| from ms | to ms | ms | |\n|---|---|---|---|");
        for Process {
            name, start, end, ..
        } in &runs[runs.len() / 2]
        {
            println!("| {start:.0} | {end:.0} | {:.0} | {name} |", end - start);
        }
    }
}

fn trace(rig: &Rig, command: &Command) -> Vec<Process> {
    let log = rig.path("strace");
    let mut strace = rig.command("strace");
    // of the calls that are not asked for the kernel tells nothing, so that they cost nothing
    strace.args(["-f", "--seccomp-bpf", "-ttt", "-s", "400", "-e", "execve"]);
    strace.args(["-e", "signal=none", "-o"]).arg(&log);
    strace.arg(command.get_program()).args(command.get_args());
    succeeds(&mut strace);
    let mut processes: Vec<Process> = Vec::new();
    let mut begin = None;
    for line in fs::read_to_string(log).unwrap().lines() {
        let mut words = line.split_whitespace();
        let (Some(id), Some(time)) = (words.next(), words.next()) else {
            continue;
        };
        let now: f64 = time.parse::<f64>().unwrap() * 1000.0;
        let now = now - *begin.get_or_insert(now);
        if line.contains(" execve(") && !line.contains(") = -1") {
            // not what builds run
            if let Some(name) = name(line) {
                processes.push(Process {
                    id: id.to_owned(),
                    name,
                    start: now,
                    end: now,
                });
            }
        } else if line.contains("+++ ") {
            let process = processes.iter_mut().rfind(|p| p.id == id);
            if let Some(process) = process {
                process.end = now;
            }
        }
    }
    processes
}

/// The program, what nix is to do, and what ssh is to run; none for other programs.
fn name(line: &str) -> Option<String> {
    let (_, args) = line.split_once(", [")?;
    let args = args.rsplit_once("], ").map_or(args, |(args, _)| args);
    let args: Vec<&str> = args
        .split("\", \"")
        .map(|arg| arg.trim_matches('"').trim_start_matches("exec sh -c "))
        .collect();
    let (program, args) = args.split_first()?;
    let program = program.rsplit('/').next()?;
    let words = match (program, args.iter().position(|arg| *arg == "-O")) {
        ("ssh", Some(at)) => args[at..].join(" "),
        ("nix", _) => args
            .iter()
            .filter(|a| !a.starts_with('-') && **a != "nix-command flakes")
            .copied()
            .collect::<Vec<_>>()
            .join(" "),
        ("spinet" | "git" | "ssh", None) => (*args.last()?).to_owned(),
        _ => return None,
    };
    let words: String = words.replace(['|', '\\'], " ").chars().take(90).collect();
    Some(format!("{program} {words}"))
}
