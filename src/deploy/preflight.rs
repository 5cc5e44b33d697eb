//! A build held against its host before anything is copied.

use anyhow::{Context, Result};

use super::job::Job;
use super::options::Source;
use crate::error::Failure;
use crate::host::manifest::Manifest;
use crate::host::status::Status;
use crate::secrets::header;

impl Job<'_> {
    /// Fails if the host could not run the build, or could not decrypt a secret of it.
    pub(super) fn check(&self, status: &Status, manifest: &Manifest) -> Result<()> {
        let name = self.name();
        check_system(&status.machine, name, &manifest.system)?;
        if self.run.options.source == Source::Previous {
            // it ran there before, with the secrets it had
            return Ok(());
        }
        check_network(status, name, manifest.joins_wifi)?;
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

    /// Somebody's work on the host itself is not replaced unasked.
    pub(super) fn check_origin(&self, status: &Status) -> Result<()> {
        let known = status.permanent.is_empty() || status.profile == status.permanent;
        if known || self.run.options.force {
            return Ok(());
        }
        let name = self.name();
        Err(Failure::new(format!(
            "The configuration of {name} did not come from spinet: its profile names {}, and the last one that spinet made permanent was {}.",
            status.profile, status.permanent
        ))
        .hint("Somebody changed it there, or with another tool. --force replaces it.")
        .into())
    }
}

/// Fails unless systems built for `system` can run on a machine that `uname -m` calls `machine`.
fn check_system(machine: &str, name: &str, system: &str) -> Result<()> {
    let runs = match machine {
        "aarch64" => &["aarch64-linux", "armv7l-linux", "armv6l-linux"][..],
        "armv7l" => &["armv7l-linux", "armv6l-linux"],
        "armv6l" => &["armv6l-linux"],
        "x86_64" => &["x86_64-linux", "i686-linux"],
        // a machine this list does not know: nix' own name for it must do
        _ => &[],
    };
    if runs.contains(&system) || system.strip_suffix("-linux") == Some(machine) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{name} runs on {}, but its configuration is built for {}.",
        crate::ui::visible(machine),
        crate::ui::visible(system)
    ))
    .hint(format!("Correct `system` of {name} in hosts/default.nix."))
    .into())
}

/// Fails if the host is on the wifi alone and the new system joins none: it would only be undone.
fn check_network(status: &Status, name: &str, joins_wifi: Option<bool>) -> Result<()> {
    if !status.only_wifi || joins_wifi != Some(false) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{name} is connected by wifi alone, and its new configuration joins no network."
    ))
    .hint("Name the network: spinet.wifi.networks.home.secret = ../../secrets/wifi-home.age;")
    .hint("If it goes on by cable, plug the cable in first.")
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_for_another_machine_is_refused() {
        assert!(check_system("aarch64", "bach", "aarch64-linux").is_ok());
        let error = check_system("aarch64", "bach", "x86_64-linux").unwrap_err();
        assert!(error.to_string().contains("runs on aarch64"), "{error}");
        assert!(check_system("riscv64", "r", "riscv64-linux").is_ok());
        assert!(check_system("", "r", "aarch64-linux").is_err());
    }

    #[test]
    fn the_last_way_to_a_host_is_not_taken_away() {
        let on = |only_wifi| Status {
            only_wifi,
            ..Status::default()
        };
        let error = check_network(&on(true), "bach", Some(false)).unwrap_err();
        assert!(error.to_string().contains("wifi alone"), "{error}");
        for (status, joins) in [
            (on(true), Some(true)),
            (on(true), None),
            (on(false), Some(false)),
        ] {
            assert!(check_network(&status, "bach", joins).is_ok());
        }
    }
}
