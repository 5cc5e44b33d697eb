//! The story of `spinet secrets edit`:
//! 1. the rule, or a new one for the recipients the user names;
//! 2. the content as it is, and a yes to recipients it does not have yet;
//! 3. the new content, from the editor or from a file;
//! 4. secret and rule written together, visible to the flake.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use zeroize::Zeroizing;

use super::editor;
use crate::cli::{Edit, Global};
use crate::error::{Exit, Failure};
use crate::history::{History, Running};
use crate::secrets::edit::{self as rules_edit, Edit as RulesEdit};
use crate::secrets::rekey::{self, Plan};
use crate::secrets::scratch::Scratch;
use crate::secrets::store::Secret;
use crate::secrets::{Identities, Recipient, Rules, replace};
use crate::ui::Ui;

pub async fn run(args: &Edit, global: &Global, ui: &Ui) -> Result<()> {
    let command = match &args.from {
        Some(_) => None,
        None if ui.is_interactive() => Some(editor::of_user(args.editor.as_deref())?),
        None => {
            return Err(Failure::usage("There is no terminal for an editor.")
                .hint("Give the content with --from FILE, or --from - for standard input.")
                .into());
        }
    };
    let rules = super::load(&args.rules, global).await?;
    replace::recover(&rules.root, |text| ui.say(text))?;
    let name = name_of(&rules, &args.file, global)?;
    let (rules, new_rule) = with_rule(rules, &name, &args.recipients, ui).await?;
    let history = History::of_rules(&rules, ui).await;
    let running = history.begin("edit", None);
    let edit = Change {
        args,
        rules: &rules,
        name: &name,
        new_rule: new_rule.as_ref(),
    };
    let written = edit.write(command.as_deref(), &running, ui).await;
    if written.inspect_err(|error| running.failed(error))? {
        return crate::enroll::tell_tracked(&rules, &[rules.path_of(&name)], ui).await;
    }
    running.nothing();
    Ok(())
}

/// What is changed.
struct Change<'a> {
    args: &'a Edit,
    rules: &'a Rules,
    name: &'a str,
    new_rule: Option<&'a RulesEdit>,
}

impl Change<'_> {
    /// Steps 2 to 4; whether anything was written. `command` is the editor.
    async fn write(&self, command: Option<&str>, running: &Running, ui: &Ui) -> Result<bool> {
        let Self {
            args, rules, name, ..
        } = *self;
        let path = rules.path_of(name);
        let was = match std::fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(e).with_context(|| format!("while reading {}", path.display())),
        };
        let before = if was.is_some() {
            let mut identities = Identities::load(&args.access.identity.identities, ui)?;
            let plan = Plan::new(rules, &[name.to_owned()], true)?;
            plan.confirm(&args.access.accept_recipient, &identities, ui)?;
            Some(rekey::open_one(&path, &mut identities, ui)?)
        } else {
            None
        };

        ui.if_stopped("Nothing was written.", Exit::Failed);
        let (content, scratch) = if let Some(from) = &args.from {
            (read(from)?, None)
        } else {
            let old = before.as_ref().map_or(&[][..], |plain| &plain[..]);
            let scratch = Scratch::new(&plain_name(name), old)?;
            editor::run(command.unwrap_or_default(), scratch.path(), ui).await?;
            (scratch.read()?, Some(scratch))
        };
        if before.as_ref().is_some_and(|before| **before == *content) {
            ui.say(format!("{name} is as it was; nothing was written."));
            return Ok(false);
        }
        if content.is_empty()
            && !ui.confirm(&format!("{name} would be empty. Write it all the same?"))?
        {
            ui.say("Nothing was written.");
            return Ok(false);
        }

        let secret = Secret {
            rules,
            name,
            rule: rules.rule(name)?,
            was: was.as_deref(),
            with: self.new_rule,
        };
        if let Err(error) = secret.write(&content, ui) {
            // what was typed is not lost with a full disk
            let Some(kept) = scratch.map(Scratch::keep).transpose()? else {
                return Err(error);
            };
            return Err(Failure::new(format!("{name} was not written."))
            .source(error)
            .hint(format!(
                "What you wrote is kept in memory: `spinet secrets edit {} --from {}` writes it; remove it then.",
                crate::process::quote(name),
                kept.display()
            ))
            .into());
        }
        tell(&secret, running, ui);
        Ok(true)
    }
}

