//! SIGKILL at random moments. `SPINET_KILLS` sets how many.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::folder::Folder;
use super::terminal::Terminal;

/// Some moments between nothing and `whole`, other ones each time.
fn moments(whole: Duration) -> impl Iterator<Item = Duration> {
    let count = std::env::var("SPINET_KILLS").map_or(40, |text| text.parse().unwrap());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let mut state = now.unwrap().subsec_nanos() | 1;
    println!("seed {state}");
    std::iter::repeat_with(move || {
        // xorshift, George Marsaglia 2003
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        whole.mul_f64(f64::from(state % 10_000) / 10_000.0)
    })
    .take(count)
}

/// Whether a run is putting files in place right now.
fn replacing(folder: &Folder) -> bool {
    let journal = fs::read_to_string(folder.state().join("replace.json"));
    journal.is_ok_and(|text| text.contains("\"replacing\""))
}

#[test]
fn a_rekey_loses_nothing_and_the_next_run_ends_it() {
    let Some(folder) = Folder::new() else { return };
    let names: Vec<String> = (0..60).map(|i| format!("{i}.age")).collect();
    let rules_for = |people: &'static [&'static str]| {
        let files: Vec<(&str, &[&str])> =
            names.iter().map(|name| (name.as_str(), people)).collect();
        folder.simple_rules(&files);
    };
    for name in &names {
        folder.encrypt(name, &format!("plaintext of {name}"), &["admin"]);
    }
    let (byrd, orff) = (folder.fingerprint("byrd"), folder.fingerprint("orff"));
    let rekey = [
        "secrets",
        "rekey",
        "--accept-recipient",
        &byrd,
        "--accept-recipient",
        &orff,
    ];
    rules_for(&["admin", "byrd"]);
    let start = Instant::now();
    folder.run(&rekey).expect(0, &[]);
    let (mut finished, mut cleared) = (0, 0);
    for (turn, moment) in moments(start.elapsed()).enumerate() {
        let others: &'static [&'static str] = if turn % 2 == 0 {
            &["admin", "orff"]
        } else {
            &["admin", "byrd"]
        };
        rules_for(others);
        let mut run = folder
            .spinet(&rekey)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if turn % 3 == 0 {
            // the renames are over in a moment that chance would not find
            while !replacing(&folder) && run.try_wait().unwrap().is_none() {}
        } else {
            std::thread::sleep(moment);
        }
        run.kill().unwrap();
        run.wait().unwrap();
        for name in &names {
            assert_eq!(
                folder.decrypt(name, "admin"),
                Some(format!("plaintext of {name}"))
            );
        }
        let next = folder.run(&rekey).expect(0, &[]);
        finished += usize::from(next.err.contains("was finished"));
        cleared += usize::from(next.err.contains("was cleared away"));
        for name in &names {
            assert_eq!(
                folder.decrypt(name, others[1]),
                Some(format!("plaintext of {name}"))
            );
        }
        folder.run(&["secrets", "check"]).expect(0, &[]);
        assert_eq!(
            folder.files().len(),
            names.len() + 1,
            "{:?}",
            folder.files().keys()
        );
    }
    assert_eq!(
        folder.in_clear("plaintext of"),
        Vec::<std::path::PathBuf>::new()
    );
    println!("finished by the next run: {finished}, cleared away: {cleared}");
}

#[test]
fn an_edit_writes_the_old_or_the_new_and_no_plaintext_on_a_disk() {
    let Some(folder) = Folder::new() else { return };
    folder.simple_rules(&[("a.age", &["admin", "byrd"])]);
    folder.encrypt("a.age", "plaintext 0", &["admin", "byrd"]);
    folder.program("write", "#!/bin/sh\nprintf 'plaintext %s' \"$1\" >\"$2\"\n");
    // the path is also what the processes of this test are known by
    let rules = folder.path("secrets.nix");
    let rules = rules.to_str().unwrap();
    let edit = |number: usize| {
        folder.spinet(&[
            "secrets",
            "edit",
            "--rules",
            rules,
            "a.age",
            "--editor",
            &format!("write {number}"),
        ])
    };
    let start = Instant::now();
    assert_eq!(Terminal::start(&edit(1)).end().0, Some(0));
    let mut last = 1;
    let mut written = 0;
    for (turn, moment) in moments(start.elapsed()).enumerate() {
        let terminal = Terminal::start(&edit(turn + 2));
        std::thread::sleep(moment);
        // spinet first: the end of its terminal would be a gentle signal
        let kill = || Command::new("pkill").args(["-KILL", "-f", rules]).status();
        while kill().unwrap().success() {}
        terminal.kill();
        let now = folder.decrypt("a.age", "byrd").unwrap();
        let now: usize = now.strip_prefix("plaintext ").unwrap().parse().unwrap();
        // what an earlier run had begun to put in place may be finished by this one
        assert!((last..=turn + 2).contains(&now), "{last} {now}");
        written += usize::from(now == turn + 2);
        last = now;
    }
    println!("killed after the new content was in place: {written}");
    // what was killed long enough ago is swept away by whoever comes next
    std::thread::sleep(Duration::from_millis(2500));
    let (code, screen) = Terminal::start(&edit(99_999)).end();
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(
        folder.decrypt("a.age", "byrd").as_deref(),
        Some("plaintext 99999")
    );
    let left: Vec<_> = folder
        .memory()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(folder.files().len(), 2, "{:?}", folder.files().keys());
    fs::remove_file(folder.beside("bin/write")).unwrap();
    assert_eq!(
        folder.in_clear("plaintext"),
        Vec::<std::path::PathBuf>::new()
    );
}
