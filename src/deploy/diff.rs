//! What a deploy would change, by package and size: the closure that runs against the one that was built.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::job::{Job, Reached};
use crate::ui::{bytes, visible};

/// Smaller changes of size alone are not worth a line.
const SMALL: u64 = 8 << 10;

/// Prints path and size of every path of the closure of the running system.
const RUNNING: &str = r#"
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
nix-store --query --requisites "$(readlink -f /run/current-system)" >"$dir/paths"
xargs nix-store --query --size <"$dir/paths" >"$dir/sizes"
[ "$(wc -l <"$dir/paths")" = "$(wc -l <"$dir/sizes")" ] && paste -d ' ' "$dir/paths" "$dir/sizes"
"#;

/// Versions and bytes of one package in a closure.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Package {
    versions: BTreeSet<String>,
    size: u64,
}

type Closure = BTreeMap<String, Package>;

impl Job<'_> {
    /// Prints what would change; whether anything would.
    pub(super) async fn show_difference(&self, reached: &Reached, toplevel: &Path) -> Result<bool> {
        let name = self.name();
        if reached.status.current == toplevel.display().to_string() {
            self.ui()
                .say(format!("{name} runs this configuration already."));
            return Ok(false);
        }
        let new = self.run.nix.closure_sizes(toplevel).await?;
        let root = self.guard(&reached.target.host.user).root;
        let running = root.run(&["sh", "-c", RUNNING], &[]);
        let old = self.must(&reached.target, &running).await?;
        let old = old.lines().filter_map(|line| {
            let (path, size) = line.split_once(' ')?;
            Some((path, size.parse().ok()?))
        });
        let lines = difference(
            &closure(old),
            &closure(new.iter().map(|(path, size)| (path.as_str(), *size))),
        );
        self.ui().say(format!("{name}: what changes"));
        for line in lines {
            self.ui().say(format!("  {}", visible(&line)));
        }
        Ok(true)
    }
}

fn closure<'p>(paths: impl Iterator<Item = (&'p str, u64)>) -> Closure {
    let mut packages = Closure::new();
    for (path, size) in paths {
        let Some((name, version)) = parts(path) else {
            continue;
        };
        let package = packages.entry(name.to_owned()).or_default();
        package.size += size;
        if !version.is_empty() {
            package.versions.insert(version.to_owned());
        }
    }
    packages
}

/// `/nix/store/HASH-NAME-VERSION`: the version begins at the first hyphen before a digit (as `builtins.parseDrvName` has
/// it); names of outputs behind it belong to it.
fn parts(path: &str) -> Option<(&str, &str)> {
    let name = path.rsplit('/').next()?.get(33..)?;
    let at = name
        .match_indices('-')
        .map(|(at, _)| at)
        .find(|at| name[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    Some(match at {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (name, ""),
    })
}

/// A line for each package that changes, and one for the whole.
fn difference(old: &Closure, new: &Closure) -> Vec<String> {
    let nothing = Package::default();
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut lines = Vec::new();
    for name in names {
        let before = old.get(name).unwrap_or(&nothing);
        let after = new.get(name).unwrap_or(&nothing);
        let versions = |package: &Package| match package.versions.len() {
            0 if package.size == 0 => "-".to_owned(),
            0 => "present".to_owned(),
            _ => package
                .versions
                .iter()
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
        };
        let size = change(before.size, after.size);
        if before.versions != after.versions || (before.size == 0) != (after.size == 0) {
            lines.push(format!(
                "{name}: {} -> {}, {size}",
                versions(before),
                versions(after)
            ));
        } else if before.size.abs_diff(after.size) >= SMALL {
            lines.push(format!("{name}: {size}"));
        }
    }
    let total = |closure: &Closure| closure.values().map(|package| package.size).sum();
    let (before, after) = (total(old), total(new));
    if lines.is_empty() {
        lines.push("only settings, no package".into());
    }
    lines.push(format!(
        "in all: {} -> {}, {}",
        bytes(before),
        bytes(after),
        change(before, after)
    ));
    lines
}

fn change(before: u64, after: u64) -> String {
    let sign = if after < before { '-' } else { '+' };
    format!("{sign}{}", bytes(before.abs_diff(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[(&str, u64)]) -> Closure {
        let full: Vec<_> = paths
            .iter()
            .map(|(name, size)| (format!("/nix/store/{}-{name}", "a".repeat(32)), *size))
            .collect();
        closure(full.iter().map(|(path, size)| (path.as_str(), *size)))
    }

    #[test]
    fn names_and_versions_are_told_apart() {
        let parts = |name: &str| {
            let path = format!("/nix/store/{}-{name}", "a".repeat(32));
            let (name, version) = super::parts(&path).unwrap();
            (name.to_owned(), version.to_owned())
        };
        assert_eq!(
            parts("openssh-10.0p2-man"),
            ("openssh".into(), "10.0p2-man".into())
        );
        assert_eq!(
            parts("linux-rpi-6.12.1"),
            ("linux-rpi".into(), "6.12.1".into())
        );
        assert_eq!(parts("etc"), ("etc".into(), String::new()));
        assert_eq!(super::parts("/nix/store/short"), None);
    }

    #[test]
    fn versions_arrivals_departures_and_sizes_are_told() {
        let old = of(&[
            ("htop-3.3", 100 << 10),
            ("vim-9", 1 << 20),
            ("etc", 10),
            ("big-1", 1 << 20),
        ]);
        let new = of(&[
            ("htop-3.4", 120 << 10),
            ("jq-1.7", 1 << 19),
            ("etc", 20),
            ("big-1", 2 << 20),
        ]);
        let lines = difference(&old, &new);
        assert_eq!(lines[0], format!("big: +{}", bytes(1 << 20)));
        assert_eq!(lines[1], format!("htop: 3.3 -> 3.4, +{}", bytes(20 << 10)));
        assert_eq!(lines[2], format!("jq: - -> 1.7, +{}", bytes(1 << 19)));
        assert_eq!(lines[3], format!("vim: 9 -> -, -{}", bytes(1 << 20)));
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn settings_alone_are_no_package() {
        let lines = difference(&of(&[("etc", 10)]), &of(&[("etc", 20)]));
        assert_eq!(lines[0], "only settings, no package");
    }
}
