//! The ways to list a bound key where it is needed: in a list the rules share, or in each rule.

use std::ops::Range;
use std::path::PathBuf;

use rnix::ast::{self, Inherit, List};
use rowan::ast::AstNode;

use super::binding::{self, Bound};
use super::rules::{self, Form, WrittenRule};
use super::sources::Sources;
use super::tree::{self, Edit};
use crate::secrets::Recipient;

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
    for bound in binding::ways(sources, host, line, key) {
        // a set of keys that rules take as a whole lists the new one by itself
        if bound.sources.text(&bound.scope).is_some_and(takes_sets) {
            ways.push(bound.sources.clone());
        }
        let written = rules::rules(&bound.sources);
        let fits = |group: &rules::Group| {
            group.machines
                && !group.users.is_empty()
                && group
                    .users
                    .iter()
                    .all(|user| missing.contains(&user.as_str()))
        };
        let groups = rules::groups(&bound.sources, &written);
        let mut groups: Vec<_> = groups.into_iter().filter(fits).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.users.len()));
        for group in &groups {
            let text = bound.sources.text(&group.file).unwrap_or_default();
            let list = append(text, &group.list, bound.in_file(&group.file, line).as_ref());
            let rest = |name: &&&str| !group.users.contains(**name);
            let rest: Vec<&str> = missing.iter().filter(rest).copied().collect();
            ways.extend(listed(
                &bound,
                line,
                &written,
                &rest,
                vec![(group.file.clone(), list)],
            ));
        }
        ways.extend(listed(&bound, line, &written, missing, Vec::new()));
    }
    ways
}

/// The key itself added to each of the rules named.
pub fn by_itself(sources: &Sources, line: &str, names: &[&str]) -> Option<Sources> {
    let written = rules::rules(sources);
    listed(
        &Bound::inline(sources, line),
        line,
        &written,
        names,
        Vec::new(),
    )
}

/// Whether a text may take all values of a set.
fn takes_sets(text: &str) -> bool {
    [
        "attrValues",
        "mapAttrs",
        "attrNames",
        "concatMap",
        "readDir",
    ]
    .iter()
    .any(|function| text.contains(function))
}

/// The key added to each of the rules named; none if one of them is not written out.
fn listed(
    bound: &Bound,
    line: &str,
    written: &[WrittenRule],
    names: &[&str],
    mut edits: Vec<(PathBuf, Edit)>,
) -> Option<Sources> {
    for name in names {
        let rule = written.iter().find(|rule| rule.name == *name)?;
        let text = bound.sources.text(&rule.file)?;
        let reference = bound.in_file(&rule.file, line);
        edits.push((rule.file.clone(), add_to(text, &rule.form, &reference)));
    }
    let mut way = bound.sources.clone();
    let mut files: Vec<PathBuf> = edits.iter().map(|(file, _)| file.clone()).collect();
    files.sort();
    files.dedup();
    for file in files {
        let own = edits.iter().filter(|(path, _)| *path == file);
        let own = own.map(|(_, edit)| edit.clone()).collect();
        way.edit(&file, own);
    }
    Some(way)
}

/// The edit that adds `reference` to what a rule lists.
fn add_to(text: &str, form: &Form, reference: &str) -> Edit {
    match form {
        Form::Value(value) => add_to_value(text, value, reference),
        Form::Inherited(inherit) => bind_inherited(inherit, reference),
        Form::Whole(value) => {
            let range = tree::range(value);
            let inner = grouped(value, &text[range.clone()]);
            let text =
                format!("{inner} // {{ publicKeys = {inner}.publicKeys ++ [ {reference} ]; }}");
            Edit { range, text }
        }
    }
}

