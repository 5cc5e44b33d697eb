//! The story of an enrolment, shared by `bootstrap` and `host enroll`:
//! 1. the host's key into the rules, beside the others or in place of its old one, proven by evaluation;
//! 2. the key pinned in `hosts/known_hosts`;
//! 3. a wifi secret that does not exist yet made from the profile on the card;
//! 4. the secrets it reads encrypted again, all or none.

use std::path::PathBuf;

use anyhow::Result;

use crate::fleet::{Flake, Fleet, Host, HostSecret};
use crate::host::key::fingerprint;
use crate::host::known_hosts::KnownHosts;
use crate::secrets::enroll::Edit;
use crate::secrets::rekey::{self, Plan};
use crate::secrets::{self, Identities, Rules};
use crate::ui::{Ui, indent};
use crate::wifi::Profile;

/// Who is enrolled for what.
pub struct Enrollment<'a> {
    pub host: &'a Host,
    /// The host's public key, one line.
    pub key: &'a str,
    /// The key it replaces.
    pub old_key: Option<&'a str>,
    /// The secrets the host reads.
    pub secrets: &'a [HostSecret],
    /// What a missing wifi secret is made from.
    pub wifi: Option<&'a Profile>,
}

/// Runs the story; running it again changes nothing that is right. Without identities nothing is rekeyed.
pub async fn run(
    enrollment: &Enrollment<'_>,
    flake: &Flake,
    fleet: &Fleet,
    identities: Option<&Identities>,
    ui: &Ui,
) -> Result<()> {
    let rules_file = flake.dir.join(&fleet.rules);
    let rules = Rules::load(&rules_file, &flake.work_tree).await?;
    let names = rule_names(enrollment, flake, &rules);
    let edit = insert(&rules, enrollment, &names).await?;
    if !edit.is_empty() {
        edit.write()?;
        ui.say(indent(&edit.diff()));
    }
    pin(enrollment, flake, fleet, ui).await?;

    let rules = Rules::load(&rules_file, &flake.work_tree).await?;
    make_wifi_secret(enrollment, flake, &rules, ui).await?;
    let stale = rules.names_for(&names, Some(enrollment.key));
    identities.map_or(Ok(()), |identities| {
        rekey(&rules, &stale, enrollment.key, identities, ui)
    })
}

/// Plans the change of the rules.
pub async fn insert(rules: &Rules, enrollment: &Enrollment<'_>, names: &[String]) -> Result<Edit> {
    let wanted = secrets::enroll::Enrollment {
        name: &enrollment.host.name,
        key: enrollment.key,
        old_key: enrollment.old_key,
        secrets: names,
    };
    secrets::enroll::plan(rules, &wanted).await
}

/// The names under which the rules know the host's secrets.
pub fn rule_names(enrollment: &Enrollment<'_>, flake: &Flake, rules: &Rules) -> Vec<String> {
    enrollment
        .secrets
        .iter()
        .filter_map(|s| rules.name_of(&flake.dir.join(&s.file)))
        .collect()
}

/// Encrypts what does not match; the enrolled key counts as accepted, any other new one is asked for.
fn rekey(
    rules: &Rules,
    names: &[String],
    key: &str,
    identities: &Identities,
    ui: &Ui,
) -> Result<()> {
    let plan = Plan::new(rules, names, false)?;
    for name in plan.run(identities, &[fingerprint(key)?], ui)? {
        ui.say(format!("  rekeyed {name}"));
    }
    Ok(())
}

async fn pin(enrollment: &Enrollment<'_>, flake: &Flake, fleet: &Fleet, ui: &Ui) -> Result<()> {
    let path = flake.dir.join(&fleet.known_hosts);
    let before = KnownHosts::read(&path)?;
    let mut after = before.clone();
    after.pin(enrollment.host, enrollment.key);
    if after != before {
        after.write(&path)?;
        ui.say(format!("  pinned in {}", fleet.known_hosts.display()));
    }
    tell_tracked(flake, &[path], ui).await
}

async fn make_wifi_secret(
    enrollment: &Enrollment<'_>,
    flake: &Flake,
    rules: &Rules,
    ui: &Ui,
) -> Result<()> {
    let missing = enrollment
        .secrets
        .iter()
        .find(|s| s.wifi && !flake.dir.join(&s.file).exists());
    let (Some(secret), Some(profile)) = (missing, enrollment.wifi) else {
        return Ok(());
    };
    let path = flake.dir.join(&secret.file);
    if let Some(rule) = rules.name_of(&path) {
        rekey::create(rules, &rule, &profile.to_secret())?;
        ui.say(format!(
            "  made {} from the wifi profile {}",
            secret.file.display(),
            profile.shown()
        ));
        tell_tracked(flake, &[path], ui).await?;
    }
    Ok(())
}

async fn tell_tracked(flake: &Flake, files: &[PathBuf], ui: &Ui) -> Result<()> {
    for file in flake.track(files).await? {
        let shown = file.strip_prefix(&flake.dir).unwrap_or(&file);
        ui.say(format!(
            "  git add --intent-to-add {}: the flake sees it now",
            shown.display()
        ));
    }
    Ok(())
}
