//! A folder of secrets, and what a command costs in it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::measure::{self, Cost};

/// How often each command is run.
pub const RUNS: usize = 5;

/// A plain agenix folder of `files` secrets of 64 bytes, each for the user and the same other people.
pub struct Folder {
    dir: TempDir,
    pub files: usize,
    pub people: usize,
}

impl Folder {
    pub fn new(files: usize, people: usize) -> Self {
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("secrets").join(name)
    }

    pub fn keygen(&self, name: &str, comment: &str) {
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

    pub fn fingerprint(&self, who: usize) -> String {
        let output = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.path(&format!("../p{who}")))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// Makes files for the first so many people.
    pub fn encrypt(&self, files: std::ops::Range<usize>, people: usize) {
        let keys: Vec<age::ssh::Recipient> = (0..people)
            .map(|who| self.public(who).parse().unwrap())
            .collect();
        for file in files {
            fs::write(self.path(&format!("{file}.age")), encrypt(&[7; 64], &keys)).unwrap();
        }
    }

    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.path(""))
            .env("HOME", self.dir.path())
            .env("XDG_STATE_HOME", self.path("../state"));
        command.env_remove("RULES");
        command
    }

    pub fn spinet(&self, args: &[&str]) -> Command {
        self.command(env!("CARGO_BIN_EXE_spinet"), args)
    }

    /// The same evaluation as spinet's.
    pub fn evaluation(&self) -> Cost {
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
    pub fn cost(&self, command: &mut Command) -> Cost {
        measure::cost(command, &self.path("../cost"), None)
    }

    /// The most memory the process itself had, in MB; its children are nix.
    pub fn peak_memory(&self, args: &[&str]) -> f64 {
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

pub fn encrypt(plain: &[u8], keys: &[age::ssh::Recipient]) -> Vec<u8> {
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

/// Where the folders are made.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// The least of several runs.
pub fn least(mut run: impl FnMut() -> Cost) -> Cost {
    let costs: Vec<Cost> = (0..RUNS).map(|_| run()).collect();
    let of = |part: fn(&Cost) -> f64| costs.iter().map(part).fold(f64::INFINITY, f64::min);
    Cost {
        cpu: of(|cost| cost.cpu),
        wall: of(|cost| cost.wall),
    }
}
