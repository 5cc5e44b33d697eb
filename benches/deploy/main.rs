//! What a deploy costs beside the commands it is made of, on stand-in hosts with the stand-in nixpkgs.
//!
//! `cargo bench --bench deploy` prints a table for each part, medians of 5 rounds in which everybody takes a turn:
//! - `unchanged`: nothing to do, beside one `nix build` and one `ssh` at once, and beside what nixos-rebuild-ng runs;
//! - `changed`: a new configuration, beside build, copy and two switch runs by hand;
//! - `fleet`: 20 hosts, each with a new configuration, beside one;
//! - `trace`: the processes of both kinds of deploy, and when each ran (with strace);
//! - `many`: 250 to 1,000 hosts whose `ssh` and `nix` are stubs, with spinet's own memory (`--size N` chooses, and again).
//!
//! `-- --only many --rounds 3 --hosts 10` is a quick look, `--json FILE` adds the figures to a file. Needs root and what
//! tests/setup installs, `many` git alone. Real: nix, ssh, sshd, systemd; what stands in tells tests/standin/README.md. An
//! evaluation of the stand-in nixpkgs takes hundredths of a second where nixpkgs' own takes seconds: ratios here are the
//! least favourable.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a program for developers"
)]

mod changed;
mod contest;
mod fleet;
#[path = "../goals/mod.rs"]
mod goals;
mod hand;
mod many;
#[path = "../measure/mod.rs"]
mod measure;
mod rig;
mod stub;
mod table;
mod trace;
mod unchanged;

use std::process::{Command, exit};

use goals::Report;
use measure::is_on_path;
use rig::Rig;

/// Set inside the mount namespace.
const INSIDE: &str = "SPINET_BENCH_DEPLOY";
const PARTS: [&str; 5] = ["unchanged", "changed", "fleet", "trace", "many"];

pub struct Options {
    rounds: usize,
    /// Of the part `fleet`.
    hosts: usize,
    /// How many open files spinet may have in the part `many`.
    files: u64,
    /// Fleets of the part `many`.
    sizes: Vec<usize>,
    only: Vec<String>,
    report: Report,
}

fn main() {
    if stub::called() {
        stub::answer();
        return;
    }
    let options = options();
    if std::env::var_os(INSIDE).is_none() {
        enter_namespace(&options);
    }
    let wanted = |part: &str| options.only.is_empty() || options.only.iter().any(|o| o == part);
    println!(
        "Medians of {} rounds, {} cores",
        options.rounds,
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    if PARTS[..4].iter().any(|part| wanted(part)) {
        on_standins(&options, wanted);
    }
    if wanted("many") {
        many::run(&options);
    }
}

fn on_standins(options: &Options, wanted: impl Fn(&str) -> bool) {
    let hosts = if wanted("fleet") { options.hosts } else { 1 };
    let rig = match Rig::new(hosts) {
        Ok(rig) => rig,
        Err(why) => return options.report.skip("deploys to stand-in hosts", &why),
    };
    if wanted("unchanged") {
        unchanged::run(&rig, options);
    }
    if wanted("changed") {
        changed::run(&rig, options);
    }
    if wanted("fleet") && rig.hosts().len() > 1 {
        fleet::run(&rig, options);
    }
    if wanted("trace") {
        trace::run(&rig, options);
    }
}

/// Starts this program again where its mounts, a /nix of its own among them, are nobody else's.
fn enter_namespace(options: &Options) -> ! {
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status();
    if let Ok(status) = status {
        exit(status.code().unwrap_or(1));
    }
    options.report.skip("deploys", "no unshare");
    exit(0)
}

fn options() -> Options {
    let mut options = Options {
        rounds: 5,
        hosts: 20,
        // what a session has unless somebody raised the limit
        files: 1024,
        sizes: Vec::new(),
        only: Vec::new(),
        report: Report::new("deploys"),
    };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => options.rounds = value.parse().expect("a number of rounds"),
            "--hosts" => options.hosts = value.parse().expect("a number of hosts"),
            "--files" => options.files = value.parse().expect("a number of files"),
            "--size" => options
                .sizes
                .push(value.parse().expect("a number of hosts")),
            "--only" if PARTS.contains(&value.as_str()) => options.only.push(value),
            "--json" => options.report.write_to(&value),
            _ => panic!(
                "{arg} {value} is not known: --rounds, --hosts, --files, --size, --only {PARTS:?}, --json"
            ),
        }
    }
    if options.sizes.is_empty() {
        options.sizes = vec![250, 500, 1000];
    }
    options
}
