//! The file of the history: JSON lines, each appended whole under a lock, the oldest dropped in the end. What a power cut
//! or a full disk left of a line is passed over by whoever reads, and never joined to the next one.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use super::Entry;
use crate::clock;
use crate::error::Failure;

/// How many lines are kept at least.
const LINES: usize = 10_000;
/// How many more there may be until the oldest are dropped.
const SLACK: usize = 1_000;
/// No line is shorter, in bytes.
const SHORTEST: u64 = 100;
/// How often, and how long apart, a lock that another run holds is asked for: two seconds in all.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// Adds one line, whole or not at all.
pub fn append(folder: &Path, entry: &Entry) -> Result<()> {
    let path = path(folder);
    write(folder, &path, entry).with_context(|| format!("while writing {}", path.display()))
}

/// All entries that can be read, the oldest first, and how many lines cannot.
pub fn read(folder: &Path) -> Result<(Vec<Entry>, usize)> {
    let path = path(folder);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(e) => return Err(e).with_context(|| format!("while reading {}", path.display())),
    };
    let lines = bytes.split(|byte| *byte == b'\n');
    let (mut entries, mut skipped) = (Vec::new(), 0);
    for line in lines.filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<Entry>(line) {
            Ok(entry) if clock::is_stamp(&entry.time) => entries.push(entry),
            _ => skipped += 1,
        }
    }
    Ok((entries, skipped))
}

/// No host's lock or pending pin can have these names: theirs begin with the host's, which has no dot.
fn path(folder: &Path) -> PathBuf {
    folder.join("history.jsonl")
}

fn write(folder: &Path, path: &Path, entry: &Entry) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let _lock = lock(folder)?;
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    let before = file.metadata()?.len();
    let mut line = String::new();
    if !ends_with_a_line(&mut file, before)? {
        line.push('\n');
    }
    line.push_str(&serde_json::to_string(entry)?);
    line.push('\n');
    if let Err(error) = file.write_all(line.as_bytes()) {
        // what a full disk took of it
        let _ = file.set_len(before);
        return Err(error.into());
    }
    drop_oldest(&mut file, folder, path)
}

/// Held until dropped. Not the file itself: that is replaced when the oldest lines go.
fn lock(folder: &Path) -> Result<File> {
    let lock = File::create(folder.join("history.jsonl.lock"))?;
    for _ in 0..TRIES {
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(lock);
        }
        std::thread::sleep(PAUSE);
    }
    Err(Failure::new("Another spinet has been writing it for seconds.").into())
}

/// Its last line was not cut short.
fn ends_with_a_line(file: &mut File, length: u64) -> Result<bool> {
    if length == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn drop_oldest(file: &mut File, folder: &Path, path: &Path) -> Result<()> {
    let most = LINES + SLACK;
    if file.metadata()?.len() < SHORTEST * most as u64 {
        return Ok(());
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let Some(kept) = newest(&bytes, LINES, most) else {
        return Ok(());
    };
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(kept)?;
    new.as_file().sync_all()?;
    new.persist(path)?;
    Ok(())
}

/// The last `keep` lines, if there are more than `most`.
fn newest(bytes: &[u8], keep: usize, most: usize) -> Option<&[u8]> {
    let ends = || (0..bytes.len()).filter(|at| bytes[*at] == b'\n');
    let lines = ends().count();
    if lines <= most {
        return None;
    }
    let last_dropped = ends().nth(lines - keep - 1)?;
    bytes.get(last_dropped + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(host: &str) -> Entry {
        Entry {
            time: "2026-11-26T13:24:24Z".into(),
            user: "anna".into(),
            machine: "verdi".into(),
            action: "deploy".into(),
            host: Some(host.into()),
            revision: None,
            system: None,
            attempt: None,
            outcome: "deployed".into(),
            exit: 0,
            seconds: Some(3),
            detail: None,
        }
    }

    fn hosts(folder: &Path) -> (Vec<String>, usize) {
        let (entries, skipped) = read(folder).unwrap();
        let hosts = entries.into_iter().filter_map(|entry| entry.host);
        (hosts.collect(), skipped)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("not yet");
        assert_eq!(read(&folder).unwrap(), (Vec::new(), 0));
        let strange = Entry {
            detail: Some("a\nb\u{1b}[2J".into()),
            ..entry("bach")
        };
        append(&folder, &strange).unwrap();
        append(&folder, &entry("byrd")).unwrap();
        assert_eq!(read(&folder).unwrap(), (vec![strange, entry("byrd")], 0));
    }

    #[test]
    fn a_line_cut_short_is_passed_over_and_spoils_no_other() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), &entry("bach")).unwrap();
        append(dir.path(), &entry("byrd")).unwrap();
        let path = path(dir.path());
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        append(dir.path(), &entry("orff")).unwrap();
        assert_eq!(hosts(dir.path()), (vec!["bach".into(), "orff".into()], 1));
        // blocks that never reached the disk, what is no entry, and what an editor left
        let mut text = vec![0; 40];
        text.extend(b"\n{\"time\":\"now\"}\n\xff\n\n");
        text.extend(&whole);
        std::fs::write(&path, text).unwrap();
        assert_eq!(hosts(dir.path()), (vec!["bach".into(), "byrd".into()], 3));
    }

    #[test]
    fn runs_side_by_side_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let folder = dir.path();
                scope.spawn(move || {
                    for run in 0..25 {
                        append(folder, &entry(&format!("h{thread}-{run}"))).unwrap();
                    }
                });
            }
        });
        let (mut hosts, skipped) = hosts(dir.path());
        hosts.sort();
        hosts.dedup();
        assert_eq!((hosts.len(), skipped), (200, 0));
    }

    #[test]
    fn fields_of_a_newer_spinet_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut value = serde_json::to_value(entry("bach")).unwrap();
        value["later"] = 1.into();
        std::fs::write(path(dir.path()), format!("{value}\n")).unwrap();
        assert_eq!(hosts(dir.path()), (vec!["bach".into()], 0));
    }

    #[test]
    fn the_oldest_lines_go_when_there_are_too_many() {
        assert_eq!(newest(b"1\n2\n3\n", 2, 3), None);
        assert_eq!(newest(b"1\n2\n3\n4\n", 2, 3), Some(&b"3\n4\n"[..]));
        let dir = tempfile::tempdir().unwrap();
        let line = serde_json::to_string(&entry("old")).unwrap() + "\n";
        std::fs::write(path(dir.path()), line.repeat(LINES + SLACK)).unwrap();
        append(dir.path(), &entry("new")).unwrap();
        let (hosts, _) = hosts(dir.path());
        assert_eq!(
            (hosts.len(), hosts.last().map(String::as_str)),
            (LINES, Some("new"))
        );
        assert!(line.len() as u64 > SHORTEST);
    }
}
