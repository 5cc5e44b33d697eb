//! Whether builds for aarch64 work is told from the real kernel and the real nix: in a user namespace with a table of
//! interpreters of its own, and an interpreter that can do just what the trial asks for.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// machine.sh cannot have its machine here.
const CANNOT: i32 = 77;
/// Where a bootstrap gets once builds work.
const PASSED: &str = "The check of builds is passed.";
const ACCEPTED: &str = "extra-platforms = aarch64-linux";
/// The kernel's own limit is not reached.
const MANY: &str = "1000";

/// A scratch flake, an interpreter, and a machine to use them on.
struct Rig {
    dir: TempDir,
}

impl Rig {
    /// None, with a printed reason, where it cannot be: the calling test is skipped then.
    fn available() -> Option<Self> {
        let rig = Self {
            dir: TempDir::with_prefix("spinet-emulation.").unwrap(),
        };
        let lacks = |what: &str| {
            println!("skipped: {what}");
            None
        };
        let nix = which("nix").and_then(|path| path.canonicalize().ok());
        if nix.is_none_or(|path| path.starts_with("/nix")) || !Path::new("/nix").is_dir() {
            return lacks("these tests need an empty /nix, and a nix that is elsewhere");
        }
        let compiled = Command::new("cc")
            .args(["-static", "-o"])
            .arg(rig.path("interpreter"))
            .arg(here("interpreter.c"))
            .output();
        if !compiled.is_ok_and(|output| output.status.success()) {
            return lacks("the interpreter needs a compiler and a static C library");
        }
        rig.flake();
        let tried = rig.machine("PF", MANY, "", &["true"]);
        if !tried.status.success() {
            return lacks(&format!(
                "no user namespace with a table of interpreters of its own: {}",
                String::from_utf8_lossy(&tried.stderr).trim()
            ));
        }
        Some(rig)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn flake(&self) {
        let flake = self.path("flake");
        fs::create_dir(&flake).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let copy = |from: PathBuf, to: &str| {
            run(Command::new("cp").arg("-r").arg(from).arg(flake.join(to)));
        };
        copy(here("flake.nix"), "flake.nix");
        copy(root.join("nix"), "spinet");
        copy(root.join("tests/standin/nixpkgs"), "nixpkgs");
        fs::write(flake.join("secrets.nix"), "{ }\n").unwrap();
        // the head of a program for aarch64 at any address, as long as the kernel wants one
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(16, 0);
        head.extend([3, 0, 183, 0]);
        head.resize(128, 0);
        let shell = flake.join("shell");
        fs::write(&shell, head).unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
        for args in [&["init", "-q"][..], &["add", "-A"]] {
            run(Command::new("git").args(args).current_dir(&flake));
        }
    }

    fn machine(&self, flags: &str, namespaces: &str, settings: &str, command: &[&str]) -> Output {
        Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "--net",
                "--pid",
                "--fork",
                "--mount-proc",
            ])
            .arg(here("machine.sh"))
            .arg(self.path("interpreter"))
            .args([flags, namespaces])
            .args(command)
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env(
                "NIX_CONFIG",
                format!(
                    "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\nflake-registry =\n\
                     sandbox = true\nrequire-drop-supplementary-groups = false\n{settings}"
                ),
            )
            .env_remove("SSH_AUTH_SOCK")
            .output()
            .unwrap()
    }

    /// What a bootstrap says on such a machine.
    #[track_caller]
    fn expect(&self, flags: &str, namespaces: &str, settings: &str, texts: &[&str]) {
        self.expect_after("true", flags, namespaces, settings, texts);
    }

    /// The same after a shell command in the flake's folder.
    #[track_caller]
    fn expect_after(
        &self,
        before: &str,
        flags: &str,
        namespaces: &str,
        settings: &str,
        texts: &[&str],
    ) {
        let script = format!(
            "cd \"$2\" && {before} && exec \"$1\" bootstrap bach --no-wifi --card /nonexistent"
        );
        let flake = self.path("flake");
        let spinet = env!("CARGO_BIN_EXE_spinet");
        let command = ["sh", "-euc", &script, "sh", spinet, flake.to_str().unwrap()];
        let output = self.machine(flags, namespaces, settings, &command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_ne!(output.status.code(), Some(CANNOT), "{said}");
        for text in texts {
            assert!(said.contains(text), "{text:?} is not in:\n{said}");
        }
    }
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/emulation")
        .join(name)
}

fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

#[test]
fn a_build_that_works_is_no_obstacle() {
    let Some(rig) = Rig::available() else { return };
    rig.expect("PF", MANY, ACCEPTED, &[PASSED]);
    let seen = format!(
        "{ACCEPTED}\nextra-sandbox-paths = {}",
        rig.path("interpreter").display()
    );
    rig.expect("P", MANY, &seen, &[PASSED]);
    let open = format!("{ACCEPTED}\nsandbox = false");
    rig.expect("P", MANY, &open, &[PASSED]);
}

#[test]
fn what_is_missing_is_told_before_anything_else() {
    let Some(rig) = Rig::available() else { return };
    let line = "`extra-platforms = aarch64-linux`";
    rig.expect("PF", MANY, "extra-platforms =", &[line, "To build here,"]);
    rig.expect(
        "none",
        MANY,
        ACCEPTED,
        &["none of the 0 entries", "Exec format error"],
    );
    let interpreter = format!(
        "extra-sandbox-paths = {}",
        rig.path("interpreter").display()
    );
    rig.expect(
        "P",
        MANY,
        ACCEPTED,
        &[
            "entry any-name is without flag F",
            "No such file or directory",
            &interpreter,
        ],
    );
}

#[test]
fn a_trial_in_the_store_proves_nothing_about_now() {
    let Some(rig) = Rig::available() else { return };
    let before = "nix build --no-link .#.spinet.trials.aarch64-linux";
    rig.expect_after(before, "PF", MANY, ACCEPTED, &[PASSED]);
    let before = format!("{before} && echo -1 >/proc/sys/fs/binfmt_misc/any-name");
    let texts = ["none of the 0 entries", "--rebuild", "Exec format error"];
    rig.expect_after(&before, "PF", MANY, ACCEPTED, &texts);
}

#[test]
fn a_kernel_that_isolates_nothing_is_told_with_the_price_of_going_without() {
    let Some(rig) = Rig::available() else { return };
    rig.expect(
        "PF",
        "0",
        ACCEPTED,
        &[
            "user namespaces are not enabled",
            "sandbox = false",
            "The price:",
        ],
    );
}

#[test]
fn a_builder_that_cannot_be_reached_is_named() {
    let Some(rig) = Rig::available() else { return };
    let builder = "extra-platforms =\nbuilders = ssh://nobody@192.0.2.1 aarch64-linux";
    rig.expect(
        "none",
        MANY,
        builder,
        &[
            "The builder for aarch64-linux cannot be used",
            "ssh://nobody@192.0.2.1",
        ],
    );
}
