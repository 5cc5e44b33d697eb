//! A new machine among machines that have a `.pub` file each.

use rnix::ast::{self, HasEntry};
use rowan::ast::AstNode;

use super::sources::Sources;
use super::tree::{self, Edit};
use crate::secrets::Recipient;

/// Where every machine has a `.pub` file of its own: a new file, and a binding like its neighbour's.
pub fn of_its_own(sources: &Sources, host: &str, line: &str) -> Option<(Sources, String)> {
    let (rules, text) = sources.rules();
    let is_machine = |text: &str| {
        let found = Recipient::parse_all(text);
        found
            .first()
            .is_some_and(|key| key.name().starts_with("root@"))
    };
    let mut files = sources
        .files()
        .filter(|(path, text)| path.extension().is_some_and(|e| e == "pub") && is_machine(text));
    let (path, content) = files.next_back()?;
    let stem = path.file_stem()?.to_str()?;
    let comment = Recipient::parse_all(content).first()?.name();
    let other = comment.strip_prefix("root@")?;
    let (before, after) = stem.split_once(other)?;
    let name = format!("{before}{host}{after}");
    let new = path.with_file_name(format!("{name}.pub"));
    if new.exists() {
        return None;
    }
    let mut edited = sources.clone();
    edited.create(&new, &format!("{}{}", line.trim(), tree::line_end(content)));
    let root = tree::parse(text)?;
    let let_in = tree::outer_let(&root);
    let bound = let_in.iter().flat_map(HasEntry::entries).find_map(|entry| {
        let ast::Entry::AttrpathValue(binding) = entry else {
            return None;
        };
        let loaded = tree::loaded_path(&binding.value()?)?;
        (sources.resolve(rules, &loaded)?.0 == path).then_some(binding)
    });
    if let Some(binding) = bound {
        let at = tree::range(&binding);
        let copied = text[at.clone()].replace(other, host);
        let (end, indent) = (tree::line_end(text), tree::indent_at(text, at.start));
        let behind = tree::behind_comment(text, at.end);
        let edit = Edit {
            range: behind..behind,
            text: format!("{end}{indent}{copied}"),
        };
        edited.edit(rules, vec![edit]);
        let name = tree::own_path(&binding)?.join(".").replace(other, host);
        return Some((edited, name));
    }
    let mut reads = root.syntax().descendants().filter_map(ast::Apply::cast);
    let read = reads.find(|apply| {
        let loaded = tree::loaded_path(&ast::Expr::Apply(apply.clone()));
        loaded
            .and_then(|loaded| sources.resolve(rules, &loaded))
            .is_some_and(|(found, _)| found == path)
    })?;
    Some((
        edited,
        format!("({})", read.to_string().replace(other, host)),
    ))
}
