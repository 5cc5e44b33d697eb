//! The secrets: files against rules, and whether this user's keys open them.

use std::path::PathBuf;

use super::finding::{Finding, Subject};
use super::ground::Ground;
use crate::secrets::access::{self, Access};
use crate::secrets::check::{self, State};
use crate::secrets::{Identities, Recipient, Rules, published, replace};
use crate::ui::{Ui, counted};

const SECRETS: Subject = Subject::of("secrets");

pub fn check(ground: &Ground, given: &[PathBuf], ui: &Ui) -> Vec<Finding> {
    let rules = match &ground.rules {
        Ok(Some(rules)) => rules,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![SECRETS.error("rules", error)],
    };
    let mut found = vec![files(rules, ground), examples(rules)];
    if !rules.entries().is_empty() {
        found.push(match Identities::load(given, ui) {
            Ok(identities) => opened(rules, &identities),
            Err(error) => SECRETS.error("identity", &error),
        });
    }
    if replace::is_pending(&rules.root) {
        let message = "A run that replaced files was stopped half-way, or is at work.";
        let finding = SECRETS.warning("unfinished", message);
        found.push(finding.remedy("`spinet secrets rekey` finishes it, or takes it back."));
    }
    found
}

fn files(rules: &Rules, ground: &Ground) -> Finding {
    let mut states = match check::check(rules) {
        Ok(states) => states,
        Err(error) => return SECRETS.error("files", &error),
    };
    let all = states.len();
    states.retain(|(name, state)| state.is_drift() && !is_to_come(name, state, rules, ground));
    if states.is_empty() {
        return SECRETS.ok(
            "files",
            format!("{} as the rules say", counted(all, "file")),
        );
    }
    let rows = states
        .iter()
        .map(|(name, state)| format!("\n{name}: {}", state.describe()));
    let rows: String = rows.collect();
    let message = format!(
        "{} of {all} do not match the rules:{rows}",
        counted(states.len(), "file")
    );
    let finding = SECRETS.failure("files", message);
    let ways = check::remedies(&states, &[], &rules.root);
    ways.into_iter().fold(finding, Finding::remedy)
}

/// The first bootstrap makes the wifi secret from this machine's own profile.
fn is_to_come(name: &str, state: &State, rules: &Rules, ground: &Ground) -> bool {
    let (Some(flake), Some(needs)) = (&ground.flake, &ground.needs) else {
        return false;
    };
    let mut secrets = needs.values().flat_map(|needs| &needs.secrets);
    *state == State::Missing
        && secrets.any(|secret| {
            secret.wifi && rules.name_of(&flake.dir.join(&secret.file)).as_deref() == Some(name)
        })
}

fn examples(rules: &Rules) -> Finding {
    let mut names: Vec<_> = rules
        .entries()
        .values()
        .flat_map(|rule| &rule.recipients)
        .filter(|recipient| published::refuse(recipient).is_err())
        .map(Recipient::name)
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return SECRETS.ok("recipients", "no published example key among them");
    }
    let message = format!(
        "Published example keys may read secrets, and everybody has their private halves: {}.",
        names.join(", ")
    );
    SECRETS.failure("recipients", message).remedy(format!(
        "Put your own key in their place in {}, and make the secrets anew: what they could read is not secret any more.",
        rules.file.display()
    ))
}

fn opened(rules: &Rules, identities: &Identities) -> Finding {
    let files = access::of(rules, identities);
    let with = |wanted| -> Vec<&str> {
        let files = files.iter().filter(|(_, access)| *access == wanted);
        files.map(|(name, _)| name.as_str()).collect()
    };
    let (open, perhaps, closed) = (
        with(Access::Open),
        with(Access::Perhaps),
        with(Access::Closed),
    );
    let all = counted(files.len(), "secret");
    if files.is_empty() {
        return SECRETS.ok("identity", "there is no secret yet");
    }
    let whose = identities.describe();
    let hint = "A private key of one of the recipients opens them: put it at ~/.ssh/id_ed25519, or name it with -i FILE.";
    if open.is_empty() && perhaps.is_empty() {
        let message = format!(
            "None of {all} can be decrypted here, with {whose}: bootstrap, rekey and edit would fail."
        );
        return SECRETS.failure("identity", message).remedy(hint);
    }
    if !closed.is_empty() {
        let message = format!(
            "{} of {all} cannot be decrypted with {whose}; a rekey of them needs another admin:\n{}",
            closed.len(),
            closed.join("\n")
        );
        return SECRETS.warning("identity", message).remedy(hint);
    }
    if perhaps.is_empty() {
        return SECRETS.ok("identity", format!("{whose} opens {all}"));
    }
    let message = format!(
        "{} of {all} opened with {whose}; the rest was not tried: their key is under a passphrase or in a plugin",
        open.len()
    );
    SECRETS.ok("identity", message)
}
