//! The user's own `known_hosts`: after a reflash it still has the old key, and plain `ssh` would refuse the host. The
//! stale entries are offered for replacement, and never touched without a yes.

mod edit;
mod settings;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{Access, access};

use super::key::fingerprint;
use super::known_hosts::bare;
use super::ssh::Target;
use crate::fleet::Host;
use crate::process::{Cmd, quote};
use crate::ui::{Ui, visible};

use edit::{Found, Stale};
use settings::Settings;

/// A file with entries that are stale.
struct File {
    /// Where it really is.
    path: PathBuf,
    text: String,
    stale: Vec<Stale>,
}

/// Offers to replace what the user's files say of a host that has just shown `key`. What goes wrong here is told, and
/// stops nothing.
pub async fn offer(target: &Target, key: &str, ui: &Ui) {
    if let Err(error) = offer_each(target, bare(key), ui).await {
        ui.warn(format!(
            "Your own known_hosts was not brought up to date: {}",
            visible(&format!("{error:#}"))
        ));
    }
}

async fn offer_each(target: &Target, key: &str, ui: &Ui) -> Result<()> {
    let address = target.address.map(|address| address.ip());
    for file in stale_files(&target.host, &target.destination(), address, key).await? {
        file.offer(&target.host.name, key, ui).await?;
    }
    Ok(())
}

/// What the user's files say of a host that has the key pinned for it, where they say something else: for each file a
/// sentence with a row for each entry, and the commands that do away with them. Changes nothing.
pub async fn stale(host: &Host, key: &str) -> Result<Vec<(String, String)>> {
    let key = bare(key);
    let destination = format!("{}@{}", host.user, host.address);
    let files = stale_files(host, &destination, None, key).await?;
    Ok(files
        .iter()
        .map(|file| (file.describe(&host.name), file.by_hand()))
        .collect())
}

async fn stale_files(
    host: &Host,
    destination: &str,
    address: Option<IpAddr>,
    key: &str,
) -> Result<Vec<File>> {
    let settings = Cmd::new("ssh")
        .args(["-G", "-p", &host.port.to_string(), destination])
        .or_install("Install OpenSSH.");
    let settings = Settings::parse(&settings.text().await?);
    let names = settings.names(host, address);
    let mut files = Vec::new();
    for path in &settings.files {
        let Ok(path) = path.canonicalize() else {
            continue;
        };
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("while reading {}", path.display()))?;
        let mut found = Vec::new();
        for name in &names {
            found.extend(find(name, &path).await?);
        }
        let stale = edit::stale(&text, &found, &names, key);
        if !stale.is_empty() {
            files.push(File { path, text, stale });
        }
    }
    Ok(files)
}

/// ssh-keygen knows hashed names and patterns, too.
async fn find(name: &str, path: &Path) -> Result<Vec<Found>> {
    let search = Cmd::new("ssh-keygen").args(["-F", name, "-f"]).arg(path);
    // exit 1: there is none
    let output = search.or_install("Install OpenSSH.").output().await?;
    Ok(edit::found(name, &String::from_utf8_lossy(&output.stdout)))
}

impl File {
    async fn offer(&self, host: &str, key: &str, ui: &Ui) -> Result<()> {
        let path = visible(&self.path.display().to_string());
        let what = self.describe(host);
        let by_hand = self.by_hand();
        if !self.is_writable() || !self.stale.iter().any(Stale::is_replaceable) {
            ui.warn(format!("{what}\nIt is left as it is, and ssh will refuse {host}: change it where it comes from."));
            return Ok(());
        }
        if !ui.is_interactive() && !ui.assumes_yes() {
            ui.warn(format!("{what}\nIt is left as it is, and ssh will refuse {host}. Remove the old key with:\n{by_hand}"));
            return Ok(());
        }
        ui.say(what);
        let shown = fingerprint(key)?;
        if !ui.confirm(&format!("Put the key it shows, {shown}, in their place?"))? {
            ui.say(format!(
                "{path} is left as it is. To remove the old key:\n{by_hand}"
            ));
            return Ok(());
        }
        let (plain, hashed) = edit::names_to_add(&self.stale);
        let mut added = edit::line(&plain, key);
        for name in hashed {
            added += &hash(&edit::line(&[name].into(), key)).await?;
        }
        self.replace(&edit::rewrite(&self.text, &self.stale, &added))?;
        ui.say(format!("{path} is up to date; {path}.old is what it was."));
        Ok(())
    }

    fn describe(&self, host: &str) -> String {
        let path = visible(&self.path.display().to_string());
        let rows: Vec<_> = self.stale.iter().map(Stale::describe).collect();
        let rows = crate::ui::indent(&rows.join("\n"));
        format!("{path} has another key for {host} than {host} has:\n{rows}")
    }

    /// The commands that do away with the old key.
    fn by_hand(&self) -> String {
        let names: BTreeSet<_> = self.stale.iter().flat_map(|s| &s.names).collect();
        let path = quote(&self.path.display().to_string());
        let command = |name: &&String| format!("  ssh-keygen -R {} -f {path}", quote(name));
        names.iter().map(command).collect::<Vec<_>>().join("\n")
    }

    /// A file that a configuration keeps in the store is not ours to change, even where root could.
    fn is_writable(&self) -> bool {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        let can = |path: &Path| access(path, Access::WRITE_OK).is_ok();
        !self.path.starts_with("/nix/store") && can(&self.path) && can(dir)
    }

    /// In one step, with what was there kept as `.old`, as ssh-keygen does.
    fn replace(&self, text: &str) -> Result<()> {
        let path = &self.path;
        // the question may have waited for long, and another ssh may have learnt a key meanwhile
        let now = std::fs::read_to_string(path)
            .with_context(|| format!("while reading {}", path.display()))?;
        anyhow::ensure!(
            now == self.text,
            "{} was changed by another program meanwhile; it is left as it is.",
            path.display()
        );
        let mut old = path.clone().into_os_string();
        old.push(".old");
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::Builder::new()
                .permissions(path.metadata()?.permissions())
                .tempfile_in(path.parent().unwrap_or(Path::new("/")))?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            // not through a link that may be there
            let _ = std::fs::remove_file(&old);
            std::fs::copy(path, &old)?;
            file.persist(path)?;
            Ok(())
        };
        write().with_context(|| format!("while writing {}", path.display()))
    }
}

/// The line with its name hashed, as ssh-keygen does it.
async fn hash(line: &str) -> Result<String> {
    let dir = tempfile::tempdir().context("while making a temporary folder")?;
    let path = dir.path().join("line");
    std::fs::write(&path, line).context("while writing a name to hash")?;
    let hash = Cmd::new("ssh-keygen").args(["-H", "-f"]).arg(&path);
    hash.run().await?;
    std::fs::read_to_string(&path).context("while reading a hashed name")
}
