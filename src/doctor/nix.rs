//! Nix itself: there, new enough, with flakes, and able to build at all.

use super::finding::{Finding, Subject, line};
use crate::nix::{Machine, Nix, is_at_least};

const NIX: Subject = Subject::of("nix");

/// The oldest version whose commands and answers spinet knows.
const OLDEST: (u64, u64) = (2, 20);

pub async fn check(nix: &Nix) -> Vec<Finding> {
    let version = match nix.version().await {
        Ok(version) => version,
        Err(error) => return vec![NIX.error("version", &error)],
    };
    let (flakes, store, machine) = tokio::join!(features(nix), store(nix), nix.machine());
    let jobs = match machine {
        Ok(machine) => jobs(&machine),
        Err(error) => NIX.error("jobs", &error),
    };
    vec![of_version(&version), flakes, store, jobs]
}

fn of_version(version: &str) -> Finding {
    if is_at_least(version, OLDEST) {
        return NIX.ok("version", version);
    }
    let (major, minor) = OLDEST;
    NIX.failure(
        "version",
        format!("Nix {version} is too old: spinet needs {major}.{minor} or newer."),
    )
    .remedy(line(
        "nix.package = pkgs.nixVersions.latest;",
        "Install a newer one (nixos.org/download).",
    ))
}

async fn features(nix: &Nix) -> Finding {
    match nix.has_flakes().await {
        Ok(true) => NIX.ok("features", "nix-command and flakes"),
        Ok(false) => NIX
            .failure(
                "features",
                "The features nix-command and flakes are not both switched on: `nix run .#bootstrap` is refused.",
            )
            .remedy(line(
                "nix.settings.experimental-features = [ \"nix-command\" \"flakes\" ];",
                "Put `experimental-features = nix-command flakes` into /etc/nix/nix.conf or ~/.config/nix/nix.conf.",
            )),
        Err(error) => NIX.error("features", &error),
    }
}

/// Not to be trusted is how NixOS sets up its users, and all that most of them need.
async fn store(nix: &Nix) -> Finding {
    let store = match nix.store().await {
        Ok(store) => store,
        Err(error) => {
            return NIX.error("store", &error).remedy(
                "If nix has a daemon here, see whether it runs: `systemctl status nix-daemon.socket`.",
            );
        }
    };
    let trust = match store.trusted {
        Some(true) => "which trusts you",
        Some(false) => {
            "which does not trust you: --option, --builders and --build-host need that (`trusted-users`), nothing else does"
        }
        None => "which does not tell whether it trusts you",
    };
    let whose = if store.url.starts_with("local") || store.url.starts_with('/') {
        "your own, without a daemon".to_owned()
    } else {
        format!("of the {}, {trust}", store.url)
    };
    NIX.ok("store", whose)
}

fn jobs(machine: &Machine) -> Finding {
    let settings = &machine.settings;
    let own = settings.system.as_str();
    match settings.max_jobs {
        Some(0) if settings.builder_for(own).is_none() => NIX
            .failure(
                "jobs",
                format!("Nothing can be built for {own}: `max-jobs` is 0 here, and `builders` names no machine for it."),
            )
            .remedy(line(
                "nix.settings.max-jobs = \"auto\";",
                "Put `max-jobs = auto` into /etc/nix/nix.conf, then `sudo systemctl restart nix-daemon`.",
            )),
        Some(0) => NIX.ok("jobs", "all builds go to other machines"),
        Some(1) => NIX.ok("jobs", "1 build at a time"),
        Some(number) => NIX.ok("jobs", format!("{number} builds at a time")),
        None => NIX.ok("jobs", "as many builds at a time as there are processors"),
    }
}
