//! The agenix rules (`secrets.nix`), as nix evaluates them: which file is for whom.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Recipient;
use crate::error::{Failure, Hint};
use crate::process::Cmd;

/// Evaluated rules.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The rules file, absolute.
    pub file: PathBuf,
    /// The git work tree (or plain folder) around it; nothing outside is read or edited.
    pub root: PathBuf,
    entries: BTreeMap<String, Rule>,
    /// The names by where the files are.
    names: OnceCell<HashMap<PathBuf, String>>,
}

/// One secret's rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Sorted, each once.
    pub recipients: Vec<Recipient>,
    /// The file is ASCII armored.
    pub armor: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    public_keys: Vec<String>,
    #[serde(default)]
    armor: bool,
}

impl Rules {
    /// Evaluates a rules file inside `root`: as the user, reading nothing else, building nothing.
    pub async fn load(file: &Path, root: &Path) -> Result<Self> {
        let file = existing(file)?;
        let root = root
            .canonicalize()
            .with_context(|| format!("while looking for {}", root.display()))?;
        let entries = evaluate(&file, &[&root]).await?;
        Ok(Self::new(file, root, entries))
    }

    /// Rules that nix has evaluated elsewhere, as `nix-instantiate --eval --strict --json` prints them: for builds,
    /// where there is no nix.
    pub fn evaluated(file: &Path, json: &str) -> Result<Self> {
        let file = existing(file)?;
        let root = file.parent().unwrap_or(Path::new("/")).to_owned();
        let entries = parse(json).context("while reading evaluated rules")?;
        Ok(Self::new(file, root, entries))
    }

    /// The same rules after a change.
    pub fn with(&self, entries: BTreeMap<String, Rule>) -> Self {
        Self::new(self.file.clone(), self.root.clone(), entries)
    }

    fn new(file: PathBuf, root: PathBuf, entries: BTreeMap<String, Rule>) -> Self {
        Self {
            file,
            root,
            entries,
            names: OnceCell::new(),
        }
    }

    /// The rules the user means (see [`Rules::find`]), evaluated inside their git work tree, or their own folder where
    /// there is none. `start` is where the user stands.
    pub async fn locate(start: &Path, flag: Option<&Path>) -> Result<Self> {
        let file = existing(&Self::find(start, flag)?)?;
        let folder = file.parent().unwrap_or(start).to_owned();
        let root = crate::git::work_tree(&folder).await.unwrap_or(folder);
        Self::load(&file, &root).await
    }

    /// Evaluates the same rules from a copy of the work tree.
    pub(super) async fn evaluate_copy(&self, copy: &Path) -> Result<BTreeMap<String, Rule>> {
        let inside = self
            .file
            .strip_prefix(&self.root)
            .context("The rules lie outside their work tree.")?;
        evaluate(&copy.join(inside), &[copy, &self.root]).await
    }

    /// The rules the user means: `--rules`, `$RULES`, else `secrets/secrets.nix` or `secrets.nix` upwards from `start`.
    pub fn find(start: &Path, flag: Option<&Path>) -> Result<PathBuf> {
        let named = flag
            .map(Path::to_owned)
            .or_else(|| std::env::var_os("RULES").map(PathBuf::from));
        if let Some(path) = named {
            return Ok(start.join(path));
        }
        let places = start
            .ancestors()
            .flat_map(|dir| [dir.join("secrets/secrets.nix"), dir.join("secrets.nix")]);
        places
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| {
                Failure::usage(format!(
                    "There is no secrets.nix in {} or above it.",
                    start.display()
                ))
                .hint("Name the rules with --rules FILE.")
                .into()
            })
    }

    /// The folder the rules' file names are relative to.
    pub fn dir(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// All rules by the name they have in the file.
    pub fn entries(&self) -> &BTreeMap<String, Rule> {
        &self.entries
    }

    /// Where a rule's secret lies.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The rule's name of a secret's path. The secret may not exist yet, its folder does.
    pub fn name_of(&self, path: &Path) -> Option<String> {
        let names = self.names.get_or_init(|| {
            let mut folders: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
            let mut names = HashMap::new();
            for name in self.entries.keys() {
                let path = self.path_of(name);
                let (Some(folder), Some(file)) = (path.parent(), path.file_name()) else {
                    continue;
                };
                let real = folders
                    .entry(folder.to_owned())
                    .or_insert_with(|| folder.canonicalize().ok());
                if let Some(real) = real {
                    names.insert(real.join(file), name.clone());
                }
            }
            names
        });
        let real = path.parent()?.canonicalize().ok()?;
        names.get(&real.join(path.file_name()?)).cloned()
    }

    /// The rule the user means by `given`: its name, or a path from where the user stands.
    pub fn name_given(&self, given: &str, start: &Path) -> String {
        if self.entries.contains_key(given) {
            return given.to_owned();
        }
        let path = start.join(given);
        self.name_of(&path).unwrap_or_else(|| given.to_owned())
    }

    /// The rule of that name.
    pub fn rule(&self, name: &str) -> Result<&Rule> {
        self.entries.get(name).ok_or_else(|| {
            let known: Vec<_> = self.entries.keys().map(String::as_str).collect();
            Failure::usage(format!(
                "{} has no rule for {}.",
                self.file.display(),
                crate::ui::visible(name)
            ))
            .hint(format!("It has rules for: {}.", known.join(", ")))
            .into()
        })
    }

    /// The rules named, and those that list `key`.
    pub fn names_for(&self, names: &[String], key: Option<&str>) -> Vec<String> {
        let key = key.and_then(|k| Recipient::parse_all(k).pop());
        let wanted = |(name, rule): &(&String, &Rule)| {
            names.contains(name)
                || key
                    .as_ref()
                    .is_some_and(|k| rule.recipients.iter().any(|r| r.key() == k.key()))
        };
        self.entries
            .iter()
            .filter(wanted)
            .map(|(name, _)| name.clone())
            .collect()
    }
}

