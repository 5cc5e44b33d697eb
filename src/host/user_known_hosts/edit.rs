//! Which lines of a `known_hosts` are stale, and the text without them. Lines and parts of lines that belong to other hosts
//! stay as they are, to the byte; ssh-keygen -R would drop a line that several hosts share.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::key::fingerprint;
use crate::ui::visible;

/// A line that ssh-keygen found for a name; lines count from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    pub line: usize,
}

/// A line with another key.
#[derive(Debug, PartialEq, Eq)]
pub struct Stale {
    pub line: usize,
    /// The names of the host that it is found by.
    pub names: BTreeSet<String>,
    key: String,
    style: Style,
    /// Names of `names` for which the right key is there already.
    known: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Hashed,
    /// It names the host by a pattern only, which may stand for others.
    Pattern,
}

/// Reads what `ssh-keygen -F` prints. Certificate authorities and revoked keys are left out: they are marked.
pub fn found(name: &str, shown: &str) -> Vec<Found> {
    let line = |line: &str| {
        let (_, rest) = line.strip_prefix("# Host ")?.split_once(" found: line ")?;
        let line = rest.trim_end().parse().ok()?;
        let name = name.to_owned();
        Some(Found { name, line })
    };
    shown.lines().filter_map(line).collect()
}

/// The lines among those found that have another key than `key`, which is `TYPE BASE64`. Where `key` is known already,
/// keys of other types beside it may be right.
pub fn stale(text: &str, found: &[Found], names: &[String], key: &str) -> Vec<Stale> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let entry = |found: &Found| lines.get(found.line - 1).and_then(|line| entry(line));
    let known: BTreeSet<&str> = found
        .iter()
        .filter(|f| entry(f).is_some_and(|(_, other)| other == key))
        .map(|f| f.name.as_str())
        .collect();
    let kind = |key: &str| key.split(' ').next().map(str::to_owned);
    let mut by_line: BTreeMap<usize, Stale> = BTreeMap::new();
    for one in found {
        let Some((field, other)) = entry(one) else {
            continue;
        };
        let is_known = known.contains(one.name.as_str());
        if other == key || (is_known && kind(&other) != kind(key)) {
            continue;
        }
        let style = if field.starts_with('|') {
            Style::Hashed
        } else if field.split(',').any(|n| is_one_of(n, names)) {
            Style::Plain
        } else {
            Style::Pattern
        };
        let line = by_line.entry(one.line).or_insert_with(|| Stale {
            line: one.line,
            names: BTreeSet::new(),
            key: other,
            style,
            known: BTreeSet::new(),
        });
        line.names.insert(one.name.clone());
        if is_known {
            line.known.insert(one.name.clone());
        }
    }
    by_line.into_values().collect()
}

impl Stale {
    /// The line as a row of a list.
    pub fn describe(&self) -> String {
        let names: Vec<_> = self.names.iter().map(|name| visible(name)).collect();
        let shown = fingerprint(&self.key).unwrap_or_else(|_| "a key that cannot be read".into());
        let pattern = if self.is_replaceable() {
            ""
        } else {
            ", by a pattern: change it by hand"
        };
        format!("line {}: {} {shown}{pattern}", self.line, names.join(","))
    }

    pub fn is_replaceable(&self) -> bool {
        self.style != Style::Pattern
    }
}

/// The names that lose their key and need the new one: plain, and hashed.
pub fn names_to_add(stale: &[Stale]) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let of = |style| {
        let lines = stale.iter().filter(move |s| s.style == style);
        lines
            .flat_map(|s| s.names.difference(&s.known))
            .map(String::as_str)
            .collect::<BTreeSet<_>>()
    };
    let plain = of(Style::Plain);
    let hashed = of(Style::Hashed).difference(&plain).copied().collect();
    (plain, hashed)
}

/// A line for all of the names; nothing for none.
pub fn line(names: &BTreeSet<&str>, key: &str) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<_> = names.iter().copied().collect();
    format!("{} {key}\n", names.join(","))
}

/// The text without the host's stale names, and with `added` at the end.
pub fn rewrite(text: &str, stale: &[Stale], added: &str) -> String {
    let mut new = String::with_capacity(text.len() + added.len());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        match stale.iter().find(|s| s.line == index + 1) {
            Some(s) if s.style == Style::Plain => new += &without(line, &s.names),
            Some(s) if s.style == Style::Hashed => {}
            _ => new += line,
        }
    }
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    new + added
}

