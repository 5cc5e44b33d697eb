//! How soon a host is found once it says that it is there, beside the shell loop that spinet replaces.
//!
//! In every round a waiter has been waiting for a while on a small network of its own; then the host's avahi starts, and
//! the packets on the link tell when it announced itself and when the first connection to its SSH server began.
//! `cargo bench --bench discovery` prints median and maximum of 10 rounds; `-- --rounds 3 --waited 2` is a quick look,
//! `--json FILE` adds the figures to a file.
//! Needs root, what tests/setup installs, and python3; the shell loop is measured where avahi-utils and dbus-daemon are.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a program for developers"
)]

#[path = "../goals/mod.rs"]
mod goals;
#[path = "../../tests/lab/mod.rs"]
mod lab;

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use goals::{Beside, Figure, Report};
use lab::Lab;
use lab::lan::{Lan, Running};

/// Seconds from the announcement.
struct Round {
    connected: Option<f64>,
    done: f64,
}

struct Options {
    rounds: usize,
    waited: f64,
    report: Report,
}

/// Prints when the host first announced its name and when a first connection to it began, as seconds of the epoch.
const WATCH: &str = r"
import socket, time
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
link.bind(('lan', 0))
announced = False
print('watching', flush=True)
while True:
    frame = link.recv(2048)
    now = time.time()
    if frame[12:14] != b'\x08\0':
        continue
    ip = frame[14:]
    rest = ip[(ip[0] & 15) * 4:]
    if not announced and ip[9] == 17 and rest[0:2] == b'\x14\xe9' and rest[10] & 0x80 and b'\x04bach\x05local' in rest:
        announced = True
        print('announced', now, flush=True)
    if announced and ip[9] == 6 and rest[2:4] == b'\0\x16' and rest[13] & 0x12 == 2:
        print('connected', now, flush=True)
        break
";

/// A shell loop, with the daemons it asks on a bus of its own. avahi-resolve ends well when it finds nothing, too.
const LOOP: &str = "mount -t tmpfs tmpfs /run && mkdir /run/dbus /run/avahi-daemon
dbus-daemon --system --fork --nopidfile && avahi-daemon -D -s --no-drop-root --no-chroot --no-rlimits
echo Waiting >&2
until avahi-resolve -n -4 bach.local | grep -q .; do sleep 1; done
avahi-daemon -k";

fn main() {
    let options = options();
    let skip = |why: &str| options.report.skip("finding a host", why);
    let Some(lab) = Lab::available() else {
        return skip("stand-in hosts need root and tests/setup");
    };
    if !has("python3") {
        return skip("no python3");
    }
    let lan = Lan::new(&lab);
    let (key, _) = lan.key("bach");
    lan.flake("bach", &key);
    println!(
        "Milliseconds from a host's announcement, after {} s in vain; {} rounds",
        options.waited, options.rounds
    );
    let spinet = rounds(&lab, &lan, &options, || {
        lan.spinet(&["host", "wait", "bach", "-v", "--timeout", "120"])
    });
    let connected = row(
        "spinet: connection began",
        spinet.iter().filter_map(|r| r.connected),
    );
    let ours = row("spinet: logged in, ended", spinet.iter().map(|r| r.done));
    let seed = shell_loop(&lab, &lan, &options);
    if let Ok(theirs) = seed {
        println!(
            "spinet, logged in, to the loop that knows the address: {:.2} x",
            ours / theirs
        );
    }
    let report = &options.report;
    report.tell(
        &Figure::new(
            "from a host's announcement to the first connection",
            connected,
            "ms",
        ),
        [Beside::limit(1000.0)],
    );
    let name = "avahi-resolve once a second, not logged in";
    let beside = match seed {
        Ok(theirs) => Beside::new(name, theirs).goal(1.0),
        Err(why) => Beside::missing(name, why),
    };
    let logged_in = Figure::new(
        "from a host's announcement to the end of host wait",
        ours,
        "ms",
    );
    report.tell(&logged_in, [beside]);
}

/// What a shell loop takes until it knows the address.
fn shell_loop(lab: &Lab, lan: &Lan, options: &Options) -> Result<f64, String> {
    let programs = ["avahi-resolve", "avahi-daemon", "dbus-daemon"];
    if let Some(missing) = programs.iter().find(|p| !has(p)) {
        return Err(format!("{missing} is not on PATH"));
    }
    let seed = rounds(lab, lan, options, || {
        let mut command = lan.here("sh");
        command.args(["-c", LOOP]);
        command
    });
    Ok(row(
        "avahi-resolve loop: ended",
        seed.iter().map(|r| r.done),
    ))
}

fn rounds(lab: &Lab, lan: &Lan, options: &Options, waiter: impl Fn() -> Command) -> Vec<Round> {
    let round = |_| {
        let bach = lan.machine(&lab.path("bach.key"));
        bach.sshd();
        let mut waiter = Running::start(&mut waiter());
        waiter.until("Waiting");
        std::thread::sleep(Duration::from_secs_f64(options.waited));
        let mut watch = lan.here("sh");
        watch.args(["-c", "exec python3 -c \"$0\" >&2", WATCH]);
        let mut watch = Running::start(&mut watch);
        watch.until("watching");
        bach.ip("addr add 10.0.0.2/24 dev eth0");
        bach.announce_v4("bach");
        let (code, said) = waiter.end();
        let ended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(code, Some(0), "{said}");
        watch.until("announced");
        let announced = watch.told("announced").unwrap();
        Round {
            connected: watch.told("connected").map(|at| at - announced),
            done: ended.as_secs_f64() - announced,
        }
    };
    (0..options.rounds).map(round).collect()
}

/// Prints a row and returns its median.
fn row(name: &str, seconds: impl Iterator<Item = f64>) -> f64 {
    let mut millis: Vec<f64> = seconds.map(|s| s * 1000.0).collect();
    millis.sort_by(f64::total_cmp);
    let (Some(median), Some(most)) = (millis.get(millis.len() / 2), millis.last()) else {
        println!("{name:<28} not seen");
        return f64::NAN;
    };
    println!("{name:<28} median {median:6.0}   max {most:6.0}");
    *median
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn options() -> Options {
    let mut options = Options {
        rounds: 10,
        waited: 10.0,
        report: Report::new("finding"),
    };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--rounds" => options.rounds = value.parse().expect("a number of rounds"),
            "--waited" => options.waited = value.parse().expect("seconds"),
            "--json" => options.report.write_to(&value),
            _ => panic!("{arg} is not known: --rounds, --waited, --json"),
        }
    }
    options
}
