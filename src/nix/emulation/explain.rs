//! A symptom in words that name the cause. Settings that would weaken a build are told with their price, never changed.

use super::remedy::RESTART;
use super::symptom::Symptom;
use super::{Machine, Way};
use crate::error::Failure;

impl Symptom {
    /// The cause, and what to do. `verdict` is what the settings say.
    pub fn explain(
        &self,
        system: &str,
        machine: &Machine,
        verdict: Result<Way, Failure>,
    ) -> Failure {
        let verdict = match (verdict, self) {
            // what is missing is known better from the settings than from its consequence
            (Err(missing), Self::Refused | Self::NotExecutable | Self::NoInterpreter) => {
                return missing;
            }
            (verdict, _) => verdict.ok(),
        };
        let set = |name: &str, value: &str| machine.set(name, value);
        match self {
            Self::Refused => Failure::new(format!(
                "The nix daemon refuses to build for {system}, although the settings seen here allow it."
            ))
            .hint("It reads its settings when it starts: `sudo systemctl restart nix-daemon`.")
            .hint(format!(
                "The daemon may not obey a line in your own ~/.config/nix/nix.conf. {}",
                set("extra-platforms", system)
            )),
            Self::Untrusted => Failure::new(format!(
                "The nix daemon refuses to build for {system}: it does not take that setting from you, because you are not one of its trusted users."
            ))
            .hint(format!("{} There the daemon obeys it.", set("extra-platforms", system)))
            .hint("To be a trusted user would help as well, but it is as good as being root on this machine."),
            Self::Builder(line) => Failure::new(format!("The builder for {system} cannot be used: {line}"))
                .hint("The daemon logs in as root: try `sudo ssh USER@HOST nix --version` with the builder's address; its host key must be known to root."),
            Self::NotExecutable | Self::NoInterpreter => {
                let (text, hint) = executes_not(system, verdict);
                Failure::new(text).hint(hint)
            }
            Self::Filter => Failure::new(format!(
                "Builds for {system} fail because nix cannot load its filter of system calls (setting `filter-syscalls`): nix itself is emulated, or this kernel is without seccomp."
            ))
            .hint("Run the nix that was built for this machine's own processor; it loads the filter, and emulated builds run under it.")
            .hint(format!(
                "Or go without the filter. {} The price: a build could leave setuid programs and access control lists in the store, so build only what you trust. The sandbox can stay on.",
                set("filter-syscalls", "false")
            )),
            Self::Namespaces(line) => Failure::new(format!(
                "Builds for {system} fail because the kernel does not let nix isolate them (setting `sandbox`): {line}"
            ))
            .hint("Allow user namespaces: `sudo sysctl user.max_user_namespaces=65536`, on Debian and Ubuntu also `kernel.unprivileged_userns_clone=1`; in a container, that is up to whoever started it.")
            .hint(format!(
                "Or build without sandbox. {} The price: every build sees this machine's files and its network, so what works here may fail elsewhere, and a build must be trusted.",
                set("sandbox", "false")
            )),
            Self::Groups => Failure::new(format!(
                "Builds for {system} fail because nix may not drop its supplementary groups (setting `require-drop-supplementary-groups`); that is so in user namespaces made without privileges."
            ))
            .hint(format!(
                "{} The price: builds keep the groups of whoever runs nix.",
                set("require-drop-supplementary-groups", "false")
            )),
            Self::Crashed(line) => Failure::new(format!(
                "The interpreter for {system} crashed: {line}"
            ))
            .hint("Install a newer qemu-user-static, or have another machine build: emulation has bugs of its own."),
            Self::Setup(line) => Failure::new(format!(
                "Nix cannot set up a build for {system}: {line}"
            ))
            .hint(format!(
                "That is the sandbox (setting `sandbox`, now {}) or the filter of system calls (`filter-syscalls`, now {}) of this machine's nix; see whether builds for its own system work: `nix build --rebuild nixpkgs#hello`.",
                machine.settings.sandbox, machine.settings.filter_syscalls
            )),
        }
    }
}

