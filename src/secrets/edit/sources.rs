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

    /// One file that is nowhere on disk.
    #[cfg(any(fuzzing, test))]
    pub fn of_text(path: &Path, text: &str) -> Self {
        Self {
            rules: path.to_owned(),
            files: BTreeMap::from([(path.to_owned(), text.to_owned())]),
        }
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
            return Err(invalid(path, &text, error));
        }
        for node in parsed
            .syntax()
            .descendants()
            .filter(|n| n.kind() == SyntaxKind::NODE_PATH_REL)
        {
            let target = path.parent().unwrap_or(root).join(node.text().to_string());
            for target in meant(target) {
                let readable = target
                    .extension()
                    .is_some_and(|e| ["nix", "pub", "json", "txt"].iter().any(|k| e == *k));
                // a link may lead out of the work tree: such a file is not ours to edit
                if let (true, Ok(real)) = (readable, target.canonicalize()) {
                    self.add(&real, root)?;
                }
            }
        }
        Ok(())
    }

    /// The file a path literal of another file means, if it is among these.
    pub fn resolve(&self, from: &Path, literal: &str) -> Option<(&Path, &str)> {
        let target = from.parent()?.join(literal);
        let real = meant(target).into_iter().next()?.canonicalize().ok()?;
        let (path, text) = self.files.get_key_value(&real)?;
        Some((path, text))
    }

    pub fn files(&self) -> impl DoubleEndedIterator<Item = (&PathBuf, &str)> {
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

    /// Adds a file that does not exist yet.
    pub fn create(&mut self, path: &Path, text: &str) {
        self.files.insert(path.to_owned(), text.to_owned());
    }

    /// Replaces the text of a key wherever it is one: in the strings of Nix files, anywhere in files that hold keys only.
    pub fn replace_key(&mut self, from: &str, to: &str) {
        for (path, text) in &mut self.files {
            if !text.contains(from) {
                continue;
            }
            if path.extension().is_some_and(|e| e == "nix") {
                let literals = tree::literals_with(text, from);
                let edit = |range| tree::Edit {
                    range,
                    text: to.to_owned(),
                };
                *text = tree::apply(text, literals.into_iter().map(edit).collect());
            } else {
                *text = text.replace(from, to);
            }
        }
    }
}

fn invalid(path: &Path, text: &str, error: &rnix::ParseError) -> anyhow::Error {
    use rnix::ParseError::{
        DuplicatedArgs, Unexpected, UnexpectedDoubleBind, UnexpectedExtra, UnexpectedWanted,
    };
    let shown = path.display().to_string();
    let failure = Failure::new(format!("{shown} is no valid Nix.")).hint(format!(
        "Correct it; `nix-instantiate --parse {}` says the same in Nix's own words.",
        crate::process::quote(&shown)
    ));
    match error {
        Unexpected(at)
        | UnexpectedExtra(at)
        | UnexpectedWanted(_, at, _)
        | UnexpectedDoubleBind(at)
        | DuplicatedArgs(at, _) => {
            let range = usize::from(at.start())..usize::from(at.end());
            let shown = crate::ui::snippet(path, text, range, &error.to_string(), "here");
            failure.source(anyhow::anyhow!(shown)).into()
        }
        other => failure.source(anyhow::anyhow!("{other}")).into(),
    }
}

/// What a path in Nix text stands for: a file, a folder's default.nix, or else the files in the folder.
fn meant(target: PathBuf) -> Vec<PathBuf> {
    if !target.is_dir() {
        return vec![target];
    }
    let default = target.join("default.nix");
    if default.is_file() {
        return vec![default];
    }
    let entries = target.read_dir().into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}