fn existing(file: &Path) -> Result<PathBuf> {
    file.canonicalize().map_err(|e| {
        let failure = Failure::usage(format!("There are no rules at {}.", file.display()))
            .hint("Name them with --rules FILE; agenix' tutorial shows how they look.");
        match e.kind() {
            std::io::ErrorKind::NotFound => failure,
            _ => failure.source(e),
        }
        .into()
    })
}

/// Reads nothing outside `roots`.
async fn evaluate(file: &Path, roots: &[&Path]) -> Result<BTreeMap<String, Rule>> {
    let cmd = Cmd::new("nix-instantiate")
        .args([
            "--eval",
            "--strict",
            "--json",
            "--option",
            "restrict-eval",
            "true",
        ])
        .args(["--option", "allow-import-from-derivation", "false"])
        .args(roots.iter().flat_map(|root| [Path::new("-I"), root]))
        .arg(file)
        .or_install("Install Nix (nixos.org/download).");
    let text = cmd.text().await.map_err(|e| {
        let failure = Failure::new(format!(
            "The rules in {} could not be evaluated.",
            file.display()
        ));
        if e.to_string().contains("in restricted mode") {
            failure.hint("Rules can read files of their own work tree only.")
        } else {
            failure
        }
        .source(e)
    })?;
    parse(&text).hint(
        format!("The rules in {} are not what agenix reads.", file.display()),
        "A rule looks so: \"FILE.age\".publicKeys = [ \"ssh-ed25519 AAAA..\" ];",
    )
}

fn parse(json: &str) -> Result<BTreeMap<String, Rule>> {
    let rules: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(json).map_err(|_| Failure::new("They are no set of rules."))?;
    let written = rules.into_iter().map(|(name, rule)| {
        let shown = crate::ui::visible(&name);
        let rule: Written = serde_json::from_value(rule).map_err(|_| {
            Failure::new(format!(
                "{shown} has no publicKeys, or they are no list of strings."
            ))
        })?;
        Ok((name, rule))
    });
    let written: BTreeMap<String, Written> = written.collect::<Result<_>>()?;
    // the same few strings, in every rule
    let mut known: HashMap<String, Vec<Recipient>> = HashMap::new();
    let mut rule = |written: Written| {
        let mut recipients: Vec<Recipient> = Vec::with_capacity(written.public_keys.len());
        for text in written.public_keys {
            let parsed = known
                .entry(text)
                .or_insert_with_key(|text| Recipient::parse_all(text));
            for key in parsed {
                if !recipients.iter().any(|known| known.key() == key.key()) {
                    recipients.push(key.clone());
                }
            }
        }
        Rule {
            recipients,
            armor: written.armor,
        }
    };
    Ok(written
        .into_iter()
        .map(|(name, written)| (name, rule(written)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_count_once_and_two_keys_in_a_string_twice() {
        let rules = parse(r#"{ "a.age": { "publicKeys": ["ssh-ed25519 A x", "ssh-ed25519 B\nssh-ed25519 A y"], "armor": true } }"#).unwrap();
        let rule = &rules["a.age"];
        assert_eq!(
            rule.recipients
                .iter()
                .map(Recipient::key)
                .collect::<Vec<_>>(),
            ["ssh-ed25519 A", "ssh-ed25519 B"]
        );
        assert!(rule.armor);
    }

    #[test]
    fn rules_without_public_keys_are_no_rules() {
        assert!(parse(r#"{ "a.age": { "armor": true } }"#).is_err());
    }
}
