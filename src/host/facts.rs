//! What a host says about itself before anything is changed on it.

use std::collections::HashMap;

use anyhow::Result;

use super::ssh::Target;
use crate::error::Failure;

/// Read in one go over the shared connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The toplevel it runs (`/run/current-system`).
    pub current: String,
    /// The toplevel its system profile names: what is permanent.
    pub profile: String,
    /// Its machine name as `uname -m` prints it.
    pub machine: String,
    /// Bytes free for the store.
    pub free: u64,
}

const SCRIPT: &str = r#"
echo "current=$(readlink -f /run/current-system)"
echo "profile=$(readlink -f /nix/var/nix/profiles/system)"
echo "machine=$(uname -m)"
echo "free=$(df -Pk /nix/store | while read -r _ _ _ free _; do echo "$free"; done | tail -n 1)"
"#;

impl Facts {
    /// Asks the host.
    pub async fn of(target: &Target) -> Result<Self> {
        let output = target.script(SCRIPT, &[]).await?;
        let facts = Self::parse(&String::from_utf8_lossy(&output.stdout));
        if facts.current.is_empty() {
            return Err(Failure::new(format!(
                "{} does not look like NixOS: it has no /run/current-system.",
                target.host.name
            ))
            .hint("spinet deploys to NixOS only; `spinet bootstrap` makes such a card.")
            .into());
        }
        Ok(facts)
    }

    fn parse(text: &str) -> Self {
        let mut values: HashMap<_, _> = text.lines().filter_map(|l| l.split_once('=')).collect();
        let mut take = |key| values.remove(key).unwrap_or_default().to_owned();
        Self {
            current: take("current"),
            profile: take("profile"),
            machine: take("machine"),
            free: take("free")
                .parse::<u64>()
                .unwrap_or(0)
                .saturating_mul(1024),
        }
    }

    /// Fails unless systems built for `system` can run on this machine.
    pub fn check_system(&self, name: &str, system: &str) -> Result<()> {
        let runs = match self.machine.as_str() {
            "aarch64" => &["aarch64-linux", "armv7l-linux", "armv6l-linux"][..],
            "armv7l" => &["armv7l-linux", "armv6l-linux"],
            "armv6l" => &["armv6l-linux"],
            "x86_64" => &["x86_64-linux", "i686-linux"],
            // a machine this list does not know: nix' own name for it must do
            other => return own_name(other, name, system),
        };
        if runs.contains(&system) {
            return Ok(());
        }
        Err(wrong_machine(&self.machine, name, system))
    }
}

fn own_name(machine: &str, name: &str, system: &str) -> Result<()> {
    if system.strip_suffix("-linux") == Some(machine) {
        return Ok(());
    }
    Err(wrong_machine(machine, name, system))
}

fn wrong_machine(machine: &str, name: &str, system: &str) -> anyhow::Error {
    Failure::new(format!(
        "{name} runs on {machine}, but its configuration is built for {system}."
    ))
    .hint(format!("Correct `system` of {name} in hosts/default.nix."))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_by_name() {
        let facts =
            Facts::parse("current=/nix/store/a\nprofile=/nix/store/b\nmachine=aarch64\nfree=7\n");
        assert_eq!(facts.profile, "/nix/store/b");
        assert_eq!(facts.free, 7 * 1024);
    }

    #[test]
    fn a_system_for_another_machine_is_refused() {
        let facts = Facts {
            machine: "aarch64".into(),
            ..Facts::default()
        };
        assert!(facts.check_system("bach", "aarch64-linux").is_ok());
        let error = facts.check_system("bach", "x86_64-linux").unwrap_err();
        assert!(error.to_string().contains("runs on aarch64"), "{error}");
        let riscv = Facts {
            machine: "riscv64".into(),
            ..Facts::default()
        };
        assert!(riscv.check_system("r", "riscv64-linux").is_ok());
    }
}
