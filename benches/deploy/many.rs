//! Hundreds of simulated hosts: `ssh` and `nix` are stubs, so that what is seen is spinet's own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, json};
use tempfile::TempDir;

use crate::goals::{Beside, Figure};
use crate::rig::{executable, succeeds};
use crate::stub::{CHANGED, FLEET, toplevel};
use crate::table::median;
use crate::{Options, is_on_path};

/// Store paths in each closure; a small NixOS has about as many.
const CLOSURE: usize = 1000;
const KEY: &str = include_str!("../../tests/keys/bach.pub");

/// What one run took.
#[derive(Default, Clone)]
struct Use {
    seconds: f64,
    /// Processor time of spinet alone, without what it starts.
    cpu: f64,
    /// Most resident memory, in kB.
    memory: u64,
    threads: u64,
    children: usize,
    files: usize,
    ssh: u64,
    nix: u64,
    /// spinet's last words where it failed.
    failed: Option<String>,
}

pub fn run(options: &Options) {
    println!(
        "\n## many: simulated hosts, stubs for ssh and nix, {} open files allowed\n",
        options.files
    );
    if !is_on_path("git") {
        return options.report.skip("simulated hosts", "no git");
    }
    println!(
        "| | hosts | s | CPU ms of spinet per host | peak MB | threads | processes at once | open files | ssh per host | nix |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    let mut ends = Vec::new();
    for (title, changed) in [("nothing changed", false), ("changed", true)] {
        let fleets: Vec<Fleet> = options.sizes.iter().map(|size| Fleet::new(*size)).collect();
        let mut uses = vec![Vec::new(); fleets.len()];
        for _ in 0..options.rounds {
            for (fleet, uses) in fleets.iter().zip(&mut uses) {
                uses.push(fleet.deploy(changed, options.files));
            }
        }
        let rows: Vec<Use> = uses.iter().map(|uses| middle(uses)).collect();
        for (size, row) in options.sizes.iter().zip(&rows) {
            print(title, *size, row);
        }
        ends.push((title, rows));
    }
    println!();
    for (title, rows) in ends {
        if rows.iter().any(|row| row.failed.is_some()) {
            options.report.skip(title, "a simulated deploy failed");
        } else {
            compare(options, title, &rows);
        }
    }
}

/// Of the smallest and the largest fleet.
fn compare(options: &Options, title: &str, rows: &[Use]) {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return;
    };
    let (small, large) = (
        options.sizes[0] as f64,
        options.sizes[rows.len() - 1] as f64,
    );
    let memory = last.memory as f64 / 1000.0;
    println!("{title}: {memory:.0} MB at most (goal 200)");
    if rows.len() > 1 {
        println!(
            "one of {large} hosts takes {:.2} x the time and {:.2} x the CPU of one of {small} (goal 1)",
            last.seconds / large * small / first.seconds,
            last.cpu / large * small / first.cpu,
        );
    }
    let figure = Figure::new(
        format!("deploy to {large} simulated hosts, {title}, peak memory"),
        memory,
        "MB",
    );
    options.report.tell(&figure, [Beside::limit(200.0)]);
}

fn print(title: &str, size: usize, row: &Use) {
    println!(
        "| {title} | {size} | {:.2} | {:.2} | {:.0} | {} | {} | {} | {:.1} | {} |",
        row.seconds,
        row.cpu * 1000.0 / size as f64,
        row.memory as f64 / 1000.0,
        row.threads,
        row.children,
        row.files,
        row.ssh as f64 / size as f64,
        row.nix
    );
    if let Some(why) = &row.failed {
        println!("| | | failed: {why} | | | | | | | |");
    }
}

/// The median of the seconds, the most of everything else.
fn middle(uses: &[Use]) -> Use {
    let mut all = uses.iter().fold(Use::default(), |most, one| Use {
        seconds: 0.0,
        cpu: 0.0,
        memory: most.memory.max(one.memory),
        threads: most.threads.max(one.threads),
        children: most.children.max(one.children),
        files: most.files.max(one.files),
        ssh: most.ssh.max(one.ssh),
        nix: most.nix.max(one.nix),
        failed: most.failed.or_else(|| one.failed.clone()),
    });
    all.seconds = median(uses.iter().map(|one| one.seconds));
    all.cpu = median(uses.iter().map(|one| one.cpu));
    all
}

struct Fleet {
    dir: TempDir,
    size: usize,
}

