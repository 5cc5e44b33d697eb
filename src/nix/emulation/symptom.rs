//! What nix, the kernel and qemu say when a build for another architecture cannot run, recognised. The texts are those of
//! nix 2.20 to 2.33.

/// What a failed build shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Symptom {
    /// Nix that does the building does not accept the system.
    Refused,
    /// The same, and it does not listen to this user's settings.
    Untrusted,
    /// A builder could not be used; its own words.
    Builder(String),
    /// The kernel has no interpreter.
    NotExecutable,
    /// The kernel's interpreter is not visible to the build.
    NoInterpreter,
    /// The filter of system calls could not be set up.
    Filter,
    /// The kernel keeps nix from making namespaces.
    Namespaces(String),
    /// Dropping groups is not allowed here.
    Groups,
    /// The interpreter crashed.
    Crashed(String),
    /// Something else on the way to the builder's first instruction.
    Setup(String),
}

/// Signs that the kernel does not let nix isolate a build.
const NAMESPACES: [&str; 5] = [
    "user namespaces are not enabled",
    "kernel namespaces that are required for sandboxing",
    "setting up a private mount namespace",
    "cloning builder process",
    "unable to start build process",
];

impl Symptom {
    /// The gravest sign in what nix printed about a build for `system`.
    pub fn of(text: &str, system: &str) -> Option<Self> {
        let line_with = |sign: &str| text.lines().find(|line| line.contains(sign)).map(said);
        let refused = text.contains(&format!(
            "a '{system}' with features {{}} is required to build"
        )) || text
            .contains(&format!("Required system: '{system}' with features {{}}"));
        if refused {
            return Some(if let Some(line) = line_with("cannot build on '") {
                Self::Builder(line)
            } else if ["extra-platforms", "builders"].iter().any(|name| {
                text.contains(&format!("ignoring the client-specified setting '{name}'"))
            }) {
                Self::Untrusted
            } else {
                Self::Refused
            });
        }
        if text.contains("seccomp") && text.contains("unable to") {
            return Some(Self::Filter);
        }
        if let Some(line) = NAMESPACES.iter().find_map(|sign| line_with(sign)) {
            return Some(Self::Namespaces(line));
        }
        if text.contains("require-drop-supplementary-groups") {
            return Some(Self::Groups);
        }
        if let Some(line) = line_with("qemu: uncaught target signal") {
            return Some(Self::Crashed(line));
        }
        if text.contains("Exec format error") {
            return Some(Self::NotExecutable);
        }
        let executing = text.lines().filter(|line| line.contains("executing '"));
        if executing
            .clone()
            .any(|line| line.contains("No such file or directory"))
        {
            return Some(Self::NoInterpreter);
        }
        let mut after = text
            .lines()
            .skip_while(|line| !line.contains("while setting up the build environment"));
        after.next()?;
        let line = after.map(said).find(|line| !line.is_empty())?;
        Some(Self::Setup(line))
    }
}

/// A line without the marks nix puts before it.
fn said(line: &str) -> String {
    let line = line.split_once("> ").map_or(line, |(_, said)| said).trim();
    let line = line.strip_prefix("error:").unwrap_or(line).trim();
    crate::ui::visible(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARM64: &str = "aarch64-linux";
    const EXECUTING: &str =
        "spinet-trial> error: executing '/nix/store/fqpj1m7imiwbkiy4sydjwlxi03i2svrp-shell'";

    #[track_caller]
    fn shows(text: &str, symptom: Symptom) {
        assert_eq!(Symptom::of(text, ARM64), Some(symptom), "{text}");
    }

    #[test]
    fn a_refusal_is_about_the_system_and_not_about_features() {
        let old = "error: a 'aarch64-linux' with features {} is required to build '/nix/store/2nx-spinet-trial.drv', but I am a 'x86_64-linux' with features {benchmark, big-parallel, kvm, nixos-test, uid-range}";
        let new = "error: Cannot build '/nix/store/2nx-spinet-trial.drv'.\n       Reason: required system or feature not available\n       Required system: 'aarch64-linux' with features {}\n       Current system: 'x86_64-linux' with features {benchmark}";
        for text in [old, new] {
            shows(text, Symptom::Refused);
            assert_eq!(
                Symptom::of(
                    &text
                        .replace("features {} ", "features {kvm} ")
                        .replace("features {}\n", "features {kvm}\n"),
                    ARM64
                ),
                None
            );
            assert_eq!(Symptom::of(text, "armv7l-linux"), None);
        }
        let ignored = "warning: ignoring the client-specified setting 'extra-platforms', because it is a restricted setting and you are not a trusted user";
        shows(&format!("{ignored}\n{old}"), Symptom::Untrusted);
        let unreachable = "cannot build on 'ssh://b': error: failed to start SSH connection to 'b'";
        shows(
            &format!("{unreachable}\n{old}"),
            Symptom::Builder(unreachable.to_owned()),
        );
    }

    #[test]
    fn what_the_kernel_says_is_told_apart() {
        shows(
            &format!("{EXECUTING}: Exec format error"),
            Symptom::NotExecutable,
        );
        shows(
            &format!("{EXECUTING}: No such file or directory"),
            Symptom::NoInterpreter,
        );
        let missing = "error: executing 'git': Permission denied\nerror: opening file '/x': No such file or directory";
        assert_eq!(Symptom::of(missing, ARM64), None);
        let crash = "qemu: uncaught target signal 11 (Segmentation fault) - core dumped";
        shows(
            &format!("spinet-trial> {crash}"),
            Symptom::Crashed(crash.to_owned()),
        );
    }

    #[test]
    fn what_keeps_nix_from_isolating_a_build_is_told_apart() {
        let setup = |line: &str| {
            format!(
                "error:\n       … while setting up the build environment\n\n       error: {line}"
            )
        };
        shows(
            &setup("unable to load seccomp BPF program: Invalid argument"),
            Symptom::Filter,
        );
        let namespaces = "cannot perform a sandboxed build because user namespaces are not enabled; check /proc/sys/user/max_user_namespaces";
        shows(
            &format!("error: {namespaces}"),
            Symptom::Namespaces(namespaces.to_owned()),
        );
        shows(
            &setup(
                "setgroups failed. Set the require-drop-supplementary-groups option to false to skip this step.",
            ),
            Symptom::Groups,
        );
        let mount = "mounting /proc: Operation not permitted";
        shows(&setup(mount), Symptom::Setup(mount.to_owned()));
    }

    #[test]
    fn a_failure_of_the_build_itself_shows_nothing() {
        let text = "error: builder for '/nix/store/2nx-bach.drv' failed with exit code 1;\n       last 1 log lines:\n       > cc: No such file or directory";
        assert_eq!(Symptom::of(text, ARM64), None);
    }
}
