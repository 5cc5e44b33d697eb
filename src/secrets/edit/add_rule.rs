//! A rule for a secret that has none yet.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rnix::ast;

use super::sources::Sources;
use super::tree::{self, Edit as TextEdit};
use super::{Edit, binding, expected_now, prove};
use crate::error::Failure;
use crate::secrets::{Recipient, Rules};

/// What people call the keys of the rules: the name one is bound to, else its comment.
pub fn names(rules: &Rules) -> Result<BTreeMap<String, String>> {
    let sources = Sources::read(&rules.file, &rules.root)?;
    let mut names: BTreeMap<String, String> = rules
        .entries()
        .values()
        .flat_map(|rule| &rule.recipients)
        .map(|recipient| (recipient.key().to_owned(), recipient.name()))
        .collect();
    for (key, name) in binding::named(&sources) {
        names.insert(key, name);
    }
    Ok(names)
}

/// A rule `name` for these recipients, at the end of the rules. Proven by evaluation, not written.
pub async fn add_rule(rules: &Rules, name: &str, recipients: &[Recipient]) -> Result<Edit> {
    let sources = Sources::read(&rules.file, &rules.root)?;
    let (path, text) = sources.rules();
    let body = tree::parse(text).and_then(|root| tree::body(&root));
    let mut expected = expected_now(rules);
    let keys: BTreeSet<String> = recipients.iter().map(|r| r.key().to_owned()).collect();
    expected.insert(name.to_owned(), keys);
    let literals: Vec<String> = recipients
        .iter()
        .map(|r| format!("\"{}\"", r.line()))
        .collect();
    let by_hand = || {
        Failure::new(format!(
            "No rule for {name} could be added to {}.",
            rules.file.display()
        ))
        .hint(format!(
            "Add it by hand, and run the same command again:\n\"{name}\".publicKeys = [ {} ];",
            literals.join(" ")
        ))
    };
    let Some(ast::Expr::AttrSet(set)) = body else {
        return Err(by_hand().into());
    };
    let bound = binding::references(&sources);
    let references = recipients
        .iter()
        .zip(&literals)
        .map(|(recipient, literal)| {
            let reference = bound.get(recipient.key());
            reference.unwrap_or(literal).clone()
        });
    let references: Vec<String> = references.collect();
    let mut last = None;
    // by their names where those are in scope, else as they are
    for elements in [&references, &literals] {
        let mut candidate = sources.clone();
        candidate.edit(path, vec![last_entry(text, &set, name, elements)]);
        match prove(rules, &sources, &candidate, &expected).await {
            Ok(edit) => return Ok(edit),
            Err(why) => last = Some(why),
        }
    }
    Err(match last {
        Some(why) => by_hand().source(why).into(),
        None => by_hand().into(),
    })
}

/// The rule as a new last entry, laid out like the one before it.
fn last_entry(text: &str, set: &ast::AttrSet, name: &str, elements: &[String]) -> TextEdit {
    let quoted = name
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "\\${");
    let rule = format!("\"{quoted}\".publicKeys = [ {} ];", elements.join(" "));
    let end = tree::line_end(text);
    let whole = tree::range(set);
    match tree::entries(set).last().map(tree::range) {
        Some(before) => TextEdit {
            text: format!("{end}{}{rule}", tree::indent_at(text, before.start)),
            range: before.end..before.end,
        },
        None => TextEdit {
            text: format!("{{{end}  {rule}{end}}}"),
            range: whole,
        },
    }
}
