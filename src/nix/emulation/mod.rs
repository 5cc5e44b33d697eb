//! Whether systems of another architecture can be built here, and if not, what is missing. What the settings and the kernel
//! say is a verdict; what settles it is a trial: the smallest build that runs a program of that architecture.

mod binfmt;
mod elf;
mod explain;
mod remedy;
mod symptom;
mod trial;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Nix, Settings};
use crate::error::Failure;
use binfmt::{Binfmt, Entry};
use elf::Program;
pub use trial::Trial;

/// How builds for a system are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By this machine's own processor.
    Native,
    /// Here, by an interpreter that the kernel starts for foreign programs.
    Emulated { interpreter: PathBuf },
    /// By another machine.
    Remote { builder: String },
}

/// What decides on this machine which systems can be built.
#[derive(Debug)]
pub struct Machine {
    pub settings: Settings,
    binfmt: Binfmt,
    /// Its settings come from a NixOS configuration.
    nixos: bool,
}

impl Nix {
    /// Reads nix's settings and the kernel's table of interpreters.
    pub async fn machine(&self) -> Result<Machine> {
        Ok(Machine {
            settings: self.settings().await?,
            binfmt: Binfmt::read(Path::new(binfmt::FOLDER)),
            nixos: Path::new("/etc/NIXOS").exists(),
        })
    }
}

impl Machine {
    /// How `system` is built, as far as settings tell. Fails with what is missing and the line that adds it.
    pub fn verdict(&self, system: &str) -> Result<Way, Failure> {
        if self.is_own(system) {
            return Ok(Way::Native);
        }
        // nix asks its builders first
        if let Some(builder) = self.settings.builder_for(system) {
            let builder = builder.to_owned();
            return Ok(Way::Remote { builder });
        }
        if !self.settings.accepts(system) {
            return Err(self.no_way(system));
        }
        let entries = self.binfmt.entries_for(system);
        let enabled = entries.iter().find(|entry| entry.enabled);
        match enabled {
            Some(entry) if self.binfmt.enabled == Some(true) => {
                self.check_entry(system, entry)?;
                let interpreter = entry.interpreter.clone();
                Ok(Way::Emulated { interpreter })
            }
            _ if self.may_run(system) => Ok(Way::Native),
            _ => Err(self.not_registered(system, entries.first().copied())),
        }
    }

    /// The system of this machine itself.
    fn is_own(&self, system: &str) -> bool {
        self.settings.system == system
    }

    /// The processor may run programs of `system` by itself: 32-bit ones, and ones for its own newer models.
    fn may_run(&self, system: &str) -> bool {
        let own = self.settings.system.as_str();
        match system.strip_suffix("-linux").unwrap_or(system) {
            "armv5tel" | "armv6l" | "armv7l" => {
                own == "aarch64-linux" || (own.starts_with("armv") && own > system)
            }
            "i686" => own == "x86_64-linux",
            other => other.starts_with("x86_64-v") && own == "x86_64-linux",
        }
    }

