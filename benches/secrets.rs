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

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const RUNS: usize = 5;

/// Seconds of processor time and of the clock.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

/// A plain agenix folder of `files` secrets of 64 bytes, each for the user and the same other people.
struct Folder {
    dir: TempDir,
    files: usize,
    people: usize,
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

impl Folder {
    fn new(files: usize, people: usize) -> Self {
        let folder = Self {
            dir: TempDir::with_prefix_in("spinet-bench.", place()).unwrap(),
            files,
            people,
        };
        for place in ["secrets", ".ssh"] {
            fs::create_dir(folder.dir.path().join(place)).unwrap();
        }
        let mut rules = String::from("let\n");
        let mut names = Vec::new();
        for who in 0..people {
            folder.keygen(&format!("p{who}"), &format!("root@p{who}"));
            writeln!(rules, "  p{who} = \"{}\";", folder.public(who)).unwrap();
            names.push(format!("p{who}"));
        }
        fs::copy(folder.path("../p0"), folder.path("../.ssh/id_ed25519")).unwrap();
        fs::copy(folder.path("../p0"), folder.path("../id")).unwrap();
        let all: Vec<String> = (0..people).map(|who| folder.public(who)).collect();
        fs::write(folder.path("../people"), all.join("\n")).unwrap();
        rules += "in\n{\n";
        for file in 0..files {
            writeln!(
                rules,
                "  \"{file}.age\".publicKeys = [ {} ];",
                names.join(" ")
            )
            .unwrap();
        }
        fs::write(folder.path("secrets.nix"), rules + "}\n").unwrap();
        folder.encrypt(0..files, people);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("secrets").join(name)
    }

    fn keygen(&self, name: &str, comment: &str) {
        let path = self.path("..").join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
            .arg(path)
            .status();
        assert!(made.unwrap().success());
    }

    fn public(&self, who: usize) -> String {
        let text = fs::read_to_string(self.path(&format!("../p{who}.pub"))).unwrap();
        text.trim().to_owned()
    }

    fn fingerprint(&self, who: usize) -> String {
        let output = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.path(&format!("../p{who}")))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// Makes files for the first so many people.
    fn encrypt(&self, files: std::ops::Range<usize>, people: usize) {
        let keys: Vec<age::ssh::Recipient> = (0..people)
            .map(|who| self.public(who).parse().unwrap())
            .collect();
        for file in files {
            fs::write(self.path(&format!("{file}.age")), encrypt(&[7; 64], &keys)).unwrap();
        }
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.path(""))
            .env("HOME", self.dir.path())
            .env("XDG_STATE_HOME", self.path("../state"));
        command.env_remove("RULES");
        command
    }

    fn spinet(&self, args: &[&str]) -> Command {
        self.command(env!("CARGO_BIN_EXE_spinet"), args)
    }

    /// The same evaluation as spinet's.
    fn evaluation(&self) -> Cost {
        least(|| {
            let mut nix = self.command(
                "nix-instantiate",
                &[
                    "--eval",
                    "--strict",
                    "--json",
                    "--option",
                    "restrict-eval",
                    "true",
                ],
            );
            nix.args(["--option", "allow-import-from-derivation", "false", "-I"])
                .arg(self.path(""))
                .arg(self.path("secrets.nix"));
            self.cost(nix.stdout(Stdio::null()))
        })
    }

    /// Runs the command, which must succeed.
    fn cost(&self, command: &mut Command) -> Cost {
        let report = self.path("../cost");
        let mut bash = Command::new("bash");
        bash.args([
            "-c",
            "exec 3>\"$0\"; TIMEFORMAT='%3U %3S %3R'; { time \"$@\" 2>&4 3>&-; } 4>&2 2>&3",
        ]);
        bash.arg(&report)
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

    /// The most memory the process itself had, in MB; its children are nix.
    fn peak_memory(&self, args: &[&str]) -> f64 {
        let mut child = self
            .spinet(args)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0.0;
        while child.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            if let Some(kib) = line.and_then(|line| line.split_whitespace().next()) {
                peak = kib.parse::<f64>().unwrap() / 1000.0;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        peak
    }
}

fn encrypt(plain: &[u8], keys: &[age::ssh::Recipient]) -> Vec<u8> {
    let keys = keys.iter().map(|key| key as &dyn age::Recipient);
    let mut out = Vec::new();
    let mut writer = age::Encryptor::with_recipients(keys)
        .unwrap()
        .wrap_output(&mut out)
        .unwrap();
    writer.write_all(plain).unwrap();
    writer.finish().unwrap();
    out
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

/// Where the folders are made.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

fn least(mut run: impl FnMut() -> Cost) -> Cost {
    let costs: Vec<Cost> = (0..RUNS).map(|_| run()).collect();
    let of = |part: fn(&Cost) -> f64| costs.iter().map(part).fold(f64::INFINITY, f64::min);
    Cost {
        cpu: of(|cost| cost.cpu),
        wall: of(|cost| cost.wall),
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
