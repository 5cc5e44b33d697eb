//! The card itself: the image built from the flake, written, verified, and given what is this host's alone.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::json;
use zeroize::Zeroizing;

use super::Story;
use super::preflight::Writing;
use super::wifi::Wifi;
use crate::error::Exit;
use crate::host::key::HostKey as Key;
use crate::privileged::SeedFile;
use crate::state::Pending;
use crate::ui::bytes;

/// Builds the image; the folder or file nix made.
pub async fn build(story: &Story<'_>) -> Result<PathBuf> {
    let attr = story.attr();
    match story.nix.build(&[attr], None, story.ui).await {
        Ok(mut paths) => Ok(paths.remove(0)),
        Err(error) => {
            let systems = [story.host.system.clone()];
            Err(story.nix.explain_failed_build(&systems, error).await)
        }
    }
}

/// What is remembered of a card before it is written.
pub fn pending(story: &Story<'_>, writing: &Writing) -> Result<Pending> {
    Ok(Pending {
        attempt: attempt()?,
        key: writing.key.as_ref().map(Key::public).transpose()?,
        replaces: writing.replaces.clone(),
        written: false,
        card: writing.path.clone(),
        full: story.is_full(),
        added: story.added.clone(),
    })
}

/// Keeps a new key for the admins, where that is wanted: a key that others count on, or that is on a card, is never lost.
pub async fn keep(story: &Story<'_>, writing: &mut Writing) -> Result<()> {
    match (writing.keeping.take(), &writing.key) {
        (Some(keeping), Some(key)) => keeping.write(key, story).await,
        _ => Ok(()),
    }
}

/// Writes the card. The pin is remembered before the first byte, so that a second run knows the key on the card.
pub async fn write(
    story: &Story<'_>,
    mut writing: Writing,
    image: &std::path::Path,
) -> Result<Pending> {
    let ui = story.ui;
    let mut pending = pending(story, &writing)?;
    keep(story, &mut writing).await?;
    story.state.remember(&pending)?;
    ui.if_stopped(
        format!(
            "The card {} is not bootable; run the same command again to write it whole.",
            writing.path.display()
        ),
        Exit::Failed,
    );
    let files = seed(story, &writing, &pending, image)?;
    let written = writing
        .rights
        .write(image, files, |phase, done, total| {
            ui.progress("", &phase.to_string(), done, total);
        })
        .await;
    ui.progress_done();
    let written = written?;
    ui.say(format!(
        "  {} written and verified in {:.1} s",
        bytes(written.bytes),
        written.seconds
    ));
    pending.written = true;
    story.state.remember(&pending)?;
    Ok(pending)
}

/// The files that make an image this host's card.
fn seed(
    story: &Story<'_>,
    writing: &Writing,
    pending: &Pending,
    image: &std::path::Path,
) -> Result<Vec<SeedFile>> {
    let text = |s: String| Zeroizing::new(s.into_bytes());
    let name = &story.host.name;
    // the second one outlives the first deploy, after which /etc/hostname is the configuration's
    let mut files: Vec<_> = ["/etc/hostname", "/var/lib/spinet/hostname"]
        .map(|path| SeedFile::new(path, 0o644, text(format!("{name}\n"))))
        .into();
    if let Some(key) = &writing.key {
        let private = Zeroizing::new(key.private()?.as_bytes().to_vec());
        files.push(SeedFile::new(
            "/etc/ssh/ssh_host_ed25519_key",
            0o600,
            private,
        ));
        let public = text(format!("{}\n", key.public()?));
        files.push(SeedFile::new(
            "/etc/ssh/ssh_host_ed25519_key.pub",
            0o644,
            public,
        ));
    }
    if let Some(Wifi { profile, country }) = &writing.wifi {
        let path = format!("/var/lib/iwd/{}", profile.file_name());
        files.push(SeedFile::new(&path, 0o600, profile.to_iwd()));
        let country = country.as_ref().map(|country| text(format!("{country}\n")));
        files
            .extend(country.map(|text| SeedFile::new("/var/lib/spinet/wifi-country", 0o644, text)));
    }
    let receipt = json!({
        "attempt": pending.attempt,
        "host": name,
        "hostKey": pending.key,
        "image": image,
        "spinet": env!("CARGO_PKG_VERSION"),
        "written": now()?,
    });
    files.push(SeedFile::new(
        "/var/lib/spinet/card.json",
        0o644,
        text(format!("{receipt:#}\n")),
    ));
    Ok(files)
}

/// Seconds since 1970, UTC.
fn now() -> Result<u64> {
    Ok(SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("The clock of this machine is before 1970.")?
        .as_secs())
}

/// A name for this run that no other run has.
fn attempt() -> Result<String> {
    Ok(format!("{}-{}", now()?, std::process::id()))
}
