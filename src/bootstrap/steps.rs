//! The steps of the story, and what each will do in a sentence: what `--plan` prints and a run announces.

use super::Story;
use crate::cli::{HostKey, Image};
use crate::state::Pending;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Check,
    Admit,
    Build,
    Card,
    Contact,
    Health,
    Enroll,
    Deploy,
}

/// The steps a run takes. `waits`: a card is whole already and is not written again.
pub fn of(waits: bool, full: bool, deploy: bool) -> Vec<Step> {
    let mut steps = vec![Step::Check];
    if !waits {
        steps.extend(full.then_some(Step::Admit));
        steps.extend([Step::Build, Step::Card]);
    }
    steps.push(Step::Contact);
    steps.extend(full.then_some(Step::Health));
    steps.push(Step::Enroll);
    steps.extend(deploy.then_some(Step::Deploy));
    steps
}

impl Story<'_> {
    pub fn steps(&self) -> Vec<Step> {
        of(self.pending.is_some(), self.is_full(), self.args.deploy)
    }

    /// The card holds, or will hold, the host's permanent configuration.
    pub fn is_full(&self) -> bool {
        let pending = self.pending.as_ref();
        pending.map_or(self.args.image == Image::Full, |pending| pending.full)
    }

    /// The flake's name of the image.
    pub fn attr(&self) -> String {
        let kind = if self.is_full() {
            "full-image"
        } else {
            "image"
        };
        format!("{}-{kind}", self.host.name)
    }

    /// What a step will do, in one sentence.
    pub fn describe(&self, step: Step) -> String {
        let name = &self.host.name;
        let address = self.args.address.as_deref().unwrap_or(&self.host.address);
        let rules = self.fleet.rules.display();
        let known_hosts = self.fleet.known_hosts.display();
        match step {
            Step::Check => "Check tools, rights, card, wifi, rules and identities.".into(),
            Step::Admit => format!(
                "Put a key for the card into {rules}, beside the one {name} may have, and encrypt the secrets {name} reads for it as well."
            ),
            Step::Build => {
                let what = if self.is_full() {
                    "configuration as an image"
                } else {
                    "image"
                };
                format!("Build {name}'s {what} with `nix build .#{}`.", self.attr())
            }
            Step::Card => self.describe_card(),
            Step::Contact => match self
                .pending
                .as_ref()
                .map_or(self.args.host_key, Pending::mode)
            {
                HostKey::Seeded | HostKey::Keep => format!(
                    "Wait up to {} s for {address} to show the key on its card.",
                    self.args.timeout
                ),
                HostKey::FirstBoot => format!(
                    "Wait up to {} s for {address}, and have the fingerprint it shows confirmed.",
                    self.args.timeout
                ),
            },
            Step::Health => {
                format!("See whether {name} has all its secrets, and whether a unit failed.")
            }
            Step::Enroll if self.is_full() => format!(
                "Take the key {name} had before out of {rules}, pin the new one in {known_hosts}, and encrypt the secrets it reads for the new one alone."
            ),
            Step::Enroll => format!(
                "Put {name}'s key into {rules} and {known_hosts}, and encrypt the secrets it reads for it."
            ),
            Step::Deploy => format!("Deploy {name}."),
        }
    }

    fn describe_card(&self) -> String {
        let card = self
            .args
            .card
            .as_ref()
            .map_or("the card".into(), |c| c.display().to_string());
        let identity = match self.args.host_key {
            HostKey::Seeded => "hostname, host key",
            HostKey::Keep => "hostname, the host key the admins keep",
            HostKey::FirstBoot => "hostname",
        };
        let wifi = if self.args.no_wifi {
            ""
        } else {
            " and wifi profile"
        };
        format!("Erase {card}, write the image, verify it, and put {identity}{wifi} on it.")
    }
}

impl Pending {
    /// Where the key that is waited for comes from.
    pub fn mode(&self) -> HostKey {
        if self.key.is_some() {
            HostKey::Seeded
        } else {
            HostKey::FirstBoot
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_in_the_rules_before_a_full_image_is_built_and_the_old_one_goes_last() {
        assert_eq!(
            of(false, true, true),
            [
                Step::Check,
                Step::Admit,
                Step::Build,
                Step::Card,
                Step::Contact,
                Step::Health,
                Step::Enroll,
                Step::Deploy
            ]
        );
        assert_eq!(
            of(true, true, false),
            [Step::Check, Step::Contact, Step::Health, Step::Enroll]
        );
    }

    #[test]
    fn a_bootstrap_image_is_built_without_touching_the_rules() {
        assert_eq!(
            of(false, false, false),
            [
                Step::Check,
                Step::Build,
                Step::Card,
                Step::Contact,
                Step::Enroll
            ]
        );
        assert_eq!(
            of(true, false, true),
            [Step::Check, Step::Contact, Step::Enroll, Step::Deploy]
        );
    }
}
