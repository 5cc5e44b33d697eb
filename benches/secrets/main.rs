//! What rekeying costs beside what it must: the one evaluation of the rules by nix, and age's own work on one thread.
//!
//! `cargo bench --bench secrets` prints a table; `-- --files 100` takes 100 files instead of 1000, `--json FILE` adds the
//! figures to a file. The files are in memory, unless TMPDIR is set: what a file system takes for a thousand new files is
//! not spinet's, and the row of cp(1) shows it. agenix, ragenix and age are measured beside it where they are on PATH;
//! `--slow 20` leaves agenix, two minutes for a thousand files, out of the rekey for 20 recipients. Processor time is what
//! bash's `time` tells of a command and its children; the least of several runs counts, because the machine may be busy.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a program for developers"
)]

mod folder;
#[path = "../goals/mod.rs"]
mod goals;
#[path = "../measure/mod.rs"]
mod measure;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use folder::{Folder, RUNS, encrypt, least};
use goals::{Beside, Figure, Report};
use measure::{Cost, is_on_path};

struct Options {
    files: usize,
    /// So many recipients are too many for what starts programs for each of them and each file.
    slow: usize,
    report: Report,
}

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    if let [command, folder] = args.as_slice()
        && command == "--age-alone"
    {
        return age_alone(Path::new(folder));
    }
    let options = options(args);
    for program in ["nix-instantiate", "ssh-keygen", "bash"] {
        if !is_on_path(program) {
            return options.report.skip("secrets", &format!("no {program}"));
        }
    }
    println!(
        "{} files, the least of {RUNS} runs, {} cores\n",
        options.files,
        cores()
    );
    for people in [3, 20] {
        full_rekey(&options, &Folder::new(options.files, people));
    }
    little_to_do(&options.report, &Folder::new(options.files, 3));
    enrolment(&options.report, &Folder::new(options.files, 3));
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn full_rekey(options: &Options, folder: &Folder) {
    let evaluation = folder.evaluation();
    let alone = least(|| {
        folder.cost(
            Command::new(std::env::current_exe().unwrap())
                .arg("--age-alone")
                .arg(folder.path("")),
        )
    });
    let own = least(|| folder.cost(&mut folder.spinet(&["secrets", "rekey", "--all"])));
    let floor = evaluation.cpu + alone.cpu;
    println!(
        "## Rekey of {} files x {} recipients\n",
        folder.files, folder.people
    );
    println!("| | CPU s | wall s | CPU to the floor | wall to spinet's |\n|---|---|---|---|---|");
    let row = |name: &str, cost: Cost| {
        println!(
            "| {name} | {:.3} | {:.3} | {:.2} | {:.2} |",
            cost.cpu,
            cost.wall,
            cost.cpu / floor,
            cost.wall / own.wall
        );
    };
    row(
        "floor: one evaluation and age on one thread",
        Cost {
            cpu: floor,
            wall: evaluation.wall + alone.wall,
        },
    );
    row("spinet", own);
    row(
        "cp of the files",
        least(|| folder.cost(&mut folder.command("cp", &["-r", ".", "../copy"]))),
    );
    let others = others(folder, options.slow);
    for (name, cost) in &others {
        match cost {
            Ok(cost) => row(name, *cost),
            Err(why) => println!("| {name} | {why} | | | |"),
        }
    }
    let peak = folder.peak_memory(&["secrets", "rekey", "--all"]);
    println!(
        "\nspinet without its evaluation: {:.2} x age alone (goal 1.15); peak memory {peak:.0} MB (goal 50)\n",
        (own.cpu - evaluation.cpu) / alone.cpu,
    );

    let what = format!(
        "rekey of {} secrets x {} recipients",
        folder.files, folder.people
    );
    let report = &options.report;
    report.tell(
        &Figure::new(
            format!("{what}, beyond the one evaluation"),
            own.cpu - evaluation.cpu,
            "CPU s",
        ),
        [Beside::new("floor: age on one thread", alone.cpu).goal(1.15)],
    );
    report.tell(
        &Figure::new(
            format!("{what}, beyond the one evaluation"),
            own.wall - evaluation.wall,
            "s",
        ),
        [Beside::new(
            format!("floor: age, shared out to {} cores", cores()),
            alone.wall / cores() as f64,
        )
        .goal(1.15)],
    );
    report.tell(
        &Figure::new(&what, own.cpu, "CPU s"),
        others.into_iter().map(|(name, cost)| match cost {
            Ok(cost) => Beside::new(name, cost.cpu).goal(1.0),
            Err(why) => Beside::missing(name, why),
        }),
    );
    report.tell(
        &Figure::new(format!("{what}, peak memory"), peak, "MB"),
        [Beside::limit(50.0)],
    );
}

