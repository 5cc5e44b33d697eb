//! Each host's key: pinned, in the rules, in the user's own `known_hosts`; and the keys that may log in to it.

use std::collections::BTreeSet;

use super::finding::{Finding, Subject};
use super::ground::Ground;
use crate::fleet::{Host, Needs};
use crate::host::known_hosts::bare;
use crate::host::{login_keys, user_known_hosts};
use crate::secrets::check::unreadable;
use crate::secrets::{Recipient, Rules, edit, published};
use crate::state;

const KEYS: Subject = Subject::of("keys");

pub async fn check(ground: &Ground) -> Vec<Finding> {
    let Some(flake) = &ground.flake else {
        return Vec::new();
    };
    let rules = ground.rules.as_ref().ok().and_then(Option::as_ref);
    let named = rules.and_then(|rules| edit::names(rules).ok());
    let named: BTreeSet<String> = named
        .into_iter()
        .flatten()
        .filter(|(key, _)| !is_example(key))
        .map(|(_, name)| name)
        .collect();
    let mine = login_keys::own().await;
    let mut found = Vec::new();
    for host in &ground.hosts {
        let pin = ground.pins.key(&host.name);
        let mut of_host = Vec::new();
        let needs = ground
            .needs
            .as_ref()
            .and_then(|needs| needs.get(&host.name));
        match state::peek(&flake.dir, &host.name) {
            Ok(None) if pin.is_none() => of_host.push(unpinned(host, named.contains(&host.name))),
            Ok(None) => {}
            Ok(Some(pending)) => of_host.push(waits(host, pending.written)),
            Err(error) => of_host.push(KEYS.error("bootstrap", &error)),
        }
        if let (Some(rules), Some(needs), Some(pin)) = (rules, needs, &pin) {
            of_host.extend(reads(host, pin, needs, rules, ground));
        }
        if let Some(pin) = &pin {
            of_host.extend(remembered(host, pin).await);
        }
        if let Some(needs) = needs {
            of_host.extend(logins(host, needs, &mine));
        }
        if of_host.is_empty() {
            let text = format!("{}: pinned, and a recipient of what it reads", host.name);
            of_host.push(KEYS.ok("host", text));
        }
        found.extend(of_host);
    }
    found
}

fn is_example(key: &str) -> bool {
    let keys = Recipient::parse_all(key);
    keys.iter().any(|key| published::refuse(key).is_err())
}

fn unpinned(host: &Host, in_rules: bool) -> Finding {
    let name = &host.name;
    if !in_rules {
        return KEYS.ok(
            "pinned",
            format!("{name}: not enrolled yet; `spinet bootstrap {name}` does it"),
        );
    }
    KEYS.warning(
        "pinned",
        format!("The rules have a key called {name}, but none is pinned for it: spinet will not speak to that host."),
    )
    .remedy(format!("`spinet host enroll {name} --key KEY` pins the key of a machine you trust; `spinet bootstrap {name}` makes a new one."))
}

fn waits(host: &Host, written: bool) -> Finding {
    let name = &host.name;
    let message = if written {
        format!("{name}: its card is written, and its first boot was not seen yet.")
    } else {
        format!("{name}: a bootstrap was stopped before its card was whole.")
    };
    KEYS.warning("bootstrap", message).remedy(format!(
        "`spinet bootstrap {name}` goes on where it stopped."
    ))
}

/// The secrets its configuration names, against the key it is known by.
fn reads(host: &Host, pin: &str, needs: &Needs, rules: &Rules, ground: &Ground) -> Option<Finding> {
    let flake = ground.flake.as_ref()?;
    let secrets: Vec<_> = needs
        .secrets
        .iter()
        .map(|s| flake.dir.join(&s.file))
        .collect();
    let problems = unreadable(rules, &host.name, pin, &secrets);
    if problems.is_empty() {
        return None;
    }
    let rows = problems.iter().map(|p| format!("{}: {}", p.file, p.why));
    let rows = rows.collect::<Vec<_>>().join(
        "
",
    );
    let message = format!(
        "{} cannot read secrets that its configuration names:\n{rows}",
        host.name
    );
    let finding = KEYS.failure("recipient", message);
    Some(finding.remedy(format!("spinet host enroll {}", host.name)))
}

/// What plain ssh would refuse.
async fn remembered(host: &Host, pin: &str) -> Vec<Finding> {
    match user_known_hosts::stale(host, pin).await {
        Ok(files) => files
            .iter()
            .map(|(what, commands)| {
                let finding = KEYS.warning(
                    "known_hosts",
                    format!("{what}\nPlain ssh will refuse {}.", host.name),
                );
                commands
                    .lines()
                    .fold(finding, |finding, command| finding.remedy(command.trim()))
            })
            .collect(),
        Err(error) => vec![KEYS.error("known_hosts", &error)],
    }
}

fn logins(host: &Host, needs: &Needs, mine: &[String]) -> Option<Finding> {
    let name = &host.name;
    let place = format!(
        "users.users.{}.openssh.authorizedKeys.keys in hosts/{name}",
        host.user
    );
    let keys: Vec<Recipient> = needs
        .authorized_keys
        .iter()
        .flat_map(|key| Recipient::parse_all(key))
        .collect();
    if keys.is_empty() {
        let message =
            format!("Nobody could log in to {name}: its configuration authorizes no SSH key.");
        return Some(
            KEYS.failure("logins", message)
                .remedy(format!("Add yours to {place}.")),
        );
    }
    if needs.authorized_keys.iter().any(|key| is_example(key)) {
        let message = format!(
            "The configuration of {name} lets a published example key log in, and everybody has its private half."
        );
        return Some(
            KEYS.failure("logins", message)
                .remedy(format!("Put your own public key in its place in {place}.")),
        );
    }
    let is_mine = |key: &Recipient| mine.iter().any(|own| bare(own) == key.key());
    if keys.iter().any(is_mine) {
        return None;
    }
    let message = format!(
        "None of the keys in ssh-agent and ~/.ssh is authorized on {name}: unless ssh finds another, you will not get in."
    );
    Some(KEYS.warning("logins", message).remedy(format!(
        "Load the right key into ssh-agent, or add yours to {place}."
    )))
}