/// A line without some of its names; nothing of it if none is left.
fn without(line: &str, names: &BTreeSet<String>) -> String {
    let start = line.len() - line.trim_start().len();
    let end = line[start..]
        .find([' ', '\t'])
        .map_or(line.len(), |length| start + length);
    let names: Vec<String> = names.iter().cloned().collect();
    let left = line[start..end]
        .split(',')
        .filter(|name| !is_one_of(name, &names));
    let left = left.collect::<Vec<_>>().join(",");
    if left.is_empty() {
        return String::new();
    }
    format!("{}{left}{}", &line[..start], &line[end..])
}

fn is_one_of(name: &str, names: &[String]) -> bool {
    names.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// The names and the key, `TYPE BASE64`, of a line without a marker.
fn entry(line: &str) -> Option<(&str, String)> {
    let mut words = line.split_whitespace();
    let names = words.next().filter(|n| !n.starts_with(['#', '@']))?;
    Some((names, format!("{} {}", words.next()?, words.next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "ssh-ed25519 AAAAnew";

    fn names() -> Vec<String> {
        ["bach.local", "bach", "10.0.0.2"]
            .map(String::from)
            .to_vec()
    }

    /// Line numbers per name, as ssh-keygen would find them.
    fn at(places: &[(&str, usize)]) -> Vec<Found> {
        let one = |&(name, line): &(&str, usize)| Found {
            name: name.into(),
            line,
        };
        places.iter().map(one).collect()
    }

    fn rewritten(text: &str, places: &[(&str, usize)]) -> String {
        let stale = stale(text, &at(places), &names(), NEW);
        let (plain, hashed) = names_to_add(&stale);
        let added = line(&plain, NEW) + &line(&hashed, NEW);
        rewrite(text, &stale, &added)
    }

    #[test]
    fn marked_lines_are_not_found() {
        let shown = "# Host bach.local found: line 2 \nbach.local ssh-ed25519 AAAA\n# Host bach.local found: line 3 CA\n@cert-authority *.local ssh-ed25519 AAAA\n# Host bach.local found: line 4 REVOKED\n";
        assert_eq!(found("bach.local", shown), at(&[("bach.local", 2)]));
    }

    #[test]
    fn a_stale_line_goes_and_all_others_stay() {
        let text = "# mine\r\nbach.local,10.0.0.2 ssh-ed25519 AAAAold me\nbyrd  ssh-rsa AAAA \t\n\n@revoked bach.local ssh-ed25519 AAAA";
        assert_eq!(
            rewritten(text, &[("bach.local", 2), ("10.0.0.2", 2)]),
            "# mine\r\nbyrd  ssh-rsa AAAA \t\n\n@revoked bach.local ssh-ed25519 AAAA\n10.0.0.2,bach.local ssh-ed25519 AAAAnew\n"
        );
    }

    #[test]
    fn a_line_shared_with_another_host_keeps_the_others_name() {
        assert_eq!(
            rewritten(
                "byrd.local,10.0.0.2  ssh-ed25519 AAAAold c\n",
                &[("10.0.0.2", 1)]
            ),
            "byrd.local  ssh-ed25519 AAAAold c\n10.0.0.2 ssh-ed25519 AAAAnew\n"
        );
    }

    #[test]
    fn a_pattern_is_shown_but_stays() {
        let text = "*.local ssh-ed25519 AAAAold\n";
        let found = stale(text, &at(&[("bach.local", 1)]), &names(), NEW);
        assert!(!found[0].is_replaceable());
        assert_eq!(rewrite(text, &found, ""), text);
    }

    #[test]
    fn a_hashed_line_goes_whole() {
        assert_eq!(
            rewritten("|1|salt=|hash= ssh-ed25519 AAAAold\n", &[("bach.local", 1)]),
            "bach.local ssh-ed25519 AAAAnew\n"
        );
    }

    #[test]
    fn where_the_key_is_known_only_another_one_of_its_type_is_stale() {
        let text = format!(
            "bach.local {NEW}\nbach.local ssh-rsa AAAArsa\nbach.local ssh-ed25519 AAAAold\n"
        );
        let places = [("bach.local", 1), ("bach.local", 2), ("bach.local", 3)];
        assert_eq!(
            rewritten(&text, &places),
            format!("bach.local {NEW}\nbach.local ssh-rsa AAAArsa\n")
        );
        // nothing of the right key: whatever is there is of the old card
        assert_eq!(
            rewritten("bach.local ssh-rsa AAAArsa\n", &[("bach.local", 1)]),
            format!("bach.local {NEW}\n")
        );
    }
}
