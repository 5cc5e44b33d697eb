//! Looking at Nix text through its syntax tree: keys and where they are bound, rules and what they list. Edits are
//! ranges of the text with their new content, so everything else keeps its layout.

use std::ops::Range;

use rnix::ast::{self, AttrSet, AttrpathValue, Entry, HasEntry, LetIn, List};
use rowan::ast::AstNode;

use crate::secrets::Recipient;

/// Replaces a range of bytes; an empty range inserts.
#[derive(Debug, Clone)]
pub struct Edit {
    pub range: Range<usize>,
    pub text: String,
}

/// A key written as a string.
#[derive(Debug)]
pub struct Key {
    pub recipient: Recipient,
    /// How an expression in the body refers to it: `bach`, `systems.bach`; none for an element of a list.
    pub path: Option<Vec<String>>,
    /// The whole binding, `bach = "..";`.
    pub binding: Option<Range<usize>>,
}

impl Key {
    /// The last part of its name.
    pub fn name(&self) -> Option<&str> {
        self.path.as_ref()?.last().map(String::as_str)
    }
}

/// A rule as it is written: `"a.age".publicKeys = VALUE;` or `"a.age" = { publicKeys = VALUE; };`.
#[derive(Debug)]
pub struct WrittenRule {
    pub name: String,
    pub value: ast::Expr,
}

/// A list bound to a name in the outermost `let`.
#[derive(Debug)]
pub struct Group {
    pub name: String,
    pub list: List,
}

/// Applies edits to a text; they must not overlap.
pub fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|e| std::cmp::Reverse(e.range.start));
    let mut text = text.to_owned();
    for edit in edits {
        text.replace_range(edit.range, &edit.text);
    }
    text
}

/// The parsed text's outermost expression.
pub fn parse(text: &str) -> Option<ast::Expr> {
    rnix::Root::parse(text).tree().expr()
}

/// Where a node lies in the text, in bytes.
pub fn range(node: &impl AstNode) -> Range<usize> {
    let range = node.syntax().text_range();
    range.start().into()..range.end().into()
}

/// Every key in a text, in order.
pub fn keys(text: &str) -> Vec<Key> {
    let Some(root) = parse(text) else {
        return Vec::new();
    };
    root.syntax()
        .descendants()
        .filter_map(ast::Str::cast)
        .filter_map(|string| key(&string))
        .collect()
}

fn key(string: &ast::Str) -> Option<Key> {
    let text = plain(string)?;
    let starts = ["ssh-ed25519 ", "ssh-rsa ", "age1"]
        .iter()
        .any(|kind| text.trim_start().starts_with(kind));
    if !starts {
        return None;
    }
    let recipient = Recipient::parse_all(&text).into_iter().next()?;
    let binding = string.syntax().parent().and_then(AttrpathValue::cast);
    let path = binding.as_ref().and_then(full_path);
    Some(Key {
        recipient,
        path,
        binding: binding.as_ref().map(range),
    })
}

/// The content of a string without interpolation.
fn plain(string: &ast::Str) -> Option<String> {
    let mut text = String::new();
    for part in string.normalized_parts() {
        match part {
            ast::InterpolPart::Literal(literal) => text.push_str(&literal),
            ast::InterpolPart::Interpolation(_) => return None,
        }
    }
    Some(text)
}

/// A binding's own path: `a.b = ..` is `[a, b]`.
fn own_path(binding: &AttrpathValue) -> Option<Vec<String>> {
    binding
        .attrpath()?
        .attrs()
        .map(|attr| match attr {
            ast::Attr::Ident(ident) => Some(ident.to_string()),
            ast::Attr::Str(string) => plain(&string),
            ast::Attr::Dynamic(_) => None,
        })
        .collect()
}

/// With the names of the sets around it, up to the `let` or the file's own set.
fn full_path(binding: &AttrpathValue) -> Option<Vec<String>> {
    let mut path = own_path(binding)?;
    let mut node = binding.syntax().parent()?;
    while let Some(set) = AttrSet::cast(node.clone()) {
        let Some(outer) = set.syntax().parent().and_then(AttrpathValue::cast) else {
            break;
        };
        path.splice(0..0, own_path(&outer)?);
        node = outer.syntax().parent()?;
    }
    Some(path)
}

/// The set of rules: the body of the file behind its `let`s and `with`s.
fn body(root: &ast::Expr) -> Option<AttrSet> {
    match root {
        ast::Expr::AttrSet(set) => Some(set.clone()),
        ast::Expr::LetIn(let_in) => body(&let_in.body()?),
        ast::Expr::With(with) => body(&with.body()?),
        ast::Expr::Paren(paren) => body(&paren.expr()?),
        _ => None,
    }
}

fn lets(root: &ast::Expr) -> Option<LetIn> {
    match root {
        ast::Expr::LetIn(let_in) => Some(let_in.clone()),
        ast::Expr::With(with) => lets(&with.body()?),
        _ => None,
    }
}

/// The rules written in the file's own set.
pub fn rules(root: &ast::Expr) -> Vec<WrittenRule> {
    let bindings = |set: &AttrSet| -> Vec<AttrpathValue> {
        set.entries()
            .filter_map(|e| match e {
                Entry::AttrpathValue(b) => Some(b),
                Entry::Inherit(_) => None,
            })
            .collect()
    };
    let mut found = Vec::new();
    for binding in body(root).iter().flat_map(bindings) {
        let Some((path, value)) = own_path(&binding).zip(binding.value()) else {
            continue;
        };
        match (path.as_slice(), value) {
            ([name, attr], value) if attr == "publicKeys" => found.push(WrittenRule {
                name: name.clone(),
                value,
            }),
            ([name], ast::Expr::AttrSet(set)) => {
                let keys = bindings(&set)
                    .into_iter()
                    .find(|b| own_path(b).is_some_and(|p| p == ["publicKeys"]));
                if let Some(value) = keys.and_then(|b| b.value()) {
                    found.push(WrittenRule {
                        name: name.clone(),
                        value,
                    });
                }
            }
            _ => {}
        }
    }
    found
}

/// The lists bound in the file's `let`.
pub fn groups(root: &ast::Expr) -> Vec<Group> {
    let entries = lets(root)
        .into_iter()
        .flat_map(|l| l.entries().collect::<Vec<_>>());
    entries
        .filter_map(|entry| match entry {
            Entry::AttrpathValue(binding) => {
                match (own_path(&binding)?.as_slice(), binding.value()?) {
                    ([name], ast::Expr::List(list)) => Some(Group {
                        name: name.clone(),
                        list,
                    }),
                    _ => None,
                }
            }
            Entry::Inherit(_) => None,
        })
        .collect()
}

/// The start of the file's `let`: where a first binding goes.
pub fn let_start(root: &ast::Expr) -> Option<usize> {
    let let_in = lets(root)?;
    let token = let_in.let_token()?;
    Some(token.text_range().end().into())
}

/// Whether an expression mentions a name.
pub fn mentions(expr: &ast::Expr, name: &str) -> bool {
    expr.syntax()
        .descendants()
        .filter_map(ast::Ident::cast)
        .any(|ident| ident.to_string() == name)
}
