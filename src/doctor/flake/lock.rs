//! When the inputs of a flake were last changed, by its flake.lock (nix3-flake(1), "Lock files").

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Times in seconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub struct Lock {
    /// Of the input nixpkgs; none when there is no such input.
    pub nixpkgs: Option<u64>,
    /// Of the newest input of all.
    pub newest: Option<u64>,
}

impl Lock {
    /// None when there is no file although the flake has inputs.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join("flake.lock");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let flake = std::fs::read_to_string(dir.join("flake.nix")).unwrap_or_default();
                let none = Self {
                    nixpkgs: None,
                    newest: None,
                };
                return Ok((!has_inputs(&flake)).then_some(none));
            }
            Err(e) => return Err(e).with_context(|| format!("while reading {}", path.display())),
        };
        let parsed = serde_json::from_str(&text).context("flake.lock is no JSON.")?;
        Ok(Some(Self::parse(&parsed)))
    }

    fn parse(lock: &Value) -> Self {
        let nodes = &lock["nodes"];
        let changed = |node: &Value| node["locked"]["lastModified"].as_u64();
        let root = lock["root"].as_str().unwrap_or("root");
        let nixpkgs = follow(lock, root, &nodes[root]["inputs"]["nixpkgs"], 0);
        let all = nodes.as_object().into_iter().flat_map(|all| all.values());
        Self {
            nixpkgs: nixpkgs.and_then(|name| changed(&nodes[name])),
            newest: all.filter_map(changed).max(),
        }
    }
}

/// By its text, as `inputs = {` or `inputs.NAME ..` begins a line.
fn has_inputs(flake: &str) -> bool {
    let mut rests = flake
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("inputs"));
    rests.any(|rest| rest.trim_start().starts_with(['=', '.']))
}

/// The node an input stands for: its name, or the way to it from the root by the names of inputs.
fn follow<'a>(lock: &'a Value, root: &str, input: &'a Value, depth: usize) -> Option<&'a str> {
    if let Some(name) = input.as_str() {
        return Some(name);
    }
    if depth > 16 {
        return None;
    }
    let mut node = root;
    let steps = input.as_array().filter(|steps| !steps.is_empty())?;
    for step in steps {
        let next = &lock["nodes"][node]["inputs"][step.as_str()?];
        node = follow(lock, root, next, depth + 1)?;
    }
    lock["nodes"]
        .as_object()?
        .get_key_value(node)
        .map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nixpkgs_is_found_through_what_it_follows() {
        let at = |time| json!({ "locked": { "lastModified": time } });
        let mut lock = json!({ "root": "root", "nodes": {
            "root": { "inputs": { "nixpkgs": "nixpkgs_2", "spinet": "spinet" } },
            "spinet": { "inputs": { "nixpkgs": "nixpkgs" }, "locked": { "lastModified": 9 } },
            "nixpkgs": at(5), "nixpkgs_2": at(7),
        } });
        let expected = Lock {
            nixpkgs: Some(7),
            newest: Some(9),
        };
        assert_eq!(Lock::parse(&lock), expected);
        lock["nodes"]["root"]["inputs"]["nixpkgs"] = json!(["spinet", "nixpkgs"]);
        assert_eq!(Lock::parse(&lock).nixpkgs, Some(5));
        // a circle, and what is no lock file at all
        lock["nodes"]["root"]["inputs"]["nixpkgs"] = json!(["nixpkgs"]);
        assert_eq!(Lock::parse(&lock).nixpkgs, None);
        assert_eq!(Lock::parse(&json!([])).newest, None);
    }

    #[test]
    fn inputs_are_told_from_words_about_them() {
        assert!(has_inputs("{\n  inputs = {\n") && has_inputs("inputs.nixpkgs.url = \"x\";"));
        assert!(!has_inputs(
            "# its inputs = none\n{ outputs = inputs: { }; }\n  inputs:"
        ));
    }
}