/// One run each: they take longest.
fn others(folder: &Folder, slow: usize) -> Vec<(&'static str, Result<Cost, String>)> {
    let each = "for f in *.age; do age -d -i ../id \"$f\" | age -R ../people -o new && mv new \"$f\"; done";
    let all = [
        (
            "ragenix",
            "ragenix",
            folder.command("ragenix", &["--rekey"]),
        ),
        ("agenix", "agenix", folder.command("agenix", &["--rekey"])),
        (
            "age, a loop in sh",
            "age",
            folder.command("sh", &["-c", each]),
        ),
    ];
    let measured = all.map(|(name, program, mut command)| {
        let cost = if !is_on_path(program) {
            Err("not on PATH".to_owned())
        } else if program == "agenix" && folder.people >= slow {
            Err("left out, minutes".to_owned())
        } else {
            Ok(folder.cost(&mut command))
        };
        (name, cost)
    });
    measured.into()
}

fn little_to_do(report: &Report, folder: &Folder) {
    let evaluation = folder.evaluation();
    let nothing = least(|| folder.cost(&mut folder.spinet(&["secrets", "rekey"])));
    let check = least(|| {
        let mut check = folder.spinet(&["secrets", "check"]);
        folder.cost(check.stdout(Stdio::null()))
    });
    let stale = least(|| {
        folder.encrypt(0..5, 2);
        let mut rekey = folder.spinet(&["secrets", "rekey"]);
        for who in 0..folder.people {
            rekey.arg("--accept-recipient").arg(folder.fingerprint(who));
        }
        folder.cost(&mut rekey)
    });
    println!("## Little to do among {} files\n", folder.files);
    println!("| | CPU s | beyond one evaluation | goal |\n|---|---|---|---|");
    for (name, cost) in [
        ("rekey, nothing stale", nothing),
        ("check", check),
        ("rekey, 5 stale", stale),
    ] {
        println!(
            "| {name} | {:.3} | {:.3} | 0.10 |",
            cost.cpu,
            cost.cpu - evaluation.cpu
        );
        let figure = Figure::new(
            format!("{name}, {} secrets, beyond one evaluation", folder.files),
            cost.cpu - evaluation.cpu,
            "CPU s",
        );
        report.tell(&figure, [Beside::limit(0.10)]);
    }
    println!();
}

fn enrolment(report: &Report, folder: &Folder) {
    let evaluation = folder.evaluation();
    let rules = fs::read(folder.path("secrets.nix")).unwrap();
    folder.keygen("new", "root@new");
    let new = fs::read_to_string(folder.path("../new.pub")).unwrap();
    println!("## Enrolment in {} rules\n", folder.files);
    println!("| | CPU s | beyond two evaluations | goal |\n|---|---|---|---|");
    for (name, words) in [
        (
            "a new host, 5 secrets",
            vec![
                "new", "--secret", "0.age", "--secret", "1.age", "--secret", "2.age", "--secret",
                "3.age", "--secret", "4.age",
            ],
        ),
        ("a key replaced in every rule", vec!["p1"]),
    ] {
        let cost = least(|| {
            fs::write(folder.path("secrets.nix"), &rules).unwrap();
            let mut enroll = folder.spinet(&["host", "enroll", "--no-rekey", "--key", new.trim()]);
            folder.cost(enroll.args(&words))
        });
        println!(
            "| {name} | {:.3} | {:.3} | 0.15 |",
            cost.cpu,
            cost.cpu - 2.0 * evaluation.cpu
        );
        let figure = Figure::new(
            format!("{name}, {} rules, beyond two evaluations", folder.files),
            cost.cpu - 2.0 * evaluation.cpu,
            "CPU s",
        );
        report.tell(&figure, [Beside::limit(0.15)]);
    }
}

/// Decrypts and encrypts every file of a folder, and writes none.
fn age_alone(folder: &Path) {
    let id = fs::read(folder.join("../id")).unwrap();
    let id = age::ssh::Identity::from_buffer(&id[..], None).unwrap();
    let people = fs::read_to_string(folder.join("../people")).unwrap();
    let keys: Vec<age::ssh::Recipient> = people.lines().map(|line| line.parse().unwrap()).collect();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "age") {
            continue;
        }
        let cipher = fs::read(path).unwrap();
        let mut plain = Vec::new();
        let decryptor = age::Decryptor::new_buffered(&cipher[..]).unwrap();
        decryptor
            .decrypt(std::iter::once(&id as &dyn age::Identity))
            .unwrap()
            .read_to_end(&mut plain)
            .unwrap();
        assert!(!encrypt(&plain, &keys).is_empty());
    }
}

fn options(args: Vec<String>) -> Options {
    let mut options = Options {
        files: 1000,
        slow: usize::MAX,
        report: Report::new("secrets"),
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--files" => options.files = value.parse().expect("a number of files"),
            "--slow" => options.slow = value.parse().expect("a number of recipients"),
            "--json" => options.report.write_to(&value),
            _ => panic!("{arg} is not known: --files, --slow, --json"),
        }
    }
    options
}
