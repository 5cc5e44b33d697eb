//! Everything that can be known before the first minute of work, checked before it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::keep::{self, Keeping, Place};
use super::wifi::{self, Wifi};
use super::{Story, which_card};
use crate::cli::HostKey;
use crate::enroll::{self, Enrollment};
use crate::error::{Failure, Hint};
use crate::fleet::{HostSecret, Needs};
use crate::host::key::HostKey as Key;
use crate::host::key::fingerprint;
use crate::host::known_hosts::{KnownHosts, bare};
use crate::host::login_keys;
use crate::privileged::{Rights, needs_root};
use crate::process;
use crate::secrets::{Identities, Recipient, Rules, published, rekey};
use crate::state::Pending;
use crate::tools;
use crate::wifi::Profile;

/// What the checks found, for the steps after them.
pub struct Ready {
    pub needs: Needs,
    pub identities: Identities,
    /// Fingerprints of new recipients the user said yes to.
    pub accepted: Vec<String>,
    /// The network the card joins, if the card or a secret is still to be made from it.
    pub profile: Option<Profile>,
    /// Present when a card is to be written.
    pub writing: Option<Writing>,
}

/// The card, held open, and what is needed to write it.
pub struct Writing {
    pub rights: Rights,
    pub path: PathBuf,
    /// None for a wired host.
    pub wifi: Option<Wifi>,
    /// The host's new key; none when it makes its own.
    pub key: Option<Key>,
    /// The key pinned for the host until now, if it will be another.
    pub replaces: Option<String>,
    /// With `--host-key keep`: a new key, to be kept before the card is written.
    pub keeping: Option<Keeping>,
}

/// The pinned key, unless the card will have the same.
fn replaced(story: &Story<'_>, key: Option<&Key>) -> Result<Option<String>> {
    let pinned = KnownHosts::read(&story.flake.dir.join(&story.fleet.known_hosts))?;
    let new = key.map(Key::public).transpose()?;
    let pinned = pinned.key(&story.host.name);
    Ok(pinned.filter(|old| new.as_deref().is_none_or(|new| bare(old) != bare(new))))
}

pub async fn run(story: &Story<'_>) -> Result<Ready> {
    let (host, ui) = (&story.host, story.ui);
    tools()?;
    let writes = story.pending.is_none();
    if writes {
        story.nix.check_builds_for(&host.system).await?;
    }
    let needs = Needs::of(&story.nix, host).await?;
    let rules = story.rules().await?;
    logins(story, &needs).await?;
    let mut identities = Identities::load(&story.args.access.identity.identities, ui)?;
    let place = Place::of(&host.name, &rules);
    let (key, is_kept) = host_key(story, &place, &needs, &mut identities)?;
    let mut replaces = match &story.pending {
        Some(pending) => pending.replaces.clone(),
        None => replaced(story, key.as_ref())?,
    };
    let (accepted, names, old) = enrolment(
        story,
        &needs,
        &rules,
        key.as_ref(),
        replaces.as_deref(),
        &mut identities,
    )
    .await?;

    if writes && story.is_full() {
        evaluates(story, &needs).await?;
        // from now on two keys of the host may be in the rules: which one is the old one must be known
        let real = old.clone().filter(|old| !story.is_added(old));
        replaces = real.or(replaces);
    }

    let keeping = if let (Some(key), HostKey::Keep) = (&key, story.args.host_key) {
        let own = key.public()?;
        let hosts = [Some(own.as_str()), old.as_deref(), replaces.as_deref()];
        let hosts = hosts.into_iter().flatten();
        let hosts = keep::host_keys(story, hosts.chain(story.added.iter().map(String::as_str)))?;
        if is_kept {
            place.check_rule(&rules, &hosts)?;
            None
        } else {
            Some(keep::prepare(place, &rules, &names, &hosts, &identities, story).await?)
        }
    } else {
        if writes && place.exists() {
            ui.warn(format!("{}-host-key.age keeps another key than the card will have: it is of no use after this. `git rm` it and take its rule out, or use --host-key keep.", host.name));
        }
        None
    };

    let (writing, profile) = if writes {
        let mut writing = open(story, key, replaces).await?;
        writing.keeping = keeping;
        let profile = writing.wifi.as_ref().map(|wifi| wifi.profile.clone());
        (Some(writing), profile)
    } else if needs
        .secrets
        .iter()
        .any(|s| s.wifi && !story.flake.dir.join(&s.file).exists())
    {
        // the card is written, but the run that wrote it did not come to making this secret
        let mut rights = Rights::start(None, needs_root(None, own_wifi(story)))?;
        (None, Some(wifi::of_card(story, &mut rights).await?.profile))
    } else {
        (None, None)
    };
    Ok(Ready {
        needs,
        identities,
        accepted,
        profile,
        writing,
    })
}

