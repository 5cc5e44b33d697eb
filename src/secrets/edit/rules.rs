//! Rules as they are written, and the lists they share.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rnix::ast::{self, AttrSet, HasEntry, Inherit, List};
use rowan::ast::AstNode;

use super::sources::Sources;
use super::tree;

/// Names people give to lists of machines.
const MACHINES: [&str; 9] = [
    "systems",
    "hosts",
    "machines",
    "servers",
    "pis",
    "nodes",
    "allSystems",
    "allHosts",
    "allMachines",
];

/// A rule in the text.
#[derive(Debug)]
pub struct WrittenRule {
    pub name: String,
    /// The file it is written in.
    pub file: PathBuf,
    pub form: Form,
}

/// The ways to write down whom a rule is for.
#[derive(Debug)]
pub enum Form {
    /// `"a.age".publicKeys = VALUE;` or `"a.age" = { publicKeys = VALUE; };`
    Value(ast::Expr),
    /// `"a.age" = { inherit publicKeys; };`
    Inherited(Inherit),
    /// `"a.age" = common;`: a whole rule from somewhere else.
    Whole(ast::Expr),
}

impl Form {
    pub fn mentions(&self, names: &[String]) -> bool {
        match self {
            Self::Value(expr) | Self::Whole(expr) => tree::mentions(expr, names),
            Self::Inherited(inherit) => tree::mentions(inherit, names),
        }
    }
}

/// A list with a name that rules refer to.
#[derive(Debug)]
pub struct Group {
    pub file: PathBuf,
    pub list: List,
    /// The rules that use it, directly or through other names.
    pub users: BTreeSet<String>,
    /// It holds machines, as far as names and comments tell.
    pub machines: bool,
}

/// The rules that are written out, in the rules file or in files it takes them from.
pub fn rules(sources: &Sources) -> Vec<WrittenRule> {
    let mut found = Vec::new();
    let (path, text) = sources.rules();
    if let Some(root) = tree::parse(text) {
        collect(sources, path, &root, &root, &mut found, 8);
    }
    found
}

fn collect(
    sources: &Sources,
    file: &Path,
    root: &ast::Expr,
    expr: &ast::Expr,
    found: &mut Vec<WrittenRule>,
    depth: u8,
) {
    let (Some(depth), Some(body)) = (depth.checked_sub(1), tree::body(expr)) else {
        return;
    };
    match &body {
        ast::Expr::AttrSet(set) => found.extend(written(file, set)),
        ast::Expr::BinOp(op) if op.operator() == Some(ast::BinOpKind::Update) => {
            for side in [op.lhs(), op.rhs()].into_iter().flatten() {
                collect(sources, file, root, &side, found, depth);
            }
        }
        // a set of rules bound in the `let`
        ast::Expr::Ident(name) => {
            let bound = tree::outer_let(root)
                .into_iter()
                .flat_map(|l| tree::entries(&l));
            let named = |b: &ast::AttrpathValue| {
                tree::own_path(b).is_some_and(|path| path == [name.to_string()])
            };
            if let Some(value) = bound.into_iter().find(named).and_then(|b| b.value()) {
                collect(sources, file, root, &value, found, depth);
            }
        }
        other => {
            let imported = tree::loaded_path(other).and_then(|path| sources.resolve(file, &path));
            let Some((path, text)) = imported else {
                return;
            };
            if let Some(root) = tree::parse(text) {
                collect(sources, path, &root, &root, found, depth);
            }
        }
    }
}

fn written(file: &Path, set: &AttrSet) -> Vec<WrittenRule> {
    let rule = |binding: ast::AttrpathValue| {
        let (path, value) = tree::own_path(&binding).zip(binding.value())?;
        let (name, form) = match (path.as_slice(), value) {
            ([name, attr], value) if attr == "publicKeys" => (name, Form::Value(value)),
            ([name], ast::Expr::AttrSet(set)) => (name, in_set(&set)?),
            ([name], value) => (name, Form::Whole(value)),
            _ => return None,
        };
        Some(WrittenRule {
            name: name.clone(),
            file: file.to_owned(),
            form,
        })
    };
    tree::entries(set).into_iter().filter_map(rule).collect()
}

