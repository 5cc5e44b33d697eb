//! A build held against its host before anything is copied.

use std::path::Path;

use anyhow::{Context, Result};

use super::Job;
use super::manifest::Manifest;
use crate::error::Failure;
use crate::host::facts::Facts;
use crate::host::ssh::Target;
use crate::secrets::header;
use crate::ui::bytes;

impl Job<'_> {
    /// Fails if the host could not run the build, or could not decrypt a secret of it.
    pub(super) fn check(&self, facts: &Facts, manifest: &Manifest) -> Result<()> {
        let name = &self.host.name;
        facts.check_system(name, &manifest.system)?;
        for secret in &manifest.secrets {
            let lacks = header::lacks(&secret.file, &self.key)
                .with_context(|| format!("while reading the recipients of {}", secret.name))?;
            if lacks {
                return Err(Failure::new(format!("{name} could not decrypt its secret {}: the file is not encrypted for its pinned key.", secret.name))
                    .hint(format!("Run `spinet host enroll {name}`, or `spinet secrets rekey` if the rules are right, and `git add` the result."))
                    .into());
            }
        }
        Ok(())
    }

    /// Fails unless what the host lacks of the closure fits into its store.
    pub(super) async fn check_room(
        &self,
        target: &Target,
        facts: &Facts,
        toplevel: &Path,
    ) -> Result<()> {
        let name = &self.host.name;
        let sizes = self.nix.closure_sizes(toplevel).await?;
        let paths = sizes
            .keys()
            .fold(String::new(), |list, path| list + path + "\n");
        let lacking = target.script(LACKING, paths.as_bytes()).await?;
        let lacking = String::from_utf8_lossy(&lacking.stdout);
        let needed: u64 = lacking.lines().filter_map(|path| sizes.get(path)).sum();
        self.ui.detail(format!(
            "{name} lacks {} in {} paths",
            bytes(needed),
            lacking.lines().count()
        ));
        if needed <= facts.free {
            return Ok(());
        }
        let (user, address) = (&self.host.user, &self.host.address);
        Err(Failure::new(format!(
            "{name} lacks {} of the closure, but its store has {} free.",
            bytes(needed),
            bytes(facts.free)
        ))
        .hint(format!(
            "Make room: ssh {user}@{address} nix-collect-garbage --delete-older-than 7d"
        ))
        .into())
    }
}

/// Prints those of the paths on standard input that the host does not have.
const LACKING: &str = "xargs nix-store --check-validity --print-invalid 2>/dev/null || true";
