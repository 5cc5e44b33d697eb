//! The words for what is missing, and the lines that add it: one kind for NixOS, another for everybody else.

use std::path::Path;

use super::Machine;
use super::binfmt::{Entry, FOLDER};
use crate::error::Failure;

/// What has to be done after nix.conf was changed.
pub const RESTART: &str = "then `sudo systemctl restart nix-daemon`";

impl Machine {
    /// Nix itself would refuse.
    pub(super) fn no_way(&self, system: &str) -> Failure {
        let failure = Failure::new(format!(
            "This machine cannot build for {system}: nix's `extra-platforms` lacks it, and `builders` names no machine for it."
        ));
        let runs_it = self.may_run(system);
        let hint = if self.nixos && runs_it {
            format!(
                "Add `nix.settings.extra-platforms = [ \"{system}\" ];` to this machine's NixOS configuration and switch to it, if its processor runs such programs."
            )
        } else if self.nixos {
            emulate(system)
        } else {
            let accept = format!(
                "put `{}` into /etc/nix/nix.conf, {RESTART}",
                self.accept(system)
            );
            let registered = self.binfmt.entries_for(system);
            if runs_it || registered.iter().any(|entry| entry.enabled) {
                format!("To build here, {accept}.")
            } else {
                format!("{} And {accept}.", register(system))
            }
        };
        failure.hint(hint).hint(self.name_a_builder(system))
    }

    /// The kernel would not know what to do with a program of `system`; `entry` is one that is switched off.
    pub(super) fn not_registered(&self, system: &str, entry: Option<&Entry>) -> Failure {
        let start = format!(
            "This machine cannot run programs for {system}, which nix's `extra-platforms` promises"
        );
        let (text, hint) = match (self.binfmt.enabled, entry) {
            (None, _) => (
                format!("{start}: binfmt_misc is not mounted, so the kernel knows no interpreter."),
                if self.nixos {
                    emulate(system)
                } else {
                    format!(
                        "Mount it: `sudo mount -t binfmt_misc binfmt_misc {FOLDER}`. {}",
                        register(system)
                    )
                },
            ),
            (Some(false), Some(_)) => (
                format!("{start}: the kernel's table of interpreters is switched off."),
                format!("Switch it on: `echo 1 | sudo tee {FOLDER}/status`."),
            ),
            (_, Some(entry)) => (
                format!(
                    "{start}: the kernel's entry {} for them is switched off.",
                    entry.name
                ),
                format!(
                    "Switch it on: `echo 1 | sudo tee {}`.",
                    crate::process::quote(&format!("{FOLDER}/{}", entry.name))
                ),
            ),
            (_, None) => (
                format!(
                    "{start}: the kernel has no interpreter for them; none of the {} entries in {FOLDER} matches such a program.",
                    self.binfmt.entries.len()
                ),
                if self.nixos {
                    emulate(system)
                } else {
                    register(system)
                },
            ),
        };
        Failure::new(text)
            .hint(hint)
            .hint(self.name_a_builder(system))
    }

    pub(super) fn interpreter_missing(&self, system: &str, entry: &Entry) -> Failure {
        let hint = if self.nixos {
            emulate(system)
        } else {
            register(system)
        };
        Failure::new(format!(
            "This machine cannot run programs for {system}: their interpreter {}, which the kernel's entry {} names, is not there.",
            entry.interpreter.display(),
            entry.name
        ))
        .hint(hint)
        .hint(self.name_a_builder(system))
    }

    /// The interpreter is there, but not within a sandbox.
    pub(super) fn hidden(&self, system: &str, entry: &Entry) -> Failure {
        let failure = Failure::new(format!(
            "Builds for {system} run in nix's sandbox, which does not show them their interpreter {}: the kernel's entry {} is without flag F (fix binary).",
            entry.interpreter.display(),
            entry.name
        ));
        self.make_static(failure, system, &entry.interpreter)
    }

    /// The kernel brings the interpreter into the sandbox, but nobody its libraries.
    pub(super) fn needs_libraries(&self, system: &str, entry: &Entry) -> Failure {
        let failure = Failure::new(format!(
            "Builds for {system} run in nix's sandbox, which does not show their interpreter {} the libraries it needs: it is not a static program.",
            entry.interpreter.display()
        ));
        if self.nixos {
            self.make_static(failure, system, &entry.interpreter)
        } else {
            failure.hint(register(system))
        }
    }

    fn make_static(&self, failure: Failure, system: &str, interpreter: &Path) -> Failure {
        if self.nixos {
            failure.hint(format!(
                "Add `boot.binfmt.preferStaticEmulators = true;` (NixOS 24.11 or newer) beside `boot.binfmt.emulatedSystems = [ \"{system}\" ];` and switch to it."
            ))
        } else {
            failure.hint(register(system)).hint(format!(
                "Or, if that interpreter is a static program, put `extra-sandbox-paths = {}` into /etc/nix/nix.conf, {RESTART}; every build then sees it.",
                interpreter.display()
            ))
        }
    }

    /// The line for nix.conf. The setting replaces nix's own list, so what this machine runs anyway is kept.
    fn accept(&self, system: &str) -> String {
        let kept = self.settings.extra_platforms.iter().map(String::as_str);
        let kept = kept.filter(|platform| !platform.starts_with("x86_64-v"));
        let all: Vec<_> = kept.chain([system]).collect();
        format!("extra-platforms = {}", all.join(" "))
    }

    fn name_a_builder(&self, system: &str) -> String {
        if self.nixos {
            format!(
                "Or have another machine build: `nix.distributedBuilds = true; nix.buildMachines = [ {{ hostName = \"HOST\"; sshUser = \"USER\"; system = \"{system}\"; }} ];`."
            )
        } else {
            format!(
                "Or have another machine build: put `builders = ssh://USER@HOST {system}` into /etc/nix/nix.conf, {RESTART}."
            )
        }
    }
}

/// What NixOS needs to emulate a system; it tells nix as well.
pub fn emulate(system: &str) -> String {
    format!(
        "Add `boot.binfmt.emulatedSystems = [ \"{system}\" ];` to this machine's NixOS configuration and switch to it."
    )
}

/// What others need: the packages of all of them register static interpreters with flag F.
pub fn register(system: &str) -> String {
    format!(
        "Install qemu-user-static (Debian, Ubuntu, Fedora; on Arch qemu-user-static-binfmt), which has the kernel run programs for {system} by a static interpreter with flag F; if it is installed, `sudo systemctl restart systemd-binfmt` registers it again."
    )
}