/// The key for a card that is still to be written, and whether it is the one the admins keep; none when the host makes
/// its own.
fn host_key(
    story: &Story<'_>,
    place: &Place,
    needs: &Needs,
    identities: &mut Identities,
) -> Result<(Option<Key>, bool)> {
    let name = &story.host.name;
    if story.pending.is_some() || story.args.host_key == HostKey::FirstBoot {
        return Ok((None, false));
    }
    if story.args.host_key == HostKey::Keep {
        place.is_no_hosts(needs, story)?;
        if let Some(kept) = place.read(name, identities, story)? {
            return Ok((Some(kept), true));
        }
    }
    Ok((Some(Key::generate(name)?), false))
}

/// Enrolment and rekey come last, so whether they will work is tried first: the rules are edited and evaluated
/// without writing, with the very key if it is known already, and the identities must open what is to be rekeyed.
/// Returns the accepted recipients, the rules' names of the secrets the host reads, and the key that is replaced.
async fn enrolment(
    story: &Story<'_>,
    needs: &Needs,
    rules: &Rules,
    key: Option<&Key>,
    replaces: Option<&str>,
    identities: &mut Identities,
) -> Result<(Vec<String>, Vec<String>, Option<String>)> {
    let names = secrets(story, needs, rules)?;
    let key = match (key, &story.pending) {
        (Some(key), _) => key.public()?,
        (None, Some(Pending { key: Some(key), .. })) => key.clone(),
        // the host makes its own: any key shows whether there is a place for it
        _ => Key::generate(&story.host.name)?.public()?,
    };
    let enrollment = Enrollment {
        name: &story.host.name,
        key: &key,
        old_key: replaces,
        added: &story.added,
        secrets: &names,
    };
    let mut edit = enroll::insert(rules, &enrollment, story.ui).await?;
    if story.pending.is_none() && story.is_full() {
        // which one is the old key was answered just now
        let known = edit.replaced.as_ref().map(Recipient::line);
        let enrollment = Enrollment {
            old_key: known.as_deref().or(replaces),
            ..enrollment
        };
        edit = enroll::beside(rules, &enrollment, story.ui).await?;
    }
    for name in &names {
        for recipient in edit
            .after
            .get(name)
            .iter()
            .flat_map(|rule| &rule.recipients)
        {
            published::refuse(recipient).hint(
                format!("A published example key may read {name}."),
                format!(
                    "Put your own key in its place in {}, and make the secret anew.",
                    story.fleet.rules.display()
                ),
            )?;
        }
    }
    let old = edit.replaced.as_ref().map(|key| key.key().to_owned());
    let stale = rules.names_for(&names, old.as_deref());
    rekey::can_decrypt_all(rules, &stale, identities, story.ui)?;
    // questions are asked now, not after the wait
    let accepted = [
        &story.args.access.accept_recipient[..],
        &[fingerprint(&key)?],
    ]
    .concat();
    let after = rules.with(edit.after);
    let accepted =
        enroll::to_rekey(&after, &enrollment)?.confirm(&accepted, identities, story.ui)?;
    Ok((accepted, names, old))
}

