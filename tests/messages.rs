//! Every error, hint and warning of spinet, as it stands in its source: a catalogue that is read as a whole
//! (tests/messages.txt), the form that each has to have, and whether some page of tests/errors shows it as the user sees
//! it. `SPINET_BLESS=1` writes the catalogue anew; the pages come first.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What begins a message, and the mark it gets in the catalogue. What was being done (`while ..`) is no message.
const KINDS: &[(&str, char)] = &[
    ("Failure::new(", 'E'),
    ("Failure::usage(", 'U'),
    ("bail!(", 'E'),
    (".hint(", 'H'),
    (".warn(", 'W'),
];

/// With fewer letters of its own, a message cannot be told in a page.
const TELLING: usize = 12;

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

/// The string literal a text begins with, and what follows it.
fn literal(source: &str) -> Option<(String, &str)> {
    let body = source.strip_prefix('"')?;
    let mut chars = body.char_indices().peekable();
    let mut text = String::new();
    loop {
        match chars.next()? {
            (end, '"') => return Some((text, &body[end + 1..])),
            (_, '\\') => match chars.next()?.1 {
                'n' => text.push(' '),
                '\n' => while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                other => text.push(other),
            },
            (_, other) => text.push(other),
        }
    }
}

/// The arguments of a call, each with its string literals. `source` begins behind the opening parenthesis.
fn arguments(mut source: &str) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut depth = 0;
    while let Some(c) = source.chars().next() {
        if let Some((text, rest)) = literal(source) {
            all.last_mut().unwrap().push(text);
            source = rest;
            continue;
        }
        source = &source[c.len_utf8()..];
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => all.push(Vec::new()),
            _ => {}
        }
    }
    all
}

/// The message that an argument is, or the several it chooses from; none if it is made elsewhere.
fn of_argument(source: &str, literals: &[String]) -> Vec<String> {
    let source = source.trim_start();
    let source = source.strip_prefix('&').unwrap_or(source);
    let source = source
        .strip_prefix("format!(")
        .map_or(source, str::trim_start);
    if source.starts_with('"') {
        return literals.iter().take(1).cloned().collect();
    }
    let sentence =
        |text: &&String| text.contains(' ') && begins(text) && text.ends_with(['.', '?', '}']);
    literals.iter().filter(sentence).cloned().collect()
}

/// The messages of one file, in their order.
fn messages(source: &str) -> Vec<(char, String)> {
    let end = source.find("#[cfg(test)]\nmod tests {");
    let source = &source[..end.unwrap_or(source.len())];
    let mut found = Vec::new();
    for (begin, mark) in KINDS {
        for (at, _) in source.match_indices(begin) {
            let call = &source[at + begin.len()..];
            let arguments = arguments(call);
            // a message with its remedy
            let both = *mark == 'H' && arguments.get(1).is_some_and(|second| !second.is_empty());
            let first = of_argument(call, &arguments[0]);
            let mark = if both { 'E' } else { *mark };
            found.extend(first.into_iter().map(|text| (at, mark, text)));
            if both {
                found.push((at, 'H', arguments[1][0].clone()));
            }
        }
    }
    found.sort_by_key(|(at, ..)| *at);
    found
        .into_iter()
        .map(|(_, mark, text)| (mark, text))
        .collect()
}

/// What stands between the places where something is put in.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.next_if_eq(&c).is_some() => pieces.last_mut().unwrap().push(c),
            '{' => {
                while chars.next().is_some_and(|c| c != '}') {}
                pieces.push(String::new());
            }
            _ => pieces.last_mut().unwrap().push(c),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// Whether a line shows these pieces in their order.
fn shows(line: &str, pieces: &[String]) -> bool {
    let mut rest = line;
    pieces.iter().all(|piece| {
        let found = rest.find(piece.as_str());
        rest = &rest[found.map_or(0, |at| at + piece.len())..];
        found.is_some()
    })
}

/// The lines of all pages, each with what goes on in the lines below it.
fn shown() -> Vec<String> {
    let mut pages: Vec<PathBuf> = fs::read_dir(root().join("tests/errors"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    pages.sort();
    let mut lines: Vec<String> = Vec::new();
    for page in pages {
        // a warning that ends its first line so has what it tells of in those below
        let mut lists = false;
        for line in fs::read_to_string(page).unwrap().lines() {
            let begins = ["Error: ", "Hint: ", "Warning: ", "exit "];
            lists &= !begins.iter().any(|begin| line.starts_with(begin));
            match lines.last_mut() {
                Some(last) if lists || line.starts_with("      ") => {
                    last.push(' ');
                    last.push_str(line.trim_start());
                }
                _ => lines.push(line.to_owned()),
            }
            lists |= line.starts_with("Warning: ") && line.ends_with(':');
        }
    }
    lines
}

/// Whether a page shows the message; none if that cannot be told.
fn is_shown(text: &str, lines: &[String]) -> Option<bool> {
    let pieces = pieces(text);
    let letters = pieces.iter().flat_map(|piece| piece.chars());
    if letters.filter(|c| c.is_alphabetic()).count() < TELLING {
        return None;
    }
    Some(lines.iter().any(|line| shows(line, &pieces)))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn all() -> Vec<(String, Vec<(char, String)>)> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name, messages(&fs::read_to_string(path).unwrap()))
    };
    files.into_iter().map(read).collect()
}

