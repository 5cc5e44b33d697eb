//! The flake: in a git tree, with all its files seen, its inputs fresh, and evaluating.

mod lock;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::finding::{Finding, Subject};
use super::ground::Ground;
use crate::clock;
use crate::fleet::Flake;
use crate::git;
use crate::process::quote;
use crate::ui::counted;
use lock::Lock;

const FLAKE: Subject = Subject::of("flake");

const DAY: u64 = 24 * 60 * 60;
/// How old nixpkgs may be before security fixes are certainly missing, in days.
const OLD: u64 = 60;
/// How many files are named.
const NAMED: usize = 10;

pub async fn check(ground: &Ground) -> Vec<Finding> {
    let Some(flake) = &ground.flake else {
        return ground.trouble.clone();
    };
    let mut found = vec![FLAKE.ok(
        "tree",
        format!("{}, in a git work tree", flake.dir.display()),
    )];
    match git::untracked(&flake.dir).await {
        Ok(files) => found.push(untracked(files, ground)),
        Err(error) => found.push(FLAKE.error("untracked", &error)),
    }
    match now() {
        Ok(now) => found.extend(of_lock(flake, now)),
        Err(error) => found.push(FLAKE.error("clock", &error)),
    }
    found.extend(ground.trouble.clone());
    if ground.needs.is_some() {
        let hosts = counted(ground.hosts.len(), "host");
        found.push(FLAKE.ok("evaluation", format!("{hosts}, with what they need")));
    }
    found
}

/// A file that a flake names must be known to git, or nix does not see it.
fn untracked(files: Vec<PathBuf>, ground: &Ground) -> Finding {
    let (needed, others): (Vec<_>, Vec<_>) = files
        .into_iter()
        .filter(|file| is_part(file, ground))
        .partition(|file| ground.names(file));
    let list = |files: &[PathBuf]| -> String {
        let shown = files
            .iter()
            .take(NAMED)
            .map(|file| format!("\n{}", file.display()));
        let more = files.len().saturating_sub(NAMED);
        let rest = if more > 0 {
            format!("\nand {more} more")
        } else {
            String::new()
        };
        shown.chain([rest]).collect()
    };
    let add = |files: &[PathBuf]| {
        let words: Vec<_> = files
            .iter()
            .map(|file| quote(&file.to_string_lossy()))
            .collect();
        format!("git add --intent-to-add {}", words.join(" "))
    };
    if !needed.is_empty() {
        let all = [needed, others].concat();
        let message = format!(
            "Git does not track files that the flake needs, so nix does not see them:{}",
            list(&all)
        );
        return FLAKE.failure("untracked", message).remedy(add(&all));
    }
    if !others.is_empty() {
        let message = format!(
            "Git does not track these files, so nix does not see them:{}",
            list(&others)
        );
        return FLAKE
            .warning("untracked", message)
            .remedy(format!("If they belong to the flake: {}", add(&others)));
    }
    FLAKE.ok(
        "untracked",
        "git tracks every file that looks like a part of it",
    )
}

/// Nix files, secrets, and what lies where a fleet's files are.
fn is_part(file: &Path, ground: &Ground) -> bool {
    let is = |end: &str| file.extension().is_some_and(|extension| extension == end);
    is("nix")
        || is("age")
        || ["hosts", "secrets", "nix"]
            .iter()
            .any(|folder| file.starts_with(folder))
        || file == Path::new("flake.lock")
        || ground.names(file)
}

fn now() -> Result<u64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Ok(since
        .context("This machine's clock is before 1970.")?
        .as_secs())
}

/// The age of the inputs, and the clock by which that is told.
fn of_lock(flake: &Flake, now: u64) -> Vec<Finding> {
    let lock = match Lock::read(&flake.dir) {
        Ok(Some(lock)) => lock,
        Ok(None) => {
            return vec![
            FLAKE
                .warning(
                    "lock",
                    "There is no flake.lock: every machine may get other versions of the inputs.",
                )
                .remedy("nix flake lock && git add flake.lock"),
        ];
        }
        Err(error) => {
            return vec![
                FLAKE
                    .error("lock", &error)
                    .remedy("Restore it from git, or remove it and run `nix flake lock`."),
            ];
        }
    };
    let mut found = Vec::new();
    if let Some(newest) = lock.newest.filter(|newest| now + DAY < *newest) {
        let message = format!(
            "This machine's clock is wrong: it says {}, and flake.lock holds something of {}.",
            clock::date(now),
            clock::date(newest)
        );
        let finding = FLAKE.failure("clock", message);
        found.push(finding.remedy("Set it: `timedatectl set-ntp true`, or `sudo date -s ..`. Certificates are not valid for a wrong clock either."));
        return found;
    }
    if lock.newest.is_some() {
        found.push(FLAKE.ok("clock", "this machine's clock is later than all inputs"));
    }
    let Some(nixpkgs) = lock.nixpkgs else {
        return found;
    };
    let days = now.saturating_sub(nixpkgs) / DAY;
    let age = format!(
        "nixpkgs is of {}, {} ago",
        clock::date(nixpkgs),
        counted(usize::try_from(days).unwrap_or(0), "day")
    );
    found.push(if days > OLD {
        FLAKE
            .warning("lock", format!("{age}: security fixes are missing."))
            .remedy("nix flake update nixpkgs, then deploy and `git commit flake.lock`")
    } else {
        FLAKE.ok("lock", age)
    });
    found
}