impl Fleet {
    fn new(size: usize) -> Self {
        let dir = TempDir::with_prefix("spinet-bench.").unwrap();
        let fleet = Self { dir, size };
        for folder in ["bin", "flake/hosts", "attempts", "home"] {
            fs::create_dir_all(fleet.path(folder)).unwrap();
        }
        for stub in ["ssh", "nix"] {
            let program = std::env::current_exe().unwrap();
            symlink(program, fleet.path("bin").join(stub)).unwrap();
        }
        fs::write(fleet.path("flake/flake.nix"), "{ }\n").unwrap();
        let mut git = Command::new("git");
        succeeds(git.args(["init", "-q"]).arg(fleet.path("flake")));
        let mut rows = Map::new();
        let mut pins = String::new();
        let key: Vec<&str> = KEY.split_whitespace().take(2).collect();
        system(&fleet.path("old"));
        for n in 0..size {
            let name = format!("host-{n:04}");
            // addresses for benchmarks, RFC 2544
            let address = format!("198.18.{}.{}", n / 250, n % 250 + 1);
            pins += &format!("{name} {}\n", key.join(" "));
            system(&toplevel(fleet.dir.path(), &name));
            let row = json!({ "system": "aarch64-linux", "address": address, "user": "root", "port": 22, "tags": [] });
            rows.insert(name, row);
        }
        fs::write(fleet.path("flake/hosts/known_hosts"), pins).unwrap();
        let output = json!({ "hosts": rows, "rules": "secrets/secrets.nix", "knownHosts": "hosts/known_hosts" });
        fs::write(fleet.path("fleet.json"), output.to_string()).unwrap();
        let closure: Vec<String> = (0..CLOSURE)
            .map(|n| format!("/nix/store/{n:032}-package-{n}-1.2.3\t{}\n", n * 1000))
            .collect();
        fs::write(fleet.path("closure"), closure.concat()).unwrap();
        fleet
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn deploy(&self, changed: bool, files: u64) -> Use {
        for calls in ["calls-ssh", "calls-nix"] {
            let _ = fs::remove_file(self.path(calls));
        }
        let attempts = self.path("attempts");
        fs::remove_dir_all(&attempts).unwrap();
        fs::create_dir(&attempts).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let said = self.path("said");
        let mut spinet = Command::new("sh");
        let limit = format!("ulimit -Sn {files} && exec \"$@\"");
        spinet.args(["-c", &limit, "sh", env!("CARGO_BIN_EXE_spinet"), "deploy"]);
        spinet
            .current_dir(self.path("flake"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.path("home"))
            .env(FLEET, self.dir.path())
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&said).unwrap());
        if changed {
            spinet.env(CHANGED, "1");
        }
        let start = Instant::now();
        let mut used = watch(spinet.spawn().unwrap());
        used.seconds = start.elapsed().as_secs_f64();
        let calls = |file| fs::metadata(self.path(file)).map_or(0, |file| file.len());
        (used.ssh, used.nix) = (calls("calls-ssh"), calls("calls-nix"));
        let said = fs::read_to_string(said).unwrap();
        let word = if changed { "deployed" } else { "unchanged" };
        let row = |line: &str| {
            line.split_whitespace()
                .eq([line.split(' ').next().unwrap_or_default(), word])
        };
        let done = said.lines().filter(|line| row(line)).count();
        if done != self.size {
            used.failed = Some(format!("{done} of {} done; {}", self.size, reason(&said)));
        }
        used
    }
}

/// What spinet says of the first host that failed, or in the end.
fn reason(said: &str) -> String {
    let mut lines = said.lines().map(str::trim);
    let host = lines.find(|line| line.ends_with(": failed"));
    let reason: Vec<&str> = if host.is_some() {
        lines.take(2).collect()
    } else {
        said.lines().last().into_iter().collect()
    };
    reason.join(" ").chars().take(200).collect()
}

/// What a deploy looks for in a built system.
fn system(path: &Path) {
    fs::create_dir_all(path.join("bin")).unwrap();
    fs::create_dir_all(path.join("etc/spinet")).unwrap();
    let switch = path.join("bin/switch-to-configuration");
    fs::write(&switch, "#!/bin/sh\n").unwrap();
    executable(&switch);
    let manifest = json!({ "system": "aarch64-linux", "deadline": 120 });
    fs::write(path.join("etc/spinet/host.json"), manifest.to_string()).unwrap();
}

/// Looks at the process until it ends. The kernel keeps the peak of memory itself; the rest is what was seen.
fn watch(mut child: Child) -> Use {
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    let mut most = Use::default();
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(proc.join("status")).unwrap_or_default();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let word = line.and_then(|l| l.split_whitespace().next());
            word.map_or(0, |n| n.parse().unwrap_or(0))
        };
        most.memory = most.memory.max(number("VmHWM:"));
        most.threads = most.threads.max(number("Threads:"));
        let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
        let ticks = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = ticks.split_whitespace().skip(11).take(2);
        // hundredths of a second, whatever the kernel counts in
        let cpu: f64 = ticks.map(|t| t.parse().unwrap_or(0.0) / 100.0).sum();
        most.cpu = most.cpu.max(cpu);
        let children = proc.join(format!("task/{}/children", child.id()));
        let children = fs::read_to_string(children).unwrap_or_default();
        most.children = most.children.max(children.split_whitespace().count());
        let files = fs::read_dir(proc.join("fd")).map_or(0, Iterator::count);
        most.files = most.files.max(files);
        std::thread::sleep(Duration::from_millis(10));
    }
    most
}
