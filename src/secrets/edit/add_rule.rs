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
    let mut expected = expected_now(rules);
    let keys: BTreeSet<String> = recipients.iter().map(|r| r.key().to_owned()).collect();
    expected.insert(name.to_owned(), keys);
    let mut last = None;
    for candidate in candidates(&sources, name, recipients) {
        match prove(rules, &sources, &candidate, &expected).await {
            Ok(edit) => return Ok(edit),
            Err(why) => last = Some(why),
        }
    }
    let failure = Failure::new(format!(
        "No rule for {name} could be added to {}.",
        rules.file.display()
    ))
    .hint(format!(
        "Add it by hand, and run the same command again:\n{}",
        rule(name, &literals(recipients))
    ));
    Err(match last {
        Some(why) => failure.source(why).into(),
        None => failure.into(),
    })
}

/// The texts that could be meant: recipients by their names where those are in scope, else as they are.
pub fn candidates(sources: &Sources, name: &str, recipients: &[Recipient]) -> Vec<Sources> {
    let (path, text) = sources.rules();
    let body = tree::parse(text).and_then(|root| tree::body(&root));
    let Some(ast::Expr::AttrSet(set)) = body else {
        return Vec::new();
    };
    let bound = binding::references(sources);
    let literals = literals(recipients);
    let named = recipients
        .iter()
        .zip(&literals)
        .map(|(recipient, literal)| {
            let reference = bound.get(recipient.key());
            reference.unwrap_or(literal).clone()
        });
    let candidate = |elements: &[String]| {
        let mut candidate = sources.clone();
        candidate.edit(path, vec![last_entry(text, &set, &rule(name, elements))]);
        candidate
    };
    vec![candidate(&named.collect::<Vec<_>>()), candidate(&literals)]
}

fn literals(recipients: &[Recipient]) -> Vec<String> {
    recipients
        .iter()
        .map(|r| binding::literal(&r.line()))
        .collect()
}

fn rule(name: &str, elements: &[String]) -> String {
    format!(
        "{}.publicKeys = [ {} ];",
        binding::literal(name),
        elements.join(" ")
    )
}

/// The rule as a new last entry, laid out like the one before it.
fn last_entry(text: &str, set: &ast::AttrSet, rule: &str) -> TextEdit {
    let end = tree::line_end(text);
    let whole = tree::range(set);
    match tree::entries(set).last().map(tree::range) {
        Some(before) => {
            let at = tree::behind_comment(text, before.end);
            TextEdit {
                text: format!("{end}{}{rule}", tree::indent_at(text, before.start)),
                range: at..at,
            }
        }
        // comments in an empty set stay
        None => TextEdit {
            text: format!("{end}  {rule}{end}"),
            range: whole.end - 1..whole.end - 1,
        },
    }
}
