//! The story of an enrolment, shared by `bootstrap` and `host enroll`. A card with the host's configuration has it in two
//! parts: [`admit`] puts its key beside the old one before the card is made, [`run`] comes once it has shown that key.
//! 1. the host's key into the rules, beside the others or in place of its old one, proven by evaluation;
//! 2. in a flake of spinet's: the key pinned in `hosts/known_hosts`, and a wifi secret that does not exist yet made from
//!    the profile on the card;
//! 3. the secrets it reads encrypted again, all or none.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::error::Failure;
use crate::fleet::{Flake, Fleet, Host, HostSecret};
use crate::git;
use crate::host::key::fingerprint;
use crate::host::known_hosts::KnownHosts;
use crate::secrets::edit::{self, Edit};
use crate::secrets::rekey::Plan;
use crate::secrets::store::Secret;
use crate::secrets::{Identities, Recipient, Rules, replace};
use crate::ui::{Ui, indent};
use crate::wifi::Profile;

/// Who is enrolled for what.
#[derive(Clone, Copy)]
pub struct Enrollment<'a> {
    /// The host, as its key is called in the rules.
    pub name: &'a str,
    /// The host's public key, one line.
    pub key: &'a str,
    /// The key it replaces.
    pub old_key: Option<&'a str>,
    /// Keys that unfinished runs put beside the old one.
    pub added: &'a [String],
    /// The rules that must list it.
    pub secrets: &'a [String],
}

type Choose<'a> = dyn Fn(&str, &[Recipient]) -> Result<usize> + 'a;

/// What an enrolment means beyond the rules.
pub struct Membership<'a> {
    pub flake: &'a Flake,
    pub fleet: &'a Fleet,
    pub host: &'a Host,
    /// The secrets the host reads.
    pub secrets: &'a [HostSecret],
    /// What a missing wifi secret is made from.
    pub wifi: Option<&'a Profile>,
}

/// With what secrets are rekeyed.
pub struct Access<'a> {
    pub identities: &'a mut Identities,
    /// Fingerprints of recipients that may be added without asking, beside the host's own.
    pub accepted: &'a [String],
}

/// Runs the story; running it again changes nothing that is right. Without access nothing is rekeyed.
pub async fn run(
    rules: &Rules,
    enrollment: &Enrollment<'_>,
    member: Option<&Membership<'_>>,
    access: Option<Access<'_>>,
    ui: &Ui,
) -> Result<()> {
    replace::recover(&rules.root, |text| ui.say(text))?;
    let edit = insert(rules, enrollment, ui).await?;
    let rules = change(rules, edit, ui).await?;
    if let Some(member) = member {
        pin(member, enrollment.key, &rules, ui).await?;
        make_wifi_secret(member, &rules, ui).await?;
    }
    match access {
        Some(mut access) => rekey(&rules, enrollment, &mut access, ui),
        None => Ok(()),
    }
}

/// Lets the host's new key read what its old one reads, and the secrets of its configuration; both read from then on. What
/// the configuration names is visible to the flake afterwards. Running it again changes nothing that is right.
pub async fn admit(
    rules: &Rules,
    enrollment: &Enrollment<'_>,
    member: &Membership<'_>,
    mut access: Access<'_>,
    ui: &Ui,
) -> Result<()> {
    replace::recover(&rules.root, |text| ui.say(text))?;
    let edit = beside(rules, enrollment, ui).await?;
    let rules = change(rules, edit, ui).await?;
    make_wifi_secret(member, &rules, ui).await?;
    rekey(&rules, enrollment, &mut access, ui)?;
    let named = member
        .secrets
        .iter()
        .map(|s| member.flake.dir.join(&s.file));
    let mut files: Vec<PathBuf> = named.collect();
    files.push(rules.file.clone());
    tell_tracked(&rules, &files, ui).await
}

/// Writes a change of the rules and shows it; the rules as they are then.
async fn change(rules: &Rules, edit: Edit, ui: &Ui) -> Result<Rules> {
    if !edit.is_empty() {
        edit.write(ui)?;
        ui.say(indent(&edit.diff()));
        tell_tracked(rules, &edit.created(), ui).await?;
    }
    Ok(rules.with(edit.after))
}

fn rekey(
    rules: &Rules,
    enrollment: &Enrollment<'_>,
    access: &mut Access<'_>,
    ui: &Ui,
) -> Result<()> {
    let mut accepted = access.accepted.to_vec();
    accepted.push(fingerprint(enrollment.key)?);
    let plan = to_rekey(rules, enrollment)?;
    if plan.is_empty() {
        return Ok(());
    }
    plan.confirm(&accepted, access.identities, ui)?;
    plan.run(access.identities, ui)?;
    for name in plan.names() {
        ui.say(format!("  rekeyed {name}"));
    }
    Ok(())
}

