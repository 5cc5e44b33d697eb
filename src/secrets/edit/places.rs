//! Where the text of the rules means one key: the names it is bound to, the lists it is in. Another one is put beside it
//! there, or it is taken out; what was put there before then leaves no trace.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rnix::ast::{self, AttrpathValue, Inherit, List};
use rowan::ast::AstNode;

use super::sources::Sources;
use super::tree::{self, Edit};
use super::{binding, listing};
use crate::secrets::Recipient;

/// The edits of one file, of which the text is given.
type Edits<'a> = dyn Fn(&Path, &str) -> Vec<Edit> + 'a;

/// The texts that could be meant, the most natural first. `missing` are the rules that do not list the old key, `both`
/// all that must list the new one.
pub fn ways(
    sources: &Sources,
    host: &str,
    line: &str,
    old: &Recipient,
    key: &Recipient,
    missing: &[&str],
    both: &[&str],
) -> Vec<Sources> {
    let places = Places::of(sources, old);
    let edits: [&Edits<'_>; 3] = [
        // a name beside its name, listed beside it
        &|file, text| {
            [
                places.names(file, text, line),
                places.lists(file, text, line, true),
            ]
            .concat()
        },
        // in a set that the rules take as a whole
        &|file, text| places.names(file, text, line),
        &|file, text| places.lists(file, text, line, false),
    ];
    let mut ways: Vec<Sources> = edits
        .iter()
        .filter_map(|edits| {
            let mut way = sources.clone();
            for (file, text) in nix_files(sources) {
                way.edit(file, edits(file, text));
            }
            listing::by_itself(&way, line, missing)
        })
        .collect();
    ways.extend(listing::ways(sources, &renamed(host), line, key, both));
    ways
}

/// The name of the second key.
fn renamed(name: &str) -> String {
    format!("{name}-new")
}

/// Where the text means a key.
struct Places<'a> {
    sources: &'a Sources,
    key: &'a Recipient,
    /// The last parts of the names it is bound to.
    names: BTreeSet<String>,
}

impl<'a> Places<'a> {
    fn of(sources: &'a Sources, key: &'a Recipient) -> Self {
        let mut places = Self {
            sources,
            key,
            names: BTreeSet::new(),
        };
        for (file, text) in sources.files() {
            let nix = file.extension().is_some_and(|e| e == "nix");
            let bound = if nix {
                let all = nodes::<AttrpathValue>(text).into_iter();
                let own = all.filter(|binding| places.is_bound(file, binding));
                own.filter_map(|binding| tree::own_path(&binding)?.pop())
                    .collect()
            } else if file.extension().is_some_and(|e| e == "pub") {
                // its name is that of the file, which no text refers to
                Vec::new()
            } else {
                let keys = binding::keys_of(file, text).into_iter();
                let own = keys.filter(|k| k.recipient.key() == key.key());
                own.filter_map(|k| k.path?.pop()).collect()
            };
            places.names.extend(bound);
        }
        places
    }

    /// The binding's value is the key, written there or read from a file.
    fn is_bound(&self, file: &Path, binding: &AttrpathValue) -> bool {
        binding
            .value()
            .is_some_and(|value| self.is_key(file, value))
    }

    fn is_key(&self, file: &Path, mut expr: ast::Expr) -> bool {
        while let ast::Expr::Paren(paren) = &expr {
            let Some(inner) = paren.expr() else {
                return false;
            };
            expr = inner;
        }
        let is_it = |text: &str| {
            let keys = Recipient::parse_all(text);
            keys.len() == 1 && keys[0].key() == self.key.key()
        };
        match &expr {
            ast::Expr::Str(string) => tree::plain(string).is_some_and(|text| is_it(&text)),
            ast::Expr::Apply(_) => tree::loaded_path(&expr)
                .and_then(|path| self.sources.resolve(file, &path))
                .is_some_and(|(path, text)| {
                    path.extension().is_some_and(|e| e == "pub") && is_it(text)
                }),
            _ => false,
        }
    }

    /// The last name in `bach`, `keys.bach`, where it is one of the key's.
    fn named(&self, expr: &ast::Expr) -> Option<(Range<usize>, String)> {
        let (range, name) = match expr {
            ast::Expr::Ident(ident) => (tree::range(ident), ident.to_string()),
            ast::Expr::Select(select) => {
                let last = select.attrpath()?.attrs().last()?;
                let name = match &last {
                    ast::Attr::Ident(ident) => ident.to_string(),
                    ast::Attr::Str(string) => tree::plain(string)?,
                    ast::Attr::Dynamic(_) => return None,
                };
                (tree::range(&last), name)
            }
            _ => return None,
        };
        self.names.contains(&name).then_some((range, name))
    }