/// Who can read what was written, which is recorded too.
pub fn tell(secret: &Secret<'_>, running: &Running, ui: &Ui) {
    if let Some(edit) = secret.with {
        ui.say(crate::ui::indent(&edit.diff()));
    }
    let readers: Vec<String> = secret.rule.recipients.iter().map(Recipient::name).collect();
    let verb = if secret.was.is_some() {
        "changed"
    } else {
        "made"
    };
    let what = format!("{} for {}", secret.name, readers.join(", "));
    running.end(verb, 0, Some(&what));
    ui.say(format!("{verb} {what}"));
}

/// The rule's name of what the user gave; for a new one, its path from the rules.
pub fn name_of(rules: &Rules, given: &str, global: &Global) -> Result<String> {
    let here = super::standing(global)?;
    let name = rules.name_given(given, &here);
    if rules.entries().contains_key(&name) {
        return Ok(name);
    }
    let path = here.join(given);
    let inside = path
        .strip_prefix(rules.dir())
        .ok()
        .and_then(Path::to_str)
        .map_or(given, |inside| inside);
    let plain = Path::new(inside)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_)));
    if plain && inside.ends_with(".age") {
        return Ok(inside.to_owned());
    }
    rules.rule(given)?;
    Ok(inside.to_owned())
}

/// The rules with one for `name`: the one there is, or a new one that is not written yet.
pub async fn with_rule(
    rules: Rules,
    name: &str,
    recipients: &[String],
    ui: &Ui,
) -> Result<(Rules, Option<RulesEdit>)> {
    if rules.entries().contains_key(name) {
        if !recipients.is_empty() {
            return Err(Failure::usage(format!(
                "{name} has a rule already; --recipient is for a new one."
            ))
            .hint(format!(
                "Change the rule in {}, then run `spinet secrets rekey`.",
                rules.file.display()
            ))
            .into());
        }
        return Ok((rules, None));
    }
    let names = rules_edit::names(&rules)?;
    let mut known: Vec<(&String, &Recipient)> = rules
        .entries()
        .values()
        .flat_map(|rule| &rule.recipients)
        .filter_map(|recipient| Some((names.get(recipient.key())?, recipient)))
        .collect();
    known.sort();
    known.dedup();
    if recipients.is_empty() && !ui.is_interactive() {
        let there: Vec<_> = rules.entries().keys().map(String::as_str).collect();
        let file = rules.file.display();
        return Err(
            Failure::usage(format!("{file} has no rule for {name} yet."))
                .hint("Name who can read it with --recipient NAME: the rule is added then.")
                .hint(format!("It has rules for: {}.", there.join(", ")))
                .into(),
        );
    }
    let chosen: Vec<Recipient> = if recipients.is_empty() {
        if known.is_empty() {
            return Err(Failure::usage(format!(
                "{} has no rule for {name} yet, and knows no key.",
                rules.file.display()
            ))
            .hint("Name who can read it with --recipient KEY, as the key's .pub file has it.")
            .into());
        }
        ui.say(format!(
            "{} has no rule for {name} yet.",
            rules.file.display()
        ));
        let options: Vec<String> = known.iter().map(|(name, _)| (*name).clone()).collect();
        let chosen = ui.choose("Who can read it? Numbers:", &options, "--recipient NAME")?;
        chosen.into_iter().map(|i| known[i].1.clone()).collect()
    } else {
        let find = |wanted: &String| match Recipient::parse_all(wanted).pop() {
            Some(key) if key.key().starts_with("ssh-") || key.key().starts_with("age1") => Ok(key),
            _ => known
                .iter()
                .find(|(name, key)| *name == wanted || key.name() == *wanted)
                .map(|(_, key)| (*key).clone())
                .ok_or_else(|| {
                    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
                    let unknown = Failure::usage(format!("The rules know no key called {wanted}."));
                    if names.is_empty() {
                        return unknown.hint(
                            "They list no key yet: give the key itself, as its .pub file has it.",
                        );
                    }
                    unknown.hint(format!(
                        "They know: {}. A key itself will do as well.",
                        names.join(", ")
                    ))
                }),
        };
        recipients.iter().map(find).collect::<Result<_, _>>()?
    };
    let edit = rules_edit::add_rule(&rules, name, &chosen).await?;
    let rules = rules.with(edit.after.clone());
    Ok((rules, Some(edit)))
}

/// What the file is called while it is edited: editors choose colours by its name.
fn plain_name(name: &str) -> String {
    let file = Path::new(name)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let plain = file.strip_suffix(".age").unwrap_or(&file);
    if plain.is_empty() {
        "secret".into()
    } else {
        plain.into()
    }
}

fn read(from: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::new());
    if from == Path::new("-") {
        std::io::stdin()
            .read_to_end(&mut content)
            .context("while reading the content from standard input")?;
    } else {
        *content =
            std::fs::read(from).with_context(|| format!("while reading {}", from.display()))?;
    }
    Ok(content)
}