/// Plans the change of the rules.
pub async fn insert(rules: &Rules, enrollment: &Enrollment<'_>, ui: &Ui) -> Result<Edit> {
    let choose =
        |question: &str, several: &[Recipient]| choose(question, several, enrollment.name, ui);
    edit::enroll(rules, &enrollment.wanted(&choose)).await
}

/// Plans the change that puts the key beside the old one.
pub async fn beside(rules: &Rules, enrollment: &Enrollment<'_>, ui: &Ui) -> Result<Edit> {
    let choose =
        |question: &str, several: &[Recipient]| choose(question, several, enrollment.name, ui);
    edit::beside(rules, &enrollment.wanted(&choose)).await
}

/// The key that the enrolment would replace.
pub fn replaced(rules: &Rules, enrollment: &Enrollment<'_>, ui: &Ui) -> Result<Option<Recipient>> {
    let choose =
        |question: &str, several: &[Recipient]| choose(question, several, enrollment.name, ui);
    edit::replaced(rules, &enrollment.wanted(&choose))
}

impl<'a> Enrollment<'a> {
    fn wanted(&self, choose: &'a Choose<'a>) -> edit::Enrollment<'a> {
        edit::Enrollment {
            name: self.name,
            key: self.key,
            old_key: self.old_key,
            added: self.added,
            secrets: self.secrets,
            choose,
        }
    }
}

/// What does not match the rules any more, among the secrets that list the host's key.
pub fn to_rekey(rules: &Rules, enrollment: &Enrollment<'_>) -> Result<Plan> {
    let names = rules.names_for(enrollment.secrets, Some(enrollment.key));
    Plan::new(rules, &names, false)
}

/// The names under which the rules know a host's secrets.
pub fn rule_names(secrets: &[HostSecret], flake: &Flake, rules: &Rules) -> Vec<String> {
    secrets
        .iter()
        .filter_map(|s| rules.name_of(&flake.dir.join(&s.file)))
        .collect()
}

fn choose(question: &str, several: &[Recipient], name: &str, ui: &Ui) -> Result<usize> {
    let options: Vec<String> = several.iter().map(Recipient::line).collect();
    if !ui.is_interactive() {
        return Err(Failure::new(question)
            .hint(format!(
                "Name it with `spinet host enroll {name} --old-key KEY`:\n{}",
                options.join("\n")
            ))
            .into());
    }
    let chosen = ui.choose(&format!("{question} Number:"), &options, "--old-key KEY")?;
    match chosen.as_slice() {
        [one] => Ok(*one),
        _ => Err(Failure::new("One key, please; nothing was changed.").into()),
    }
}

async fn pin(member: &Membership<'_>, key: &str, rules: &Rules, ui: &Ui) -> Result<()> {
    let path = member.flake.dir.join(&member.fleet.known_hosts);
    let before = KnownHosts::read(&path)?;
    let mut after = before.clone();
    after.pin(member.host, key);
    if after != before {
        after.write(&path)?;
        ui.say(format!(
            "  pinned in {}",
            member.fleet.known_hosts.display()
        ));
    }
    tell_tracked(rules, &[path], ui).await
}

async fn make_wifi_secret(member: &Membership<'_>, rules: &Rules, ui: &Ui) -> Result<()> {
    let missing = member
        .secrets
        .iter()
        .find(|s| s.wifi && !member.flake.dir.join(&s.file).exists());
    let (Some(secret), Some(profile)) = (missing, member.wifi) else {
        return Ok(());
    };
    let path = member.flake.dir.join(&secret.file);
    if let Some(name) = rules.name_of(&path) {
        let secret = Secret {
            rules,
            name: &name,
            rule: rules.rule(&name)?,
            was: None,
            with: None,
        };
        secret.write(&profile.to_secret(), ui)?;
        ui.say(format!(
            "  made {name} from the wifi profile {}",
            profile.shown()
        ));
        tell_tracked(rules, &[path], ui).await?;
    }
    Ok(())
}

/// Makes new files visible to the flake, and says so.
pub async fn tell_tracked(rules: &Rules, files: &[PathBuf], ui: &Ui) -> Result<()> {
    let tracked = git::track(&rules.root, files)
        .await
        .context("while telling git about new files")?;
    for file in tracked {
        let shown = file.strip_prefix(&rules.root).unwrap_or(&file);
        ui.say(format!(
            "  git add --intent-to-add {}: the flake sees it now",
            shown.display()
        ));
    }
    Ok(())
}
