//! The pinned keys: an ordinary `known_hosts` file in the flake (`sshd(8)`, "`SSH_KNOWN_HOSTS` FILE FORMAT"),
//! of which the lines of one host are read and replaced and all others stay as they are.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::error::Failure;
use crate::fleet::Host;

/// The pinned keys as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownHosts {
    text: String,
}

impl KnownHosts {
    /// Reads the file; a missing one is empty.
    pub fn read(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self { text }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(
                Failure::new(format!("{} could not be read.", path.display()))
                    .source(e)
                    .into(),
            ),
        }
    }

    /// The key pinned for a host, as `ssh-ed25519 AAAA..`.
    pub fn key(&self, name: &str) -> Option<String> {
        self.text.lines().find_map(|line| {
            let (names, key) = entry(line)?;
            names.split(',').any(|n| n == name).then(|| key.to_owned())
        })
    }

    /// Every key that is pinned, as `ssh-ed25519 AAAA..`.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter_map(entry).map(|(_, key)| key)
    }

    /// The key pinned for a host, or what to do to have one.
    pub fn need(&self, name: &str) -> Result<String> {
        self.key(name).ok_or_else(|| {
            Failure::new(format!("No key is pinned for {name}, so spinet cannot tell it from a stranger."))
                .hint(format!("`spinet bootstrap {name}` pins the key of a new card; `spinet host enroll {name} --key KEY` that of a machine you already trust."))
                .into()
        })
    }

    /// Pins `key` for a host in place of what was pinned for it.
    pub fn pin(&mut self, host: &Host, key: &str) {
        let mut names = host.name.clone();
        if host.address != host.name {
            names.push(',');
            if host.port == 22 {
                names.push_str(&host.address);
            } else {
                names.push_str(&format!("[{}]:{}", host.address, host.port));
            }
        }
        let mut line = Some(format!("{names} {}", bare(key)));
        let mut text = String::new();
        for old in self.text.lines() {
            let ours =
                entry(old).is_some_and(|(names, _)| names.split(',').any(|n| n == host.name));
            if !ours {
                text.push_str(old);
                text.push('\n');
            } else if let Some(line) = line.take() {
                text.push_str(&line);
                text.push('\n');
            }
        }
        if let Some(line) = line {
            text.push_str(&line);
            text.push('\n');
        }
        self.text = text;
    }

    /// Replaces the file in one step.
    pub fn write(&self, path: &Path) -> Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(dir)?;
            let mut file = tempfile::Builder::new()
                .permissions(mode(0o644))
                .tempfile_in(dir)?;
            file.write_all(self.text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().with_context(|| format!("while writing {}", path.display()))
    }
}

fn mode(mode: u32) -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

/// Host names and key of a line; comments, markers (`@revoked`) and hashed names are not ours to read.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (names, key) = line.trim().split_once([' ', '\t'])?;
    let ours = !names.starts_with(['#', '@', '|']);
    ours.then_some((names, bare(key)))
}

/// A public key without its comment.
pub fn bare(key: &str) -> &str {
    let key = key.trim();
    match key.match_indices([' ', '\t']).nth(1) {
        Some((end, _)) => &key[..end],
        None => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinning_replaces_in_place_and_keeps_all_else() {
        let text = "# pinned keys\nbyrd,byrd.local ssh-ed25519 AAAAbyrd\n\nbach ssh-ed25519 AAAAold root@bach\n@revoked * ssh-rsa AAAA\n";
        let mut known = KnownHosts { text: text.into() };
        known.pin(&Host::named("bach"), "ssh-ed25519 AAAAnew comment");
        assert_eq!(
            known.text,
            "# pinned keys\nbyrd,byrd.local ssh-ed25519 AAAAbyrd\n\nbach,bach.local ssh-ed25519 AAAAnew\n@revoked * ssh-rsa AAAA\n"
        );
        assert_eq!(known.key("bach").as_deref(), Some("ssh-ed25519 AAAAnew"));
        let once = known.clone();
        known.pin(&Host::named("bach"), "ssh-ed25519 AAAAnew");
        assert_eq!(known, once);
    }

    #[test]
    fn a_new_host_is_added_at_the_end() {
        let mut known = KnownHosts::default();
        known.pin(
            &Host {
                port: 2222,
                ..Host::named("bach")
            },
            "ssh-ed25519 AAAA",
        );
        assert_eq!(known.text, "bach,[bach.local]:2222 ssh-ed25519 AAAA\n");
        assert_eq!(known.key("bac"), None);
    }
}
