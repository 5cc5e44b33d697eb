//! The places where a new key can be bound: beside its neighbours and named like them, whichever file they are in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rnix::ast;
use rowan::ast::AstNode;

use super::key_file;
use super::sources::Sources;
use super::tree::{self, Edit, Key};
use crate::secrets::Recipient;

/// The key bound somewhere, and how the text in `scope` refers to it.
#[derive(Debug)]
pub struct Bound {
    pub sources: Sources,
    pub scope: PathBuf,
    reference: String,
}

impl Bound {
    /// The key without a name: it stands for itself.
    pub fn inline(sources: &Sources, line: &str) -> Self {
        Self {
            sources: sources.clone(),
            scope: sources.rules().0.to_owned(),
            reference: literal(line),
        }
    }

    /// What to write in a file: the name where it is known, the key itself elsewhere.
    pub fn in_file(&self, file: &Path, line: &str) -> String {
        if file == self.scope {
            self.reference.clone()
        } else {
            literal(line)
        }
    }
}

/// All places, the most natural first: where other machines' keys are, where other keys are, the `let`, nowhere.
pub fn ways(sources: &Sources, host: &str, line: &str, key: &Recipient) -> Vec<Bound> {
    let (rules, text) = sources.rules();
    let bound = |sources: Sources, reference: String| Bound {
        sources,
        scope: rules.to_owned(),
        reference,
    };
    let mut found: Vec<(bool, Bound)> = Vec::new();
    for (path, content) in with_names(sources) {
        let Some(alias) = alias_of(sources, path, 4) else {
            continue;
        };
        let keys = keys_of(path, content);
        let present = keys.iter().find(|k| k.recipient.key() == key.key());
        if let Some(own) = present.and_then(|k| k.path.clone()) {
            return vec![bound(sources.clone(), alias.refer(&own))];
        }
        for machine in [true, false] {
            let Some(neighbour) = neighbour(&keys, machine) else {
                continue;
            };
            if let Some((edited, name)) = beside(sources, path, content, neighbour, host, line) {
                let reference = alias.refer(&name);
                let edited = alias.export(edited, &name);
                found.push((machine, bound(edited, reference)));
            }
            break;
        }
    }
    if let Some((edited, reference)) = key_file::of_its_own(sources, host, line) {
        found.push((true, bound(edited, reference)));
    }
    // the rules file is the first of equals
    found.sort_by_key(|(machine, _)| !machine);
    let mut ways: Vec<Bound> = found.into_iter().map(|(_, bound)| bound).collect();
    let start = tree::parse(text)
        .and_then(|root| tree::outer_let(&root))
        .and_then(|l| {
            l.let_token()
                .map(|token| usize::from(token.text_range().end()))
        });
    if let Some(at) = start {
        let mut edited = sources.clone();
        let name = identifier(host);
        let text = format!("{}  {name} = {};", tree::line_end(text), literal(line));
        edited.edit(
            rules,
            vec![Edit {
                range: at..at,
                text,
            }],
        );
        ways.push(bound(edited, name));
    }
    // without any name to follow, the key itself is the element
    ways.push(Bound::inline(sources, line));
    ways
}

/// The files that give names to keys: all but those that are a key.
fn with_names(sources: &Sources) -> impl Iterator<Item = (&PathBuf, &str)> {
    let plain = |path: &Path| path.extension().is_some_and(|e| e == "pub");
    sources.files().filter(move |(path, _)| !plain(path))
}

/// The name every bound key has in its file's own terms: `bach`, `systems.bach`.
pub fn named(sources: &Sources) -> Vec<(String, String)> {
    let keys = sources.files().flat_map(|(path, text)| keys_of(path, text));
    let named = keys.filter_map(|key| {
        let name = key.path?.join(".");
        Some((key.recipient.key().to_owned(), name))
    });
    named.collect()
}

/// How the rules refer to every key that is bound to a name, by key.
pub fn references(sources: &Sources) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, text) in with_names(sources) {
        let keys = keys_of(path, text);
        let Some(alias) = (!keys.is_empty())
            .then(|| alias_of(sources, path, 4))
            .flatten()
        else {
            continue;
        };
        for key in keys {
            if let Some(path) = key.path {
                found.insert(key.recipient.key().to_owned(), alias.refer(&path));
            }
        }
    }
    found
}

/// A string as Nix reads it back.
pub fn literal(line: &str) -> String {
    let escaped = line.trim().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace("${", "\\${"))
}

/// The keys of a Nix or JSON file, or the one of a `.pub` file, which is called as its file is.
pub fn keys_of(path: &Path, text: &str) -> Vec<Key> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("nix") => tree::keys(text),
        Some("json") => super::json::keys(text),
        Some("pub") => {
            let name = path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            let keys = Recipient::parse_all(text).into_iter().map(|recipient| Key {
                recipient,
                path: name.clone().map(|name| vec![name]),
                binding: None,
            });
            keys.collect()
        }
        _ => Vec::new(),
    }
}

