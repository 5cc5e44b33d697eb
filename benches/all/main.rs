//! One table of all benchmarks: every figure that has a goal, beside floors, limits and the other tools on PATH.
//!
//! `benches/run`, or `cargo bench`, runs the benches card, secrets, discovery and deploy one after another (twenty
//! minutes), lets them tell on stderr what they find in more detail, and prints the table. `--quick` is a look of a few
//! minutes: fewer rounds, less data. `--json FILE` keeps the rows as JSON lines, `--only PART` (as often as you like) runs
//! some parts. Ratios are of one run on one machine; docs/benchmarks.md keeps one.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a program for developers"
)]

mod machine;
#[path = "../goals/row.rs"]
mod row;
mod table;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use row::Row;

/// A bench, and with which arguments it is run in full and quickly.
struct Run {
    bench: &'static str,
    /// What it measures, for the row that says it failed.
    about: &'static str,
    full: &'static str,
    quick: &'static str,
}

const RUNS: [Run; 6] = [
    Run {
        bench: "card",
        about: "writing a card",
        full: "--table unthrottled --rounds 3 --mib 2000",
        quick: "--table unthrottled --rounds 1 --mib 1000",
    },
    Run {
        bench: "card",
        about: "writing a throttled card",
        full: "--table throttled --rounds 1 --mib 700",
        quick: "--table throttled --rounds 1 --mib 700 --only spinet",
    },
    Run {
        bench: "secrets",
        about: "rekeying secrets",
        full: "--slow 20",
        quick: "--files 100",
    },
    Run {
        bench: "deploy",
        about: "deploys to one host",
        full: "--only unchanged --only changed --rounds 3",
        quick: "--only unchanged --only changed --rounds 1",
    },
    Run {
        bench: "deploy",
        about: "deploys to many hosts",
        full: "--only fleet --only many --size 1000 --rounds 1",
        quick: "--only fleet --hosts 4 --only many --size 1000 --rounds 1",
    },
    Run {
        bench: "discovery",
        about: "finding a host",
        full: "--rounds 6 --waited 5",
        quick: "--rounds 2 --waited 2",
    },
];

struct Options {
    quick: bool,
    only: Vec<String>,
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = options();
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let file = options
        .json
        .clone()
        .unwrap_or_else(|| scratch.path().join("rows"));
    fs::write(&file, "").expect("a file for the rows");
    let mut all_ran = true;
    for run in &RUNS {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == run.bench) {
            continue;
        }
        all_ran &= measure(run, options.quick, &file);
    }
    println!("{}\n", machine::describe());
    print!("{}", table::render(&rows(&file)));
    if all_ran {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs a bench that adds its rows to the file, and a row itself if that fails.
fn measure(run: &Run, quick: bool, file: &Path) -> bool {
    let args = if quick { run.quick } else { run.full };
    eprintln!("\n# {} {args}\n", run.bench);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let start = Instant::now();
    let status = Command::new(cargo)
        .args(["bench", "--quiet", "--bench", run.bench, "--"])
        .args(args.split_whitespace())
        .arg("--json")
        .arg(file)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(io::stderr())
        .status();
    eprintln!("\n({} s)", start.elapsed().as_secs());
    let ran = status.is_ok_and(|status| status.success());
    if !ran {
        let row = Row {
            part: run.bench.to_owned(),
            what: run.about.to_owned(),
            unit: String::new(),
            spinet: None,
            peer: String::new(),
            theirs: None,
            goal: None,
            missing: Some("its bench failed".to_owned()),
        };
        let mut rows = fs::read_to_string(file).expect("the rows");
        rows += &serde_json::to_string(&row).expect("plain data");
        fs::write(file, rows + "\n").expect("the rows");
    }
    ran
}

fn rows(file: &Path) -> Vec<Row> {
    let text = fs::read_to_string(file).expect("the rows");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect()
}

fn options() -> Options {
    let mut options = Options {
        quick: false,
        only: Vec::new(),
        json: None,
    };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--only" => {
                let only = value();
                assert!(
                    RUNS.iter().any(|run| run.bench == only),
                    "there is no bench {only}"
                );
                options.only.push(only);
            }
            "--json" => {
                let path = std::path::absolute(value()).expect("a path");
                options.json = Some(path);
            }
            _ => panic!("{arg} is not known: --quick, --only PART, --json FILE"),
        }
    }
    options
}
