//! What writing and verifying a card costs beside other writers, on a loop device in memory: as fast as memory goes, and
//! throttled to the rate of a good card.
//!
//! `cargo bench --bench card` prints both tables: medians of 5 rounds in which every writer takes its turn.
//! `-- --rounds 1 --only spinet` is a quick look, `--table unthrottled` leaves out the other, `--mib 1000` takes a smaller
//! image, `--json FILE` adds the figures to a file. Needs root (loop devices, cgroups) and twice the image's room in
//! /dev/shm. bmaptool and caligula are measured where they are on PATH. Processor time is what bash's `time` tells of a
//! command and its children; the loop device's own is the kernel's and in nobody's figure.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a program for developers"
)]

#[path = "../goals/mod.rs"]
mod goals;
#[path = "../measure/mod.rs"]
mod measure;
mod rig;
mod rows;
mod writers;

use goals::{Beside, Figure, Report};
use measure::{Cost, is_on_path};
use rig::{Rig, can_throttle, median, peak_memory};
use writers::{Writer, writers};

const TABLES: [&str; 2] = ["unthrottled", "throttled"];

struct Options {
    rounds: usize,
    /// MB/s of the throttled card.
    rate: u64,
    mib: u64,
    /// Writers whose names begin with it.
    only: Option<String>,
    /// One of the tables; both if none.
    table: Option<String>,
    report: Report,
}

/// What each writer took; none for those that are not here.
type Costs = Vec<(Writer, Option<Cost>)>;

fn main() {
    let options = options();
    let skip = |why: &str| options.report.skip("writing a card", why);
    for program in ["losetup", "mke2fs", "zstd", "bash"] {
        if !is_on_path(program) {
            return skip(&format!("no {program}"));
        }
    }
    let Some(rig) = Rig::new(options.mib) else {
        return skip("no loop devices (not root?)");
    };
    let (size, used) = (rig.size() as f64 / 1e6, rig.used() as f64 / 1e6);
    println!(
        "An image of {size:.0} MB, {used:.0} MB of it in use; medians of {} rounds, {} cores\n",
        options.rounds,
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    let wanted = |table: &str| options.table.as_deref().is_none_or(|only| only == table);
    if wanted("unthrottled") {
        unthrottled(&rig, &options);
    }
    if wanted("throttled") {
        if can_throttle() {
            throttled(&rig, &options);
        } else {
            options
                .report
                .skip("writing a throttled card", "no io cgroup to throttle with");
        }
    }
}

fn unthrottled(rig: &Rig, options: &Options) {
    println!("## Unthrottled\n");
    let costs = table(rig, options, None);
    rows::tell(&options.report, rig, &costs, None);
    if let (Some(spinet), Some(dd)) = (cost(&costs, "spinet .img"), cost(&costs, "dd bs=4M")) {
        println!(
            "spinet, verified, to plain dd, not verified: {:.2} x (goal below 1)",
            spinet.wall / dd.wall
        );
    }
    ratio_of_compressed(&costs);
    let peak = peak_memory(&mut rig.spinet("card.img.zst"));
    println!("peak memory of spinet, both processes, .zst: {peak:.0} MB (goal 100)\n");
    let figure = Figure::new("peak memory while writing a card", peak, "MB");
    options.report.tell(&figure, [Beside::limit(100.0)]);
}

fn throttled(rig: &Rig, options: &Options) {
    println!("\n## {} MB/s both ways\n", options.rate);
    let costs = table(rig, options, Some(options.rate));
    rows::tell(&options.report, rig, &costs, Some(options.rate));
    let floor = floor(rig, options.rate);
    if let Some(spinet) = cost(&costs, "spinet .img") {
        println!(
            "spinet to the floor of {floor:.1} s (what is in use, there and back): {:.2} x (goal 1.1)",
            spinet.wall / floor
        );
    }
    ratio_of_compressed(&costs);
}

/// Seconds that nobody can be below who writes all that is in use, and reads it back.
fn floor(rig: &Rig, rate: u64) -> f64 {
    2.0 * rig.used() as f64 / 1e6 / rate as f64
}

fn table(rig: &Rig, options: &Options, rate: Option<u64>) -> Costs {
    rig.throttle(rate);
    let mut rows: Vec<(Writer, Vec<Cost>)> = writers(rig)
        .into_iter()
        .map(|writer| (writer, Vec::new()))
        .collect();
    let wanted = |name: &str| options.only.as_ref().is_none_or(|o| name.starts_with(o));
    for _ in 0..options.rounds {
        for (writer, costs) in &mut rows {
            let Some(command) = &writer.command else {
                continue;
            };
            // without a write there is nothing to throttle
            if !wanted(writer.name) || (rate.is_some() && !writer.writes) {
                continue;
            }
            rig.dirty();
            costs.push(rig.cost(command, rate.is_some()));
            if writer.writes {
                rig.check(writer.name);
            }
        }
    }
    let costs: Costs = rows
        .into_iter()
        .map(|(writer, costs)| (writer, (!costs.is_empty()).then(|| median(&costs))))
        .collect();
    print(&costs);
    costs
}

fn print(costs: &Costs) {
    println!("| | s | CPU s | to spinet |\n|---|---|---|---|");
    let own = cost(costs, "spinet .img").map(|own| own.wall);
    for (writer, cost) in costs {
        let name = writer.title();
        match cost {
            Some(Cost { wall, cpu }) => {
                let ratio = own.map_or_else(String::new, |own| format!("{:.2}", wall / own));
                println!("| {name} | {wall:.2} | {cpu:.2} | {ratio} |");
            }
            None => println!("| {name} | not measured | | |"),
        }
    }
    println!();
}

fn ratio_of_compressed(costs: &Costs) {
    if let (Some(plain), Some(packed)) =
        (cost(costs, "spinet .img"), cost(costs, "spinet .img.zst"))
    {
        println!(
            "spinet, .zst to raw: {:.2} x (goal 1.2)",
            packed.wall / plain.wall
        );
    }
}

fn cost(costs: &Costs, name: &str) -> Option<Cost> {
    costs.iter().find(|(w, _)| w.name == name)?.1
}

fn options() -> Options {
    let mut options = Options {
        rounds: 5,
        rate: 90,
        mib: 3070,
        only: None,
        table: None,
        report: Report::new("cards"),
    };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => options.rounds = value.parse().expect("a number of rounds"),
            "--rate" => options.rate = value.parse().expect("a rate in MB/s"),
            "--mib" => options.mib = value.parse().expect("a size in MiB"),
            "--only" => options.only = Some(value),
            "--table" if TABLES.contains(&value.as_str()) => options.table = Some(value),
            "--json" => options.report.write_to(&value),
            _ => panic!(
                "{arg} {value} is not known: --rounds, --rate, --mib, --only, --table {TABLES:?}, --json"
            ),
        }
    }
    options
}
