//! What rekeying costs beside what it must: the one evaluation of the rules by nix, and age's own work on one thread.
//!
//! `cargo bench --bench secrets` prints a table; `cargo bench --bench secrets -- 100` takes 100 files instead of 1000.
//! The files are in memory, unless TMPDIR is set: what a file system takes for a thousand new files is not spinet's, and
//! the row of cp(1) shows it. agenix, ragenix and age are measured beside it where they are on PATH. Processor time is what bash's `time` tells of
//! a command and its children; the least of several runs counts, because the machine may be busy.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a program for developers"
)]

mod folder;
#[path = "../measure/mod.rs"]
mod measure;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use folder::{Folder, RUNS, encrypt, least};
use measure::{Cost, is_on_path};

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
    let files = args
        .first()
        .map_or(1000, |text| text.parse().expect("a number of files"));
    for program in ["nix-instantiate", "ssh-keygen", "bash"] {
        if !is_on_path(program) {
            println!("skipped: no {program}");
            return;
        }
    }
    println!(
        "{files} files, the least of {RUNS} runs, {} cores\n",
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    for people in [3, 20] {
        full_rekey(&Folder::new(files, people));
    }
    little_to_do(&Folder::new(files, 3));
    enrolment(&Folder::new(files, 3));
}

fn full_rekey(folder: &Folder) {
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
    if is_on_path("ragenix") {
        row(
            "ragenix",
            folder.cost(&mut folder.command("ragenix", &["--rekey"])),
        );
    }
    if is_on_path("agenix") {
        row(
            "agenix",
            folder.cost(&mut folder.command("agenix", &["--rekey"])),
        );
    }
    if is_on_path("age") {
        let each = "for f in *.age; do age -d -i ../id \"$f\" | age -R ../people -o new && mv new \"$f\"; done";
        row(
            "age, a loop in sh",
            folder.cost(&mut folder.command("sh", &["-c", each])),
        );
    }
    println!(
        "\nspinet without its evaluation: {:.2} x age alone (goal 1.15); peak memory {:.0} MB (goal 50)\n",
        (own.cpu - evaluation.cpu) / alone.cpu,
        folder.peak_memory(&["secrets", "rekey", "--all"])
    );
}

fn little_to_do(folder: &Folder) {
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
    }
    println!();
}

fn enrolment(folder: &Folder) {
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
