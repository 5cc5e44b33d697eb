//! The man pages as mandoc reads them.

use std::fs;
use std::process::Command;

use super::folder::Done;

#[test]
fn every_page_is_without_fault_and_says_what_it_has_to() {
    let dir = tempfile::tempdir().unwrap();
    let spinet = |args: &[&str]| {
        let mut spinet = Command::new(env!("CARGO_BIN_EXE_spinet"));
        Done::of(spinet.args(args)).expect(0, &[]).out
    };
    let folder = dir.path().join("new/man");
    spinet(&["man", folder.to_str().unwrap()]);
    let mut pages: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.sort();
    assert!(pages.len() > 20, "{pages:?}");
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"] {
            assert!(
                text.contains(&format!(".SH \"{section}\"\n")),
                "{page:?}: {section}"
            );
        }
    }
    let own = spinet(&["man"]);
    assert_eq!(own, fs::read_to_string(folder.join("spinet.1")).unwrap());
    for section in [
        "COMMANDS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
    ] {
        assert!(own.contains(&format!(".SH \"{section}\"\n")), "{section}");
    }
    let mut lint = Command::new("mandoc");
    lint.args(["-T", "lint", "-W", "warning"]).args(&pages);
    let Ok(found) = lint.output() else {
        println!("skipped: no mandoc");
        return;
    };
    let found = String::from_utf8(found.stdout).unwrap();
    // a date would tell one build from another
    let found: Vec<_> = found
        .lines()
        .filter(|line| !line.contains("missing date"))
        .collect();
    assert_eq!(found, Vec::<&str>::new());

    let mut shown = Command::new("mandoc");
    shown.args(["-T", "ascii", "-O", "width=78"]);
    shown.arg(folder.join("spinet-host-wait.1"));
    let shown = String::from_utf8(shown.output().unwrap().stdout).unwrap();
    // bold and underlined as on a typewriter
    let mut plain = String::new();
    for c in shown.chars() {
        if c == '\u{8}' {
            plain.pop();
        } else {
            plain.push(c);
        }
    }
    for line in [
        "spinet host wait [OPTIONS] <NAME>",
        "How long to wait, in seconds. [default: 600]",
        "spinet(1), spinet-host(1)",
    ] {
        assert!(plain.contains(line), "{line} is not in {plain}");
    }
}