fn add_to_value(text: &str, value: &ast::Expr, reference: &str) -> Edit {
    match value {
        ast::Expr::List(list) => return append(text, list, reference),
        ast::Expr::With(with) => {
            if let (Some(ast::Expr::List(list)), Some(set)) = (with.body(), with.namespace()) {
                let inside = format!("{set}.");
                return append(
                    text,
                    &list,
                    reference.strip_prefix(&inside).unwrap_or(reference),
                );
            }
        }
        ast::Expr::BinOp(op) if op.operator() == Some(ast::BinOpKind::Concat) => {
            if let Some(ast::Expr::List(list)) = op.rhs() {
                return append(text, &list, reference);
            }
        }
        _ => {}
    }
    let range = tree::range(value);
    let inner = &text[range.clone()];
    let open = matches!(
        value,
        ast::Expr::IfElse(_) | ast::Expr::LetIn(_) | ast::Expr::Lambda(_) | ast::Expr::Assert(_)
    );
    let text = if open {
        format!("({inner}) ++ [ {reference} ]")
    } else {
        format!("{inner} ++ [ {reference} ]")
    };
    Edit { range, text }
}

/// `inherit publicKeys;` as a binding that can be added to; other names stay inherited.
fn bind_inherited(inherit: &Inherit, reference: &str) -> Edit {
    let from = inherit.from().and_then(|from| from.expr());
    let value = match &from {
        Some(set) => format!("{}.publicKeys", grouped(set, &set.to_string())),
        None => "publicKeys".to_owned(),
    };
    let mut text = format!("publicKeys = {value} ++ [ {reference} ];");
    let others: Vec<String> = inherit
        .attrs()
        .map(|attr| attr.to_string())
        .filter(|name| name != "publicKeys")
        .collect();
    if !others.is_empty() {
        let from = from.map(|set| format!("({set}) ")).unwrap_or_default();
        text = format!("inherit {from}{}; {text}", others.join(" "));
    }
    Edit {
        range: tree::range(inherit),
        text,
    }
}

/// In parentheses, unless a `.name` can follow it as it is.
fn grouped(expr: &ast::Expr, text: &str) -> String {
    match expr {
        ast::Expr::Ident(_) | ast::Expr::Select(_) | ast::Expr::Paren(_) => text.to_owned(),
        _ => format!("({text})"),
    }
}

/// A new last element, laid out like the one before it.
pub fn append(text: &str, list: &List, reference: &str) -> Edit {
    let range = tree::range(list);
    let Some(element) = list.items().last() else {
        // comments in an empty list stay
        let at = range.end - 1;
        let space = if text[..at].ends_with(char::is_whitespace) {
            ""
        } else {
            " "
        };
        return Edit {
            text: format!("{space}{reference} "),
            range: at..at,
        };
    };
    after(text, list, &tree::range(&element), reference)
}

/// An element after one of the list's, laid out like it.
pub fn after(text: &str, list: &List, element: &Range<usize>, reference: &str) -> Edit {
    let own_line = text[..element.start]
        .rfind('\n')
        .is_some_and(|n| text[n..element.start].trim().is_empty() && n > tree::range(list).start);
    let separator = if own_line {
        format!(
            "{}{}",
            tree::line_end(text),
            tree::indent_at(text, element.start)
        )
    } else {
        " ".to_owned()
    };
    let at = if own_line {
        tree::behind_comment(text, element.end)
    } else {
        element.end
    };
    Edit {
        range: at..at,
        text: format!("{separator}{reference}"),
    }
}

/// The place of the first rule that cannot be edited, for an error that points at it.
pub fn place(sources: &Sources, missing: &[&str]) -> Range<usize> {
    let (_, text) = sources.rules();
    let Some(root) = tree::parse(text) else {
        return 0..0;
    };
    let strings = root.syntax().descendants().filter_map(ast::Str::cast);
    let mut named =
        strings.filter(|s| tree::plain(s).is_some_and(|s| missing.contains(&s.as_str())));
    named
        .next()
        .map(|string| tree::range(&string))
        .or_else(|| tree::body(&root).map(|body| tree::range(&body)))
        .unwrap_or(0..0)
}