fn in_set(set: &AttrSet) -> Option<Form> {
    let is_keys = |b: &ast::AttrpathValue| tree::own_path(b).is_some_and(|p| p == ["publicKeys"]);
    if let Some(binding) = tree::entries(set).into_iter().find(is_keys) {
        return Some(Form::Value(binding.value()?));
    }
    let inherits = |inherit: &Inherit| inherit.attrs().any(|attr| attr.to_string() == "publicKeys");
    tree::inherits(set)
        .into_iter()
        .find(inherits)
        .map(Form::Inherited)
}

/// The lists bound to names in the rules file, and the imported files that are lists.
pub fn groups(sources: &Sources, rules: &[WrittenRule]) -> Vec<Group> {
    let (path, text) = sources.rules();
    let Some(root) = tree::parse(text) else {
        return Vec::new();
    };
    let machine_keys: Vec<String> = sources
        .files()
        .flat_map(|(_, text)| tree::keys(text))
        .filter(|key| key.recipient.name().starts_with("root@"))
        .filter_map(|key| key.name().map(str::to_owned))
        .collect();
    let Some(let_in) = tree::outer_let(&root) else {
        return Vec::new();
    };
    let scope: Vec<ast::AttrpathValue> = let_in
        .entries()
        .flat_map(|entry| entry.syntax().descendants().collect::<Vec<_>>())
        .filter_map(ast::AttrpathValue::cast)
        .collect();
    let group = |binding: &ast::AttrpathValue| {
        let name = tree::own_path(binding)?.pop()?;
        let value = binding.value()?;
        let (file, list) = if let Some(list) = innermost_list(&value) {
            (path.to_owned(), list)
        } else {
            let (file, text) = sources.resolve(path, &tree::loaded_path(&value)?)?;
            (file.to_owned(), innermost_list(&tree::parse(text)?)?)
        };
        let names = dependents(&scope, name.clone());
        let users = rules
            .iter()
            .filter(|rule| rule.form.mentions(&names))
            .map(|rule| rule.name.clone())
            .collect();
        let is_machine = |item: ast::Expr| {
            let item = item.to_string();
            let name = item.rsplit('.').next().unwrap_or_default().to_owned();
            item.contains("root") || machine_keys.contains(&name)
        };
        let machines = MACHINES.contains(&name.as_str())
            || (list.items().next().is_some() && list.items().all(is_machine));
        Some(Group {
            file,
            list,
            users,
            machines,
        })
    };
    scope.iter().filter_map(group).collect()
}

/// `[ .. ]`, also behind `with` and parentheses and at the end of a `++`.
pub fn innermost_list(expr: &ast::Expr) -> Option<List> {
    match expr {
        ast::Expr::List(list) => Some(list.clone()),
        ast::Expr::With(with) => innermost_list(&with.body()?),
        ast::Expr::Paren(paren) => innermost_list(&paren.expr()?),
        ast::Expr::BinOp(op) if op.operator() == Some(ast::BinOpKind::Concat) => {
            innermost_list(&op.rhs()?)
        }
        _ => None,
    }
}

/// The name and all names whose values mention it, directly or not.
fn dependents(scope: &[ast::AttrpathValue], name: String) -> Vec<String> {
    let mut names = vec![name];
    loop {
        let before = names.len();
        for binding in scope {
            let Some((name, value)) = tree::own_path(binding)
                .and_then(|mut path| path.pop())
                .zip(binding.value())
            else {
                continue;
            };
            if !names.contains(&name) && tree::mentions(&value, &names) {
                names.push(name);
            }
        }
        if names.len() == before {
            return names;
        }
    }
}
