//! What writing and verifying a card costs beside other writers, on a loop device in memory: as fast as memory goes, and
//! throttled to the rate of a good card.
//!
//! `cargo bench --bench card` prints both tables: medians of 5 rounds in which every writer takes its turn.
//! `-- --rounds 1 --only spinet` is a quick look, `--rate 0` leaves out the throttled table, `--mib 1000` takes a smaller
//! image. Needs root (loop devices, cgroups) and twice the image's room in /dev/shm. bmaptool and caligula are measured
//! where they are on PATH. Processor time is what bash's `time` tells of a command and its children; the loop device's
//! own is the kernel's and in nobody's figure.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a program for developers"
)]

#[path = "../measure/mod.rs"]
mod measure;
mod rig;

use std::path::Path;
use std::process::Command;

use measure::{Cost, is_on_path};
use rig::{Rig, can_throttle, median, peak_memory};

/// A way to get an image onto the card.
struct Writer {
    name: &'static str,
    command: Command,
    /// It reads back what it wrote.
    verifies: bool,
    writes: bool,
}

struct Options {
    rounds: usize,
    /// MB/s of the throttled card; 0 for none.
    rate: u64,
    mib: u64,
    only: Option<String>,
}

fn main() {
    let options = options();
    for program in ["losetup", "mke2fs", "zstd", "bash"] {
        if !is_on_path(program) {
            println!("skipped: no {program}");
            return;
        }
    }
    let Some(rig) = Rig::new(options.mib) else {
        println!("skipped: no loop devices (not root?)");
        return;
    };
    let (size, used) = (rig.size() as f64 / 1e6, rig.used() as f64 / 1e6);
    println!(
        "An image of {size:.0} MB, {used:.0} MB of it in use; medians of {} rounds, {} cores\n",
        options.rounds,
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    let plain = table(&rig, &options, None);
    if let (Some(spinet), Some(dd)) = (cost(&plain, "spinet .img"), cost(&plain, "dd bs=4M")) {
        println!(
            "spinet, verified, to plain dd, not verified: {:.2} x (goal below 1)",
            spinet.wall / dd.wall
        );
    }
    ratio_of_compressed(&plain);
    let peak = peak_memory(&mut rig.spinet("card.img.zst"));
    println!("peak memory of spinet, both processes, .zst: {peak:.0} MB (goal 100)\n");
    if options.rate == 0 {
        return;
    }
    if !can_throttle() {
        println!("no throttled table: no io cgroup to throttle with");
        return;
    }
    let throttled = table(&rig, &options, Some(options.rate));
    let floor = 2.0 * used / options.rate as f64;
    if let Some(spinet) = cost(&throttled, "spinet .img") {
        println!(
            "spinet to the floor of {floor:.1} s (what is in use, there and back): {:.2} x (goal 1.1)",
            spinet.wall / floor
        );
    }
    ratio_of_compressed(&throttled);
}

fn table(rig: &Rig, options: &Options, rate: Option<u64>) -> Vec<(&'static str, Cost)> {
    match rate {
        None => println!("## Unthrottled\n"),
        Some(rate) => println!("\n## {rate} MB/s both ways\n"),
    }
    rig.throttle(rate);
    let mut rows: Vec<(Writer, Vec<Cost>)> = writers(rig)
        .into_iter()
        .filter(|writer| {
            options
                .only
                .as_ref()
                .is_none_or(|only| writer.name.starts_with(only))
        })
        .map(|writer| (writer, Vec::new()))
        .collect();
    for _ in 0..options.rounds {
        for (writer, costs) in &mut rows {
            rig.dirty();
            costs.push(rig.cost(&writer.command, rate.is_some()));
            if writer.writes {
                rig.check(writer.name);
            }
        }
    }
    println!("| | s | CPU s | to spinet |\n|---|---|---|---|");
    let medians: Vec<_> = rows
        .iter()
        .map(|(writer, costs)| (writer.name, median(costs)))
        .collect();
    let own = cost(&medians, "spinet .img").map_or(f64::NAN, |own| own.wall);
    for ((writer, _), (name, cost)) in rows.iter().zip(&medians) {
        let back = if writer.verifies {
            ""
        } else {
            ", not verified"
        };
        println!(
            "| {name}{back} | {:.2} | {:.2} | {:.2} |",
            cost.wall,
            cost.cpu,
            cost.wall / own
        );
    }
    println!();
    medians
}

fn ratio_of_compressed(rows: &[(&str, Cost)]) {
    if let (Some(plain), Some(packed)) = (cost(rows, "spinet .img"), cost(rows, "spinet .img.zst"))
    {
        println!(
            "spinet, .zst to raw: {:.2} x (goal 1.2)",
            packed.wall / plain.wall
        );
    }
}

fn cost(rows: &[(&str, Cost)], name: &str) -> Option<Cost> {
    rows.iter().find(|(n, _)| *n == name).map(|(_, cost)| *cost)
}

fn writers(rig: &Rig) -> Vec<Writer> {
    let writer = |name, verifies, command| Writer {
        name,
        command,
        verifies,
        writes: true,
    };
    let image = rig.path("card.img");
    let from = format!("if={}", image.display());
    let to = format!("of={}", rig.card().display());
    let dd = |flags: &[&str]| {
        let mut dd = Command::new("dd");
        dd.args([&from, &to, "status=none"]).args(flags);
        dd
    };
    let mut all = vec![
        writer("spinet .img", true, rig.spinet("card.img")),
        writer("spinet .img.zst", true, rig.spinet("card.img.zst")),
        Writer {
            writes: false,
            ..writer("zstd -t: nothing written", true, test_of_compressed(rig))
        },
        writer("dd bs=4M", false, dd(&["bs=4M", "oflag=direct"])),
        writer(
            "dd bs=128k oflag=sync",
            false,
            dd(&["bs=128k", "conv=fsync", "oflag=sync"]),
        ),
    ];
    if is_on_path("bmaptool") {
        for (name, file) in [
            ("bmaptool .img", "card.img"),
            ("bmaptool .img.zst", "card.img.zst"),
        ] {
            let mut bmaptool = Command::new("bmaptool");
            bmaptool.arg("--quiet").args(["copy", "--bmap"]);
            bmaptool
                .args([&rig.bmap(), &rig.path(file)])
                .arg(rig.card());
            all.push(writer(name, false, bmaptool));
        }
    }
    if is_on_path("caligula") {
        for (name, file) in [
            ("caligula .img", "card.img"),
            ("caligula .img.zst", "card.img.zst"),
        ] {
            all.push(writer(name, true, caligula(&rig.path(file), rig.card())));
        }
    }
    all
}

/// Writes nothing: no writer of compressed images can be faster.
fn test_of_compressed(rig: &Rig) -> Command {
    let mut zstd = Command::new("zstd");
    zstd.args(["-q", "-t"]).arg(rig.path("card.img.zst"));
    zstd
}

fn caligula(image: &Path, card: &Path) -> Command {
    let mut caligula = Command::new("caligula");
    caligula.arg("burn").arg(image).arg("-o").arg(card);
    caligula.args([
        "--force",
        "--hash",
        "skip",
        "--interactive",
        "never",
        "--compression",
        "auto",
        "--root",
        "never",
    ]);
    caligula
}

fn options() -> Options {
    let mut options = Options {
        rounds: 5,
        rate: 90,
        mib: 3070,
        only: None,
    };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => options.rounds = value.parse().expect("a number of rounds"),
            "--rate" => options.rate = value.parse().expect("a rate in MB/s"),
            "--mib" => options.mib = value.parse().expect("a size in MiB"),
            "--only" => options.only = Some(value),
            _ => panic!("{arg} is not known: --rounds, --rate, --mib, --only"),
        }
    }
    options
}
