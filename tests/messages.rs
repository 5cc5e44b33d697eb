//! Every error, hint and warning of spinet, as it stands in its source: a catalogue that is read as a whole
//! (tests/messages.txt), and the form that each has to have. `SPINET_BLESS=1` writes the catalogue anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What begins a message, and the mark it gets in the catalogue.
const KINDS: &[(&str, char)] = &[
    ("Failure::new(", 'E'),
    ("Failure::usage(", 'U'),
    (".hint(", 'H'),
    (".warn(", 'W'),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs")
            && !path.ends_with("tests.rs")
            && !path.ends_with("fuzz.rs")
        {
            found.push(path);
        }
    }
}

/// The string literal a message begins with: right there or in a `format!`. None if it is made elsewhere.
fn literal(source: &str) -> Option<String> {
    let source = source.trim_start();
    let source = source.strip_prefix('&').unwrap_or(source);
    let source = source
        .strip_prefix("format!(")
        .map_or(source, str::trim_start);
    let mut chars = source.strip_prefix('"')?.chars().peekable();
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => match chars.next()? {
                'n' => text.push(' '),
                '\n' => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

/// The messages of one file, in their order.
fn messages(source: &str) -> Vec<(char, String)> {
    let end = source.find("#[cfg(test)]\nmod").unwrap_or(source.len());
    let source = &source[..end];
    let mut found: Vec<(usize, char, String)> = KINDS
        .iter()
        .flat_map(|(begin, mark)| {
            source
                .match_indices(begin)
                .map(move |(at, _)| (at, *mark, literal(&source[at + begin.len()..])))
        })
        .filter_map(|(at, mark, text)| Some((at, mark, text?)))
        .collect();
    found.sort();
    found
        .into_iter()
        .map(|(_, mark, text)| (mark, text))
        .collect()
}

fn all() -> Vec<(String, Vec<(char, String)>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        (name, messages(&fs::read_to_string(path).unwrap()))
    };
    files.into_iter().map(read).collect()
}

#[test]
fn every_message_is_a_sentence_that_begins_and_ends_like_one() {
    let mut wrong = String::new();
    for (file, messages) in all() {
        for (mark, text) in messages {
            let begins =
                |c: char| c.is_uppercase() || c.is_ascii_digit() || "{`'\"/-.*".contains(c);
            // names of programs and files keep their case
            let name = [
                "agenix",
                "iwd",
                "nix",
                "rnix",
                "spinet",
                "ssh",
                "sshd",
                "systemd",
                "wpa_supplicant",
                "the ",
            ];
            let begins = text.starts_with(begins)
                || name.iter().any(|name| text.starts_with(name))
                || text
                    .split(' ')
                    .next()
                    .is_some_and(|word| word.contains(['.', '-', '_', '/']));
            // what is put in last ends by itself, and a line to copy has no full stop
            let ends = text.ends_with(['.', '?', '}', '`']) || (mark == 'H' && text.contains(": "));
            if !begins || !ends || text.contains("  ") {
                writeln!(wrong, "{file}: {mark} {text}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "not sentences:\n{wrong}");
}

#[test]
fn the_catalogue_is_what_the_source_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages.txt");
    let mut catalogue = String::from(
        "Errors (E, of usage U), hints (H) and warnings (W) by file; what stands in {} is put in. Made by tests/messages.rs.\n",
    );
    for (file, messages) in all() {
        if messages.is_empty() {
            continue;
        }
        writeln!(catalogue, "\n{file}").unwrap();
        for (mark, text) in messages {
            writeln!(catalogue, "  {mark} {text}").unwrap();
        }
    }
    if std::env::var_os("SPINET_BLESS").is_some() {
        fs::write(&path, &catalogue).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    if let Some((old, new)) = kept
        .lines()
        .zip(catalogue.lines())
        .find(|(old, new)| old != new)
    {
        panic!(
            "tests/messages.txt has\n{old}\nand the source\n{new}\nSPINET_BLESS=1 writes it anew."
        );
    }
    assert_eq!(kept.lines().count(), catalogue.lines().count());
}
