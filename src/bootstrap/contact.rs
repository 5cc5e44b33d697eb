//! First contact: the host must show the key on its card, or, with `--host-key first-boot`, one that the user vouches for.

use std::time::Duration;

use anyhow::Result;

use super::Story;
use crate::cli::HostKey;
use crate::error::Failure;
use crate::host::key::fingerprint;
use crate::host::root::Root;
use crate::host::ssh::Target;
use crate::host::user_known_hosts;
use crate::host::wait::Search;
use crate::state::Pending;

/// A host that has shown a trusted key.
pub struct Contact {
    pub target: Target,
    /// `ssh-ed25519 AAAA.. root@NAME`
    pub key: String,
}

pub async fn run(story: &Story<'_>) -> Result<Contact> {
    let search = Search {
        host: &story.host,
        address: story.args.address.as_deref(),
        timeout: Duration::from_secs(story.args.timeout),
    };
    let seeded = story.pending.as_ref().and_then(|p| p.key.clone());
    let mode = story
        .pending
        .as_ref()
        .map_or(story.args.host_key, Pending::mode);
    let key = match (mode, seeded) {
        (HostKey::Seeded | HostKey::Keep, Some(key)) => key,
        _ => vouched(story, &search).await?,
    };
    // the bootstrap image knows root alone
    let users = story.host.users();
    let nothing = |_: &str| Root::Already.run(&["true"], &[]);
    let (target, _) = search.enter(&key, &users, nothing, story.ui).await?;
    let shown = fingerprint(&key)?;
    story.ui.say(format!(
        "{} answers and shows the key {shown}.",
        story.host.name
    ));
    user_known_hosts::offer(&target, &key, story.ui).await;
    Ok(Contact { target, key })
}

/// Trust on first use, asked for by `--host-key first-boot`: the fingerprint is shown and somebody says yes to it.
async fn vouched(story: &Story<'_>, search: &Search<'_>) -> Result<String> {
    let name = &story.host.name;
    let (address, key) = search.shown_key(story.ui).await?;
    let shown = fingerprint(&key)?;
    story.ui.say(format!(
        "{address} answers as {name} and shows the ed25519 key {shown}."
    ));
    if let Some(expected) = &story.args.fingerprint {
        if *expected != shown {
            return Err(Failure::new(format!("{name} shows {shown}, not the fingerprint you gave ({expected})."))
                .hint("Nothing was trusted. Read the fingerprint on the host's own console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
                .into());
        }
    } else {
        let question = format!(
            "Is {shown} the key of {name} (its console tells: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub)? Type yes to trust it:"
        );
        if story.ui.ask(&question, "--fingerprint SHA256:..")? != "yes" {
            return Err(Failure::new(format!(
                "The key of {name} was not trusted; nothing was changed."
            ))
            .into());
        }
    }
    Ok(format!("{key} root@{name}"))
}