/// The image must evaluate before the rules are changed for it. Without a wifi secret, which is still to be made, it
/// cannot yet.
async fn evaluates(story: &Story<'_>, needs: &Needs) -> Result<()> {
    let exists = |secret: &HostSecret| story.flake.dir.join(&secret.file).exists();
    if !needs.secrets.iter().all(exists) {
        return Ok(());
    }
    let (attr, name) = (story.attr(), &story.host.name);
    story.nix.out_path(&attr).await.map(drop).hint(
        format!("The image of {name}'s configuration cannot be built; nothing was changed."),
        format!("`nix build .#{attr} --dry-run` shows it alone. --image bootstrap needs the configuration at the first deploy only."),
    )
}

fn tools() -> Result<()> {
    match tools::missing().into_iter().next() {
        None => Ok(()),
        Some(tool) => Err(tool.is_missing().into()),
    }
}

/// Who may log in: somebody, nobody whose key is published, and the user with a key at hand.
async fn logins(story: &Story<'_>, needs: &Needs) -> Result<()> {
    let name = &story.host.name;
    if needs.authorized_keys.is_empty() {
        return Err(login_keys::nobody(name).into());
    }
    for key in &needs.authorized_keys {
        let Some(recipient) = Recipient::parse_all(key).pop() else {
            continue;
        };
        published::refuse(&recipient).hint(
            format!("The configuration of {name} lets a published example key log in as root."),
            format!("Put your own public key into users.users.root.openssh.authorizedKeys.keys in hosts/{name}."),
        )?;
    }
    let mine = login_keys::own().await;
    if !mine
        .iter()
        .any(|key| needs.authorized_keys.iter().any(|k| bare(k) == bare(key)))
    {
        story.ui.warn(format!("None of the keys in ssh-agent and ~/.ssh is authorized for root on {name}; the first contact will fail unless ssh finds another."));
    }
    Ok(())
}

/// The rules must know every secret the host names, and only the wifi secret may be missing: that one is made from
/// the wifi profile. Returns the names the rules use.
fn secrets(story: &Story<'_>, needs: &Needs, rules: &Rules) -> Result<Vec<String>> {
    let name = &story.host.name;
    let mut names = Vec::new();
    for secret in &needs.secrets {
        let shown = secret.file.display();
        let path = story.flake.dir.join(&secret.file);
        let Some(rule) = rules.name_of(&path) else {
            return Err(Failure::new(format!(
                "{} has no rule for {shown}, which {name} reads.",
                story.fleet.rules.display()
            ))
            .hint(format!(
                "Add one: \"{}\".publicKeys = [ .. ];",
                file_name(&secret.file)
            ))
            .into());
        };
        if !path.exists() && !secret.wifi {
            return Err(
                Failure::new(format!("{shown}, which {name} reads, does not exist."))
                    .hint(format!(
                        "Make it: spinet secrets edit {}",
                        process::quote(&rule)
                    ))
                    .into(),
            );
        }
        if !path.exists() && story.args.no_wifi {
            return Err(Failure::new(format!(
                "{shown} does not exist, and --no-wifi leaves nothing to make it from."
            ))
            .hint(format!(
                "Remove the network from hosts/{name}, or leave out --no-wifi."
            ))
            .into());
        }
        names.push(rule);
    }
    Ok(names)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// This machine's own profiles are needed.
fn own_wifi(story: &Story<'_>) -> bool {
    !story.args.no_wifi && story.args.wifi_from.wifi_from.is_none()
}

/// Takes the rights, reads the wifi profile, and opens the card; all of it stays open until the card is written.
async fn open(story: &Story<'_>, key: Option<Key>, replaces: Option<String>) -> Result<Writing> {
    let (args, ui) = (story.args, story.ui);
    let (choice, sequence) = which_card::choose(args, ui).await?;
    let root = needs_root(Some(&choice.path), own_wifi(story));
    let mut rights = Rights::start(Some(&choice), root)?;
    let wifi = if args.no_wifi {
        None
    } else {
        Some(wifi::of_card(story, &mut rights).await?)
    };
    let info = rights.open_card(sequence).await?;
    which_card::confirm(&info, &mut rights, ui).await?;
    if args.host_key == HostKey::FirstBoot && replaces.is_some() {
        ui.detail("The key pinned until now is replaced once the new one is confirmed.");
    }
    Ok(Writing {
        rights,
        path: choice.path,
        wifi,
        key,
        replaces,
        keeping: None,
    })
}
