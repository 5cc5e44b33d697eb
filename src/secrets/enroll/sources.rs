//! The rules file and the files in its work tree that it imports or reads: where a key can be written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rnix::SyntaxKind;

use super::tree;
use crate::error::Failure;

/// Texts by their path; the rules file among them.
#[derive(Debug, Clone)]
pub struct Sources {
    rules: PathBuf,
    files: BTreeMap<PathBuf, String>,
}

impl Sources {
    /// Reads the rules and, as far as path literals tell, everything they import or read inside `root`.
    pub fn read(rules: &Path, root: &Path) -> Result<Self> {
        let mut sources = Self {
            rules: rules.to_owned(),
            files: BTreeMap::new(),
        };
        sources.add(rules, root)?;
        Ok(sources)
    }

    fn add(&mut self, path: &Path, root: &Path) -> Result<()> {
        if self.files.contains_key(path) || !path.starts_with(root) {
            return Ok(());
        }
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("while reading {}", path.display()))?;
        self.files.insert(path.to_owned(), text.clone());
        if path.extension().is_none_or(|e| e != "nix") {
            return Ok(());
        }
        let parsed = rnix::Root::parse(&text);
        if let Some(error) = parsed.errors().first() {
            return Err(
                Failure::new(format!("{} is no valid Nix: {error}.", path.display())).into(),
            );
        }
        for node in parsed
            .syntax()
            .descendants()
            .filter(|n| n.kind() == SyntaxKind::NODE_PATH_REL)
        {
            let target = path.parent().unwrap_or(root).join(node.text().to_string());
            let target = if target.is_dir() {
                target.join("default.nix")
            } else {
                target
            };
            let readable = target
                .extension()
                .is_some_and(|e| ["nix", "pub", "json", "txt"].iter().any(|k| e == *k));
            // a link may lead out of the work tree: such a file is not ours to edit
            if let (true, Ok(real)) = (readable, target.canonicalize()) {
                self.add(&real, root)?;
            }
        }
        Ok(())
    }

    pub fn files(&self) -> impl Iterator<Item = (&PathBuf, &str)> {
        self.files.iter().map(|(path, text)| (path, text.as_str()))
    }

    pub fn text(&self, path: &Path) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The rules file and its text.
    pub fn rules(&self) -> (&Path, &str) {
        (
            &self.rules,
            self.files.get(&self.rules).map_or("", String::as_str),
        )
    }

    /// Applies edits to one file.
    pub fn edit(&mut self, path: &Path, edits: Vec<tree::Edit>) {
        if let Some(text) = self.files.get_mut(path) {
            *text = tree::apply(text, edits);
        }
    }

    /// Replaces a text wherever it stands.
    pub fn replace_all(&mut self, from: &str, to: &str) {
        for text in self.files.values_mut() {
            if text.contains(from) {
                *text = text.replace(from, to);
            }
        }
    }
}