/// The last key of a machine, or the last key with a name.
fn neighbour(keys: &[Key], machine: bool) -> Option<&Key> {
    let fits = |key: &&Key| {
        key.path.is_some()
            && key.binding.is_some()
            && (!machine || key.recipient.name().starts_with("root@"))
    };
    keys.iter().rev().find(fits)
}

/// The key bound in one file after the neighbour it is named like, and its path in that file.
fn beside(
    sources: &Sources,
    path: &Path,
    text: &str,
    neighbour: &Key,
    host: &str,
    line: &str,
) -> Option<(Sources, Vec<String>)> {
    let at = neighbour.binding.clone()?;
    let mut whole = neighbour.path.clone()?;
    whole.pop();
    whole.push(like(neighbour, host));
    let new = if path.extension().is_some_and(|e| e == "json") {
        super::json::member(text, &at, whole.last()?, line)
    } else {
        // inside a set only the last part is written; a dotted binding is written whole
        let own = text.get(at.clone())?.split_once('=')?.0.trim();
        let written = own.split('.').count();
        let names = whole[whole.len().saturating_sub(written)..].iter();
        let shown: Vec<String> = names.map(|name| identifier(name)).collect();
        let (end, indent) = (tree::line_end(text), tree::indent_at(text, at.start));
        format!("{end}{indent}{} = {};", shown.join("."), literal(line))
    };
    let mut edited = sources.clone();
    let at = tree::behind_comment(text, at.end);
    let edit = Edit {
        range: at..at,
        text: new,
    };
    edited.edit(path, vec![edit]);
    Some((edited, whole))
}

/// `bach`, or `root_bach` where the neighbour is `root_byrd` with the comment `root@byrd`.
fn like(neighbour: &Key, host: &str) -> String {
    let name = neighbour.name().unwrap_or_default();
    let comment = neighbour.recipient.name();
    let other = comment.rsplit('@').next().unwrap_or_default();
    let around = name
        .split_once(other)
        .filter(|_| !other.is_empty() && comment.starts_with("root@"));
    match around {
        Some((before, after)) => format!("{before}{host}{after}"),
        None => host.to_owned(),
    }
}

/// A name as Nix reads it back: quoted unless it is a plain identifier.
pub fn identifier(name: &str) -> String {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-'".contains(c);
    if name.starts_with(first) && name.chars().all(plain) {
        name.to_owned()
    } else {
        literal(name)
    }
}

/// How the rules file refers to what another file evaluates to.
struct Alias {
    /// `keys`, `keys.hosts`; empty where the names are in scope by themselves.
    prefix: Vec<String>,
    /// Names are taken one by one, by this `inherit` of this file; a new one is added at its end.
    inherit: Option<(PathBuf, usize)>,
}

impl Alias {
    fn refer(&self, name: &[String]) -> String {
        let names = self.prefix.iter().chain(name);
        names.map(|n| identifier(n)).collect::<Vec<_>>().join(".")
    }

    fn export(&self, mut sources: Sources, name: &[String]) -> Sources {
        if let (Some((file, at)), Some(first)) = (&self.inherit, name.first()) {
            let text = format!(" {}", identifier(first));
            let range = *at..*at;
            sources.edit(file, vec![Edit { range, text }]);
        }
        sources
    }
}

/// Looks for `NAME = import FILE`, `with import FILE;`, `inherit (import FILE) ..` and reading as JSON, in the rules and
/// in files they import, to the given depth.
fn alias_of(sources: &Sources, file: &Path, depth: u8) -> Option<Alias> {
    let plain = |prefix| Alias {
        prefix,
        inherit: None,
    };
    if file == sources.rules().0 {
        return Some(plain(Vec::new()));
    }
    let depth = depth.checked_sub(1)?;
    let loads = |from: &Path, expr: Option<ast::Expr>| {
        let mut expr = expr?;
        while let ast::Expr::Paren(paren) = expr {
            expr = paren.expr()?;
        }
        let (path, _) = sources.resolve(from, &tree::loaded_path(&expr)?)?;
        (path == file).then_some(())
    };
    let nix = |path: &Path| path.extension().is_some_and(|e| e == "nix");
    for (from, text) in sources
        .files()
        .filter(|(path, _)| nix(path) && *path != file)
    {
        let Some(root) = tree::parse(text) else {
            continue;
        };
        for node in root.syntax().descendants() {
            if let Some(binding) = ast::AttrpathValue::cast(node.clone()) {
                if loads(from, binding.value()).is_some() {
                    let mut outer = alias_of(sources, from, depth)?;
                    outer.prefix.extend(tree::full_path(&binding)?);
                    return Some(outer);
                }
            } else if let Some(with) = ast::With::cast(node.clone()) {
                if loads(from, with.namespace()).is_some() {
                    return alias_of(sources, from, depth);
                }
            } else if let Some(inherit) = ast::Inherit::cast(node) {
                let set = inherit.from().and_then(|from| from.expr());
                if loads(from, set).is_some() {
                    let last = inherit.attrs().last()?;
                    let outer = alias_of(sources, from, depth)?;
                    let inherit = Some((from.clone(), tree::range(&last).end));
                    return Some(Alias { inherit, ..outer });
                }
            }
        }
    }
    None
}
