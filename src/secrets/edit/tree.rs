//! Looking at Nix text through its syntax tree: keys and where they are bound, rules and what they list. Edits are
//! ranges of the text with their new content, so everything else keeps its layout.

use std::ops::Range;

use rnix::ast::{self, AttrSet, AttrpathValue, Entry, HasEntry, Inherit, LetIn};
use rowan::ast::AstNode;

use crate::secrets::Recipient;

/// Replaces a range of bytes; an empty range inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Applies edits to a text; they must not overlap. The same edit twice counts once: a set can be used in two places.
pub fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|e| std::cmp::Reverse(e.range.start));
    edits.dedup();
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

/// How the text ends its lines.
pub fn line_end(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// The white space a line begins with.
pub fn indent_at(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let line = &text[start..at];
    &line[..line.len() - line.trim_start().len()]
}

/// The place after `at` and a comment that belongs to what ends there: `admin # me` is one thing.
pub fn behind_comment(text: &str, at: usize) -> usize {
    let rest = text[at..].split('\n').next().unwrap_or_default();
    let comment = rest.trim_start().starts_with('#');
    at + if comment { rest.trim_end().len() } else { 0 }
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

/// Where the text of a key stands inside string literals, and nowhere else.
pub fn literals_with(text: &str, blob: &str) -> Vec<Range<usize>> {
    let strings = parse(text).into_iter().flat_map(|root| {
        root.syntax()
            .descendants()
            .filter_map(ast::Str::cast)
            .collect::<Vec<_>>()
    });
    let mut found = Vec::new();
    for string in strings {
        let at = range(&string);
        let inside = text[at.clone()].match_indices(blob);
        found.extend(inside.map(|(start, _)| at.start + start..at.start + start + blob.len()));
    }
    found
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
pub fn plain(string: &ast::Str) -> Option<String> {
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
pub fn own_path(binding: &AttrpathValue) -> Option<Vec<String>> {
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
pub fn full_path(binding: &AttrpathValue) -> Option<Vec<String>> {
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

/// The bindings of one set or `let`.
pub fn entries(set: &impl HasEntry) -> Vec<AttrpathValue> {
    let written = set.entries().filter_map(|entry| match entry {
        Entry::AttrpathValue(binding) => Some(binding),
        Entry::Inherit(_) => None,
    });
    written.collect()
}

/// The `inherit`s of one set or `let`.
pub fn inherits(set: &impl HasEntry) -> Vec<Inherit> {
    let written = set.entries().filter_map(|entry| match entry {
        Entry::Inherit(inherit) => Some(inherit),
        Entry::AttrpathValue(_) => None,
    });
    written.collect()
}

/// The outermost `let`.
pub fn outer_let(root: &ast::Expr) -> Option<LetIn> {
    match root {
        ast::Expr::LetIn(let_in) => Some(let_in.clone()),
        ast::Expr::With(with) => outer_let(&with.body()?),
        ast::Expr::Paren(paren) => outer_let(&paren.expr()?),
        _ => None,
    }
}

/// What a file evaluates to, behind its `let`s, `with`s and parentheses.
pub fn body(expr: &ast::Expr) -> Option<ast::Expr> {
    match expr {
        ast::Expr::LetIn(let_in) => body(&let_in.body()?),
        ast::Expr::With(with) => body(&with.body()?),
        ast::Expr::Paren(paren) => body(&paren.expr()?),
        other => Some(other.clone()),
    }
}

/// The file an expression imports or reads, as it is written: `import ./keys.nix`, `builtins.readFile ./bach.pub`,
/// `builtins.fromJSON (builtins.readFile ./keys.json)`.
pub fn loaded_path(expr: &ast::Expr) -> Option<String> {
    let ast::Expr::Apply(apply) = expr else {
        return None;
    };
    let function = apply.lambda()?.to_string();
    let name = function.rsplit('.').next()?;
    let mut argument = apply.argument()?;
    while let ast::Expr::Paren(paren) = argument {
        argument = paren.expr()?;
    }
    match (name, &argument) {
        ("import" | "readFile", ast::Expr::PathRel(path)) => Some(path.to_string()),
        ("fromJSON", inner) => loaded_path(inner),
        // an imported function and its argument
        _ => loaded_path(&apply.lambda()?),
    }
}

/// Whether an expression mentions one of the names.
pub fn mentions(expr: &impl AstNode<Language = rnix::NixLanguage>, names: &[String]) -> bool {
    expr.syntax()
        .descendants()
        .filter_map(ast::Ident::cast)
        .any(|ident| names.contains(&ident.to_string()))
}
