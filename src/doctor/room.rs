//! Room on this machine: for an image in the store, and for what spinet remembers.

use std::path::Path;

use super::finding::{Finding, Subject, line};
use crate::state;
use crate::ui::bytes;

const ROOM: Subject = Subject::of("room");

const GB: u64 = 1_000_000_000;
/// An image and its building.
const IMAGE: u64 = 5 * GB;
/// Not even a system fits.
const NOTHING: u64 = GB / 2;
const INODES: u64 = 100_000;
const STATE: u64 = 10_000_000;

pub fn check() -> Vec<Finding> {
    let mut found = vec![store(Path::new("/nix/store"))];
    match state::dir() {
        Ok(dir) => found.push(of_state(&dir)),
        Err(error) => found.push(ROOM.error("state", &error)),
    }
    found
}

/// Bytes and inodes free for users, of the file system that `path` is or will be on; inodes only where they are counted.
fn free(path: &Path) -> Option<(u64, Option<u64>)> {
    let there = path.ancestors().find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    let inodes = (stat.f_files > 0).then_some(stat.f_favail);
    Some((stat.f_bavail.saturating_mul(stat.f_frsize), inodes))
}

fn store(path: &Path) -> Finding {
    match free(path) {
        Some((free, inodes)) => of_store(free, inodes),
        None => ROOM.failure(
            "store",
            format!(
                "The file system of {} does not tell its room.",
                path.display()
            ),
        ),
    }
}

fn of_store(free: u64, inodes: Option<u64>) -> Finding {
    let remedy = line(
        "nix.gc = { automatic = true; options = \"--delete-older-than 14d\"; };",
        "Set `min-free` in /etc/nix/nix.conf, so that nix makes room by itself.",
    );
    let collect = "`nix-collect-garbage --delete-older-than 14d` makes room, as root for the system's generations as well.";
    if let Some(inodes) = inodes.filter(|inodes| *inodes < INODES) {
        let message = format!(
            "The store's file system has {inodes} inodes left; a system takes tens of thousands."
        );
        return ROOM
            .failure("store", message)
            .remedy(collect)
            .remedy(remedy);
    }
    if free < NOTHING {
        let message = format!("The store has {} left: nothing can be built.", bytes(free));
        return ROOM
            .failure("store", message)
            .remedy(collect)
            .remedy(remedy);
    }
    if free < IMAGE {
        let message = format!(
            "The store has {} left; an image takes up to {} while it is made.",
            bytes(free),
            bytes(IMAGE)
        );
        return ROOM
            .warning("store", message)
            .remedy(collect)
            .remedy(remedy);
    }
    ROOM.ok("store", format!("{} free", bytes(free)))
}

fn of_state(dir: &Path) -> Finding {
    let shown = dir.display();
    let there = dir.ancestors().find(|path| path.exists()).unwrap_or(dir);
    if rustix::fs::access(there, rustix::fs::Access::WRITE_OK).is_err() {
        let message = format!(
            "{} cannot be written, where spinet remembers unfinished bootstraps (in {shown}).",
            there.display()
        );
        return ROOM
            .failure("state", message)
            .remedy("Make it yours, or name another place in XDG_STATE_HOME.");
    }
    match free(dir) {
        Some((free, inodes)) if free < STATE || inodes == Some(0) => ROOM
            .failure("state", format!("There is no room left for {shown}, where spinet remembers unfinished bootstraps."))
            .remedy("Make room, or name another place in XDG_STATE_HOME."),
        _ => ROOM.ok("state", shown.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_folder_still_to_be_made_has_the_room_of_the_one_it_will_be_in() {
        let dir = tempfile::tempdir().unwrap();
        let (there, inodes) = free(dir.path()).unwrap();
        let (to_come, _) = free(&dir.path().join("a/b")).unwrap();
        assert!(there > 0 && inodes != Some(0) && there.abs_diff(to_come) < GB);
        assert_eq!(of_state(&dir.path().join("spinet")).verdict, Verdict::Ok);
    }

    #[test]
    fn a_full_store_is_told_with_what_makes_room() {
        assert_eq!(of_store(50 * GB, Some(9_000_000)).verdict, Verdict::Ok);
        assert_eq!(of_store(50 * GB, None).verdict, Verdict::Ok);
        for (finding, verdict) in [
            (of_store(3 * GB, None), Verdict::Warning),
            (of_store(GB / 10, None), Verdict::Failure),
            (of_store(50 * GB, Some(10)), Verdict::Failure),
        ] {
            let remedy = finding.remedy.unwrap();
            assert!(finding.verdict == verdict && remedy.contains("nix-collect-garbage"));
        }
    }
}
