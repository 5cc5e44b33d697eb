//! A new key into the rules: bound beside its neighbours and named like them, then listed where it is needed.

use rnix::ast::{self, List};
use rowan::ast::AstNode;

use super::sources::Sources;
use super::tree::{self, Edit, Group, Key, WrittenRule};
use crate::secrets::Recipient;

/// Names people give to lists of machines.
const MACHINES: [&str; 7] = [
    "systems",
    "hosts",
    "machines",
    "servers",
    "pis",
    "nodes",
    "allSystems",
];

/// The texts that could be meant, the most natural first. Without missing rules there is one: the text as it is.
pub fn ways(
    sources: &Sources,
    host: &str,
    line: &str,
    key: &Recipient,
    missing: &[&str],
) -> Vec<Sources> {
    if missing.is_empty() {
        return vec![sources.clone()];
    }
    let mut ways = Vec::new();
    let (path, _) = sources.rules();
    let path = path.to_owned();
    for (bound, reference) in bindings(sources, host, line, key) {
        let (_, text) = bound.rules();
        let Some(root) = tree::parse(text) else {
            continue;
        };
        let rules = tree::rules(&root);
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        for group in fitting_groups(&root, &rules, missing) {
            let mut way = bound.clone();
            way.edit(&path, vec![append(text, &group.list, &reference, end)]);
            ways.push(way);
        }
        let mut edits = Vec::new();
        for name in missing {
            edits.extend(
                rules
                    .iter()
                    .find(|r| r.name == *name)
                    .map(|rule| add_to(text, &rule.value, &reference, end)),
            );
        }
        if edits.len() == missing.len() {
            let mut way = bound.clone();
            way.edit(&path, edits);
            ways.push(way);
        }
    }
    ways
}

/// The key bound under a name, and how the rules refer to it.
fn bindings(sources: &Sources, host: &str, line: &str, key: &Recipient) -> Vec<(Sources, String)> {
    let (rules, text) = sources.rules();
    let rules = rules.to_owned();
    let here = tree::keys(text);
    if let Some(path) = here
        .iter()
        .find(|k| k.recipient.key() == key.key())
        .and_then(|k| k.path.clone())
    {
        return vec![(sources.clone(), path.join("."))];
    }
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let literal = format!("\"{}\"", line.trim());
    let mut found: Vec<_> = beside(sources, &rules, text, host, &literal)
        .into_iter()
        .collect();
    // keys of an imported file, by the name the rules give to the import
    for (path, imported) in sources.files().filter(|(path, _)| **path != rules) {
        if let (Some(alias), Some((bound, name))) = (
            imported_as(text, path),
            beside(sources, path, imported, host, &literal),
        ) {
            found.push((bound, format!("{alias}.{name}")));
        }
    }
    if let (true, Some(at)) = (
        found.is_empty(),
        tree::parse(text).as_ref().and_then(tree::let_start),
    ) {
        let mut bound = sources.clone();
        let text = format!("{end}  {} = {literal};", identifier(host));
        bound.edit(
            &rules,
            vec![Edit {
                range: at..at,
                text,
            }],
        );
        found.push((bound, identifier(host)));
    }
    // without any name to follow, the key itself is the element
    found.push((sources.clone(), literal));
    found
}

/// The key bound in one file after the neighbour it is named like, and its path in that file.
fn beside(
    sources: &Sources,
    path: &std::path::Path,
    text: &str,
    host: &str,
    literal: &str,
) -> Option<(Sources, String)> {
    let keys = tree::keys(text);
    let (neighbour, at) = neighbour(&keys)?;
    let mut whole = neighbour.path.clone().unwrap_or_default();
    whole.pop();
    whole.push(like(neighbour, host));
    // inside a set only the last part is written; a dotted binding is written whole
    let written = own_name(text, &at).map_or(1, |own| own.split('.').count());
    let shown = whole[whole.len().saturating_sub(written)..].join(".");
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let text = format!("{end}{}{shown} = {literal};", indent_at(text, at.start));
    let mut bound = sources.clone();
    bound.edit(
        path,
        vec![Edit {
            range: at.end..at.end,
            text,
        }],
    );
    Some((bound, whole.join(".")))
}