/// Like a sentence, or with the name of a program or a file, which keeps its case.
fn begins(text: &str) -> bool {
    let names = [
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
    let fits = |c: char| c.is_uppercase() || c.is_ascii_digit() || "{`'\"/-.*".contains(c);
    let first = text.split(' ').next().unwrap_or_default();
    text.starts_with(fits)
        || names.iter().any(|name| text.starts_with(name))
        || first.contains(['.', '-', '_', '/'])
}

#[test]
fn every_message_is_a_sentence_that_begins_and_ends_like_one() {
    let mut wrong = String::new();
    for (file, messages) in all() {
        for (mark, text) in messages {
            // what is put in last ends by itself, and a line to copy has no full stop
            let ends = text.ends_with(['.', '?', '}', '`']) || (mark == 'H' && text.contains(": "));
            if !begins(&text) || !ends || text.contains("  ") {
                writeln!(wrong, "{file}: {mark} {text}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "not sentences:\n{wrong}");
}

#[test]
fn the_catalogue_is_what_the_source_says() {
    let path = root().join("tests/messages.txt");
    let mut catalogue = String::from(
        "Errors (E, of usage U), hints (H) and warnings (W) by file; what stands in {} is put in. A ! stands before those that\nno page of tests/errors shows, a ? before those with too few words to tell. Made by tests/messages.rs.\n",
    );
    let lines = shown();
    let mut count = [0; 3];
    for (file, messages) in all() {
        if messages.is_empty() {
            continue;
        }
        writeln!(catalogue, "\n{file}").unwrap();
        for (mark, text) in messages {
            let (index, shown) = match is_shown(&text, &lines) {
                Some(true) => (0, ' '),
                Some(false) => (1, '!'),
                None => (2, '?'),
            };
            count[index] += 1;
            writeln!(catalogue, "{shown} {mark} {text}").unwrap();
        }
    }
    let [seen, unseen, untold] = count;
    println!(
        "{seen} of {} messages are shown by a page, {untold} cannot be told",
        seen + unseen
    );
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

/// The rules that each line of a page keeps: nothing of the program's insides, nothing twice, and whole sentences.
#[test]
fn every_page_reads_as_sentences() {
    let mut wrong = String::new();
    let mut last = String::new();
    for line in shown() {
        let said = line.trim_start_matches("| ").trim_start();
        let (kind, text) = said.split_once(": ").unwrap_or_default();
        let ends = text.ends_with(['.', '?', '`', ';', ')']) || text.contains(": ");
        let message = ["Error", "Hint", "Warning"].contains(&kind);
        let fails = message && (!ends || text.starts_with("while "));
        let insides = ["(\"", "Some(", "\u{2068}"];
        let insides = line.starts_with(' ') && insides.iter().any(|part| line.contains(part));
        let twice = line.starts_with("  ") && !said.is_empty() && last == said;
        if fails || insides || twice {
            writeln!(wrong, "{line}").unwrap();
        }
        last = said.trim_start_matches("Error: ").to_owned();
    }
    assert!(wrong.is_empty(), "not as they should be:\n{wrong}");
}

#[test]
fn the_pieces_of_a_message_are_found_in_what_is_shown() {
    let shows = |text: &str, line: &str| is_shown(text, &[line.to_owned()]);
    let message = "There is no host named {}; try {name}.";
    assert_eq!(
        shows(message, "There is no host named bahc; try bach."),
        Some(true)
    );
    assert_eq!(shows(message, "There is no host named bahc."), Some(false));
    assert_eq!(shows("{what}: {error}", "anything: at all"), None);
    let source = "Failure::new(if odd { \"It is odd.\" } else { \"It is even.\" }).hint(\"A message of {x}.\", format!(\"What to do.\"))";
    let found: Vec<_> = messages(source)
        .into_iter()
        .map(|(mark, text)| format!("{mark} {text}"))
        .collect();
    assert_eq!(
        found,
        [
            "E It is odd.",
            "E It is even.",
            "E A message of {x}.",
            "H What to do."
        ]
    );
}