    /// A binding of `line` after each of the key's, and where one is inherited the other as well.
    fn names(&self, file: &Path, text: &str, line: &str) -> Vec<Edit> {
        let mut edits = Vec::new();
        for binding in nodes::<AttrpathValue>(text) {
            let last = binding.attrpath().and_then(|path| path.attrs().last());
            let (Some(last), true) = (last, self.is_bound(file, &binding)) else {
                continue;
            };
            let (at, last) = (tree::range(&binding), tree::range(&last));
            let name = tree::own_path(&binding).and_then(|mut path| path.pop());
            let path = format!(
                "{}{}",
                &text[at.start..last.start],
                binding::identifier(&renamed(&name.unwrap_or_default()))
            );
            let (end, indent) = (tree::line_end(text), tree::indent_at(text, at.start));
            let behind = tree::behind_comment(text, at.end);
            edits.push(Edit {
                range: behind..behind,
                text: format!("{end}{indent}{path} = {};", binding::literal(line)),
            });
        }
        for (at, name) in self.inherited(text) {
            edits.push(Edit {
                range: at.end..at.end,
                text: format!(" {}", binding::identifier(&renamed(&name))),
            });
        }
        edits
    }

    /// An element after each element of a list that is the key: by the name it gets, or the key itself.
    fn lists(&self, file: &Path, text: &str, line: &str, by_name: bool) -> Vec<Edit> {
        let mut edits = Vec::new();
        for list in nodes::<List>(text) {
            for element in list.items() {
                let at = tree::range(&element);
                let reference = match (self.named(&element), by_name) {
                    (Some((last, name)), true) => format!(
                        "{}{}{}",
                        &text[at.start..last.start],
                        binding::identifier(&renamed(&name)),
                        &text[last.end..at.end]
                    ),
                    (None, _) if !self.is_key(file, element) => continue,
                    _ => binding::literal(line),
                };
                edits.push(listing::after(text, &list, &at, &reference));
            }
        }
        edits
    }

    /// The key's names in `inherit`s.
    fn inherited(&self, text: &str) -> Vec<(Range<usize>, String)> {
        let attrs = nodes::<Inherit>(text)
            .into_iter()
            .flat_map(|i| i.attrs().collect::<Vec<_>>());
        let own = attrs.filter_map(|attr| {
            let name = attr.to_string();
            self.names
                .contains(&name)
                .then(|| (tree::range(&attr), name))
        });
        own.collect()
    }
}

/// Takes a key that was put beside another out of the text: its names, and what lists it.
pub fn take_out(sources: &mut Sources, key: &Recipient) {
    let before = sources.clone();
    let places = Places::of(&before, key);
    for (file, text) in nix_files(&before) {
        let mut gone: Vec<Range<usize>> = Vec::new();
        let bindings = nodes::<AttrpathValue>(text).into_iter();
        gone.extend(
            bindings
                .filter(|binding| places.is_bound(file, binding))
                .map(|binding| with_space(text, tree::range(&binding))),
        );
        gone.extend(
            places
                .inherited(text)
                .into_iter()
                .map(|(at, _)| with_space(text, at)),
        );
        for list in nodes::<List>(text) {
            let is_it = |e: &ast::Expr| places.named(e).is_some() || places.is_key(file, e.clone());
            let (own, others): (Vec<_>, Vec<_>) = list.items().partition(is_it);
            match appended(&list) {
                Some(whole) if !own.is_empty() && others.is_empty() => gone.push(whole),
                _ => gone.extend(own.iter().map(|e| with_space(text, tree::range(e)))),
            }
        }
        let edit = |range| Edit {
            range,
            text: String::new(),
        };
        sources.edit(file, gone.into_iter().map(edit).collect());
    }
}

/// ` ++ [ .. ]` at the end of a list that is put together.
fn appended(list: &List) -> Option<Range<usize>> {
    let whole = ast::BinOp::cast(list.syntax().parent()?)?;
    let is_concat = whole.operator() == Some(ast::BinOpKind::Concat);
    let (lhs, rhs) = (whole.lhs()?, whole.rhs()?);
    let is_end = rhs.syntax() == list.syntax();
    (is_concat && is_end).then(|| tree::range(&lhs).end..tree::range(list).end)
}

/// The range with the white space in front of it.
fn with_space(text: &str, at: Range<usize>) -> Range<usize> {
    text[..at.start].trim_end().len()..at.end
}

fn nodes<N: AstNode<Language = rnix::NixLanguage>>(text: &str) -> Vec<N> {
    let root = tree::parse(text);
    let all = root.iter().flat_map(|root| root.syntax().descendants());
    all.filter_map(N::cast).collect()
}

fn nix_files(sources: &Sources) -> impl Iterator<Item = (&PathBuf, &str)> {
    let nix = |path: &Path| path.extension().is_some_and(|e| e == "nix");
    sources.files().filter(move |(path, _)| nix(path))
}