/// The last key of a machine, else the last key with a name.
fn neighbour(keys: &[Key]) -> Option<(&Key, std::ops::Range<usize>)> {
    let named = || keys.iter().rev().filter(|k| k.path.is_some());
    let machine = named().find(|k| k.recipient.name().starts_with("root@"));
    let key = machine.or_else(|| named().next())?;
    Some((key, key.binding.clone()?))
}

/// `bach`, or `root_bach` where the neighbour is `root_byrd` with the comment `root@byrd`.
fn like(neighbour: &Key, host: &str) -> String {
    let name = neighbour.name().unwrap_or_default();
    let comment = neighbour.recipient.name();
    let other = comment.rsplit('@').next().unwrap_or_default();
    let prefixed = name
        .strip_suffix(other)
        .filter(|prefix| !other.is_empty() && !prefix.is_empty() && comment.starts_with("root@"));
    identifier(&format!("{}{host}", prefixed.unwrap_or_default()))
}

/// A host name as Nix reads it back: quoted if it begins with a digit.
fn identifier(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

fn own_name<'a>(text: &'a str, binding: &std::ops::Range<usize>) -> Option<&'a str> {
    Some(text.get(binding.clone())?.split_once('=')?.0.trim())
}

fn indent_at(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let line = &text[start..at];
    &line[..line.len() - line.trim_start().len()]
}

/// The name a file is imported under: `keys = import ./keys.nix;`.
fn imported_as(text: &str, path: &std::path::Path) -> Option<String> {
    let file = path.file_name()?.to_string_lossy().into_owned();
    let root = tree::parse(text)?;
    root.syntax()
        .descendants()
        .filter_map(ast::AttrpathValue::cast)
        .find_map(|binding| {
            let value = binding.value()?.to_string();
            (value.starts_with("import ") && value.contains(&file))
                .then(|| binding.attrpath().map(|p| p.to_string()))?
        })
}

/// Lists that exactly the missing rules use: machines' lists first.
fn fitting_groups(root: &ast::Expr, rules: &[WrittenRule], missing: &[&str]) -> Vec<Group> {
    let mut groups = tree::groups(root);
    groups.retain(|group| {
        let users: Vec<&str> = rules
            .iter()
            .filter(|r| tree::mentions(&r.value, &group.name))
            .map(|r| r.name.as_str())
            .collect();
        !users.is_empty()
            && users.len() == missing.len()
            && users.iter().all(|u| missing.contains(u))
    });
    groups.retain(|group| {
        MACHINES.contains(&group.name.as_str())
            || group
                .list
                .items()
                .all(|item| item.to_string().contains("root"))
    });
    groups
}

/// The edit that adds `reference` to what a rule lists.
fn add_to(text: &str, value: &ast::Expr, reference: &str, end: &str) -> Edit {
    if let ast::Expr::List(list) = value {
        return append(text, list, reference, end);
    }
    let range = tree::range(value);
    let open = matches!(
        value,
        ast::Expr::IfElse(_) | ast::Expr::LetIn(_) | ast::Expr::Lambda(_) | ast::Expr::Assert(_)
    );
    let inner = &text[range.clone()];
    let text = if open {
        format!("({inner}) ++ [ {reference} ]")
    } else {
        format!("{inner} ++ [ {reference} ]")
    };
    Edit { range, text }
}

/// A new last element, laid out like the one before it.
fn append(text: &str, list: &List, reference: &str, end: &str) -> Edit {
    let range = tree::range(list);
    match list.items().last() {
        Some(element) => {
            let at = tree::range(&element);
            let own_line = text[..at.start]
                .rfind('\n')
                .is_some_and(|n| text[n..at.start].trim().is_empty() && n > range.start);
            let separator = if own_line {
                format!("{end}{}", indent_at(text, at.start))
            } else {
                " ".to_owned()
            };
            Edit {
                range: at.end..at.end,
                text: format!("{separator}{reference}"),
            }
        }
        None => Edit {
            text: format!("[ {reference} ]"),
            range,
        },
    }
}