    /// The entry's interpreter must be there, and within a sandbox as well.
    fn check_entry(&self, system: &str, entry: &Entry) -> Result<(), Failure> {
        let path = &entry.interpreter;
        if entry.fixed {
            // the kernel brings the interpreter, but not its libraries
            if let Program::Dynamic(loader) = &entry.program {
                let file = path.canonicalize().unwrap_or_else(|_| path.clone());
                if !self.settings.shows(loader) && !self.settings.shows(&file) {
                    return Err(self.needs_libraries(system, entry));
                }
            }
            return Ok(());
        }
        if entry.program == Program::Missing {
            return Err(self.interpreter_missing(system, entry));
        }
        if !self.settings.shows(path) {
            return Err(self.hidden(system, entry));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::settings::tests::settings;
    use super::binfmt::tests::{aarch64, table};
    use super::*;
    use crate::error::render;

    const ARM64: &str = "aarch64-linux";

    pub(super) fn machine(
        extra: &[&str],
        builders: &str,
        paths: &[&str],
        binfmt: Binfmt,
    ) -> Machine {
        Machine {
            settings: settings(extra, builders, paths),
            binfmt,
            nixos: false,
        }
    }

    fn emulated(machine: &Machine) -> bool {
        matches!(machine.verdict(ARM64), Ok(Way::Emulated { .. }))
    }

    #[track_caller]
    fn refuses(machine: &mut Machine, system: &str, elsewhere: &[&str], on_nixos: &[&str]) {
        for (nixos, texts) in [(false, elsewhere), (true, on_nixos)] {
            machine.nixos = nixos;
            let shown = render(&machine.verdict(system).unwrap_err().into());
            for text in texts {
                assert!(shown.contains(text), "{text:?} is not in:\n{shown}");
            }
        }
    }

    #[test]
    fn its_own_system_is_built_natively() {
        let machine = machine(&["i686-linux"], "", &[], Binfmt::default());
        assert_eq!(machine.verdict("x86_64-linux").unwrap(), Way::Native);
        assert_eq!(machine.verdict("i686-linux").unwrap(), Way::Native);
    }

    #[test]
    fn a_builder_is_enough() {
        let machine = machine(&[], "ssh://b aarch64-linux", &[], Binfmt::default());
        let builder = "ssh://b".to_owned();
        assert_eq!(machine.verdict(ARM64).unwrap(), Way::Remote { builder });
    }

    #[test]
    fn the_processor_is_trusted_with_its_32_bit_programs() {
        let mut machine = machine(&["armv7l-linux"], "", &[], Binfmt::default());
        assert!(machine.verdict("armv7l-linux").is_err());
        machine.settings.system = ARM64.to_owned();
        assert_eq!(machine.verdict("armv7l-linux").unwrap(), Way::Native);
        assert!(machine.verdict("armv6l-linux").is_err());
    }

    #[test]
    fn a_fixed_static_interpreter_works_in_a_sandbox() {
        let entries = table(vec![aarch64("PF", Program::Static)]);
        assert!(emulated(&machine(&[ARM64], "", &[], entries)));
        // it was opened when it was registered
        let entries = table(vec![aarch64("F", Program::Missing)]);
        assert!(emulated(&machine(&[ARM64], "", &[], entries)));
    }

    #[test]
    fn a_system_nix_does_not_accept_is_refused_with_both_remedies() {
        let mut machine = machine(
            &["i686-linux"],
            "# ssh://b aarch64-linux",
            &[],
            table(vec![]),
        );
        refuses(
            &mut machine,
            ARM64,
            &[
                "`extra-platforms = i686-linux aarch64-linux`",
                "qemu-user-static",
                "builders = ssh://",
            ],
            &[
                "boot.binfmt.emulatedSystems = [ \"aarch64-linux\" ];",
                "nix.buildMachines",
            ],
        );
    }

    #[test]
    fn arm_on_arm_needs_no_interpreter() {
        let mut machine = machine(&[], "", &[], Binfmt::default());
        machine.settings.system = ARM64.to_owned();
        refuses(
            &mut machine,
            "armv7l-linux",
            &["`extra-platforms = armv7l-linux`"],
            &["nix.settings.extra-platforms = [ \"armv7l-linux\" ];"],
        );
        let shown = render(&machine.verdict("armv7l-linux").unwrap_err().into());
        assert!(!shown.contains("qemu"), "{shown}");
    }

    #[test]
    fn a_kernel_without_interpreter_is_told_what_is_missing() {
        let emulated = "boot.binfmt.emulatedSystems = [ \"aarch64-linux\" ];";
        let mut bare = machine(&[ARM64], "", &[], Binfmt::default());
        refuses(
            &mut bare,
            ARM64,
            &["not mounted", "mount -t binfmt_misc binfmt_misc /proc/sys"],
            &[emulated],
        );
        bare.binfmt = table(vec![]);
        refuses(
            &mut bare,
            ARM64,
            &["no interpreter", "qemu-user-static"],
            &[emulated],
        );
        let mut entry = aarch64("F", Program::Static);
        entry.enabled = false;
        bare.binfmt = table(vec![entry]);
        let switch = "echo 1 | sudo tee /proc/sys/fs/binfmt_misc/qemu-aarch64";
        refuses(&mut bare, ARM64, &[switch], &[switch]);
        bare.binfmt = table(vec![aarch64("F", Program::Static)]);
        bare.binfmt.enabled = Some(false);
        let switch = "echo 1 | sudo tee /proc/sys/fs/binfmt_misc/status";
        refuses(&mut bare, ARM64, &[switch], &[switch]);
    }

    #[test]
    fn an_interpreter_must_be_there_and_seen() {
        let entry = table(vec![aarch64("P", Program::Missing)]);
        let mut gone = machine(&[ARM64], "", &[], entry);
        refuses(&mut gone, ARM64, &["is not there"], &["is not there"]);

        let entry = || table(vec![aarch64("P", Program::Static)]);
        let mut hidden = machine(&[ARM64], "", &[], entry());
        refuses(
            &mut hidden,
            ARM64,
            &[
                "flag F",
                "`extra-sandbox-paths = /usr/bin/qemu-aarch64-static`",
            ],
            &["boot.binfmt.preferStaticEmulators = true;"],
        );
        assert!(emulated(&machine(&[ARM64], "", &["/usr/bin"], entry())));
        hidden.settings.sandbox = false;
        assert!(emulated(&hidden));

        let dynamic = || table(vec![aarch64("PF", Program::Dynamic("/lib64/ld.so".into()))]);
        let mut bare = machine(&[ARM64], "", &[], dynamic());
        refuses(&mut bare, ARM64, &["libraries"], &["preferStaticEmulators"]);
        assert!(emulated(&machine(&[ARM64], "", &["/lib64"], dynamic())));
    }
}