/// The kernel could not start a program, although the settings say that it could.
fn executes_not(system: &str, way: Option<Way>) -> (String, String) {
    match way {
        Some(Way::Remote { builder }) => (
            format!("The builder {builder} is named for {system}, but cannot run its programs."),
            format!(
                "Correct the systems that `builders` gives to {builder}, or have it emulate {system}."
            ),
        ),
        Some(Way::Emulated { interpreter }) => (
            format!(
                "Programs for {system} do not start in a build, although the kernel has the interpreter {} for them.",
                interpreter.display()
            ),
            format!(
                "If it was registered only now, or if the daemon runs in a container, the daemon does not see it: `sudo systemctl restart nix-daemon`. If it still fails, see whether it runs at all: `{} --version`.",
                interpreter.display()
            ),
        ),
        _ => (
            format!(
                "This machine's processor does not run programs for {system}, which nix's `extra-platforms` promises."
            ),
            format!(
                "Emulate it: on NixOS with `boot.binfmt.emulatedSystems = [ \"{system}\" ];`, elsewhere with qemu-user-static; or have another machine build."
            ),
        ),
    }
}

impl Machine {
    /// How a setting of nix is made on this machine.
    fn set(&self, name: &str, value: &str) -> String {
        if !self.nixos {
            return format!("Put `{name} = {value}` into /etc/nix/nix.conf, {RESTART}.");
        }
        let value = match value {
            "true" | "false" => value.to_owned(),
            text => format!("[ \"{text}\" ]"),
        };
        format!(
            "Add `nix.settings.{name} = {value};` to this machine's NixOS configuration and switch to it."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::binfmt::tests::{aarch64, table};
    use super::super::elf::Program;
    use super::super::tests::machine;
    use super::*;
    use crate::error::render;

    const ARM64: &str = "aarch64-linux";

    #[test]
    fn what_the_settings_lack_is_the_better_explanation() {
        let machine = machine(&[ARM64], "", &[], table(vec![]));
        let cause = Symptom::NotExecutable.explain(ARM64, &machine, machine.verdict(ARM64));
        assert!(cause.to_string().contains("no interpreter"), "{cause}");
        let cause = Symptom::Filter.explain(ARM64, &machine, machine.verdict(ARM64));
        assert!(cause.to_string().contains("filter-syscalls"), "{cause}");
    }

    #[test]
    fn every_weakening_is_told_with_its_price() {
        let mut machine = machine(
            &[ARM64],
            "",
            &[],
            table(vec![aarch64("F", Program::Static)]),
        );
        let weaken = [
            (Symptom::Filter, "filter-syscalls = false"),
            (Symptom::Namespaces(String::new()), "sandbox = false"),
            (Symptom::Groups, "require-drop-supplementary-groups = false"),
        ];
        for (symptom, line) in weaken {
            for nixos in [false, true] {
                machine.nixos = nixos;
                let shown = render(
                    &symptom
                        .explain(ARM64, &machine, machine.verdict(ARM64))
                        .into(),
                );
                assert!(
                    shown.contains(line) && shown.contains("The price:"),
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn a_daemon_with_other_settings_is_told_from_missing_ones() {
        let machine = machine(
            &[ARM64],
            "",
            &[],
            table(vec![aarch64("F", Program::Static)]),
        );
        let told = |symptom: Symptom| {
            render(
                &symptom
                    .explain(ARM64, &machine, machine.verdict(ARM64))
                    .into(),
            )
        };
        assert!(told(Symptom::Refused).contains("restart nix-daemon"));
        assert!(told(Symptom::Untrusted).contains("trusted users"));
        assert!(told(Symptom::NoInterpreter).contains("/usr/bin/qemu-aarch64-static"));
    }
}
