//! Builds for a Raspberry Pi that this machine cannot do: a table of interpreters of its own, and a nix that says of the
//! trial what nix says where the fault is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::flake::{scene, spinet};
use crate::page::{Page, behind};
use crate::programs::{instead_of, real};
use crate::scene::{NIX_CONFIG, Scene};

/// Gets /etc from a copy that is NixOS's.
const ON_NIXOS: &str = "cp -r /etc \"$0/etc\" 2>/dev/null; : >\"$0/etc/NIXOS\"; mount --bind \"$0/etc\" /etc; exec \"$@\"";
const ACCEPTED: &str = "extra-platforms = aarch64-linux";
const REFUSED: &str = "error: a 'aarch64-linux' with features {} is required to build '/nix/store/w2kbfizr3vh6qvpbq5l0rzc9wzxl1sm2-spinet-trial.drv', but I am a 'x86_64-linux' with features {benchmark, big-parallel, kvm, nixos-test, uid-range}";
const SETTING_UP: &str =
    "error:\n       … while setting up the build environment\n\n       error: ";

/// A machine with an interpreter for aarch64 of these `binfmt_misc` flags (`none`: not registered).
struct Machine<'a> {
    scene: &'a Scene,
    flags: &'a str,
    interpreter: PathBuf,
    nixos: bool,
}

impl Machine<'_> {
    fn words(&self) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulation/machine.sh");
        let unshare = "unshare --user --map-root-user --mount --net --pid --fork --mount-proc";
        let mut words: Vec<String> = unshare.split(' ').map(str::to_owned).collect();
        words.push(script.display().to_string());
        words.push(self.interpreter.display().to_string());
        words.extend([self.flags, "1000"].map(str::to_owned));
        if self.nixos {
            let place = self.scene.folder.beside("nixos");
            fs::create_dir_all(&place).unwrap();
            words.extend(["sh", "-c", ON_NIXOS].map(str::to_owned));
            words.push(place.display().to_string());
        }
        words
    }

    /// What a bootstrap says there with these settings of nix, and what nix says of the trial.
    #[track_caller]
    fn fails(&self, page: &mut Page, title: &str, settings: &str, said: &str) {
        fs::write(self.scene.folder.beside("said"), said).unwrap();
        let words = self.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut spinet = spinet(
            self.scene,
            &["bootstrap", "bach", "--no-wifi", "--card", "/dev/sdzz"],
        );
        spinet.env(
            "NIX_CONFIG",
            format!("{NIX_CONFIG}\nsandbox = true\n{settings}"),
        );
        page.fails_behind(title, &words, &spinet);
    }
}

/// A nix that says of trials what lies beside the flake, and is nix in everything else. None where there is none outside
/// /nix, which is empty on these machines.
fn nix_of_trials(scene: &Scene) -> Option<()> {
    let nix = real("nix")?;
    if nix.canonicalize().ok()?.starts_with("/nix") {
        println!("skipped: this needs a nix that is not in /nix");
        return None;
    }
    let said = scene.folder.beside("said");
    let cases = format!("*spinet.trials.*) cat {} >&2; exit 1 ;;", said.display());
    instead_of(&scene.folder, "nix", &cases);
    Some(())
}

#[test]
fn of_emulation() {
    let Some(scene) = scene() else { return };
    let folder = &scene.folder;
    let Some(()) = nix_of_trials(&scene) else {
        return;
    };
    let qemu = folder.beside("qemu-aarch64");
    // the head of a program without a loader, as long as the kernel wants one
    let mut head = b"\x7fELF\x02\x01\x01".to_vec();
    head.resize(128, 0);
    fs::write(folder.program("static", ""), &head).unwrap();
    fs::rename(folder.beside("bin/static"), &qemu).unwrap();
    let dynamic = folder.beside("qemu-dynamic");
    fs::copy("/bin/sh", &dynamic).unwrap();
    let machine = |flags, interpreter: &Path, nixos| Machine {
        scene: &scene,
        flags,
        interpreter: interpreter.to_owned(),
        nixos,
    };
    let fine = machine("PF", &qemu, false);
    let words = fine.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let tried = behind(&words, &Command::new("true"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if !tried.status.success() {
        println!("skipped: no namespace with a table of interpreters of its own: {tried:?}");
        return;
    }
    let mut page = Page::of(
        "emulation",
        "Builds for a Raspberry Pi that do not work on this machine.",
        folder,
    );
    for name in ["qemu-aarch64", "qemu-dynamic", "gone"] {
        page.replace(&format!("/home/{name}"), "/usr/bin/qemu-aarch64");
    }

    let nothing = machine("none", &qemu, false);
    nothing.fails(&mut page, "Nothing builds for it", "extra-platforms =", "");
    machine("none", &qemu, true).fails(&mut page, "The same, on NixOS", "extra-platforms =", "");
    let executing =
        "spinet-trial> error: executing '/nix/store/fqpj1m7imiwbkiy4sydjwlxi03i2svrp-shell': ";
    let format = format!("{executing}Exec format error\n");
    let no_file = format!("{executing}No such file or directory\n");
    nothing.fails(&mut page, "No interpreter", ACCEPTED, &format);
    machine("P", &folder.beside("gone"), false).fails(
        &mut page,
        "An interpreter that is gone",
        ACCEPTED,
        &format,
    );
    for nixos in [false, true] {
        let of = if nixos { ", on NixOS" } else { "" };
        machine("P", &qemu, nixos).fails(
            &mut page,
            &format!("An interpreter that the sandbox does not show{of}"),
            ACCEPTED,
            &no_file,
        );
        machine("PF", &dynamic, nixos).fails(
            &mut page,
            &format!("An interpreter with libraries{of}"),
            ACCEPTED,
            &no_file,
        );
    }
    let ignored = "warning: ignoring the client-specified setting 'extra-platforms', because it is a restricted setting and you are not a trusted user";
    for (title, said) in [
        ("The daemon refuses", REFUSED.to_owned()),
        ("The user is not trusted", format!("{ignored}\n{REFUSED}")),
        (
            "No filter of system calls",
            format!("{SETTING_UP}unable to load seccomp BPF program: Invalid argument"),
        ),
        (
            "No user namespaces",
            "error: cannot perform a sandboxed build because user namespaces are not enabled; check /proc/sys/user/max_user_namespaces".to_owned(),
        ),
        (
            "Groups that are not dropped",
            format!("{SETTING_UP}setgroups failed. Set the require-drop-supplementary-groups option to false to skip this step."),
        ),
        (
            "An interpreter that crashes",
            "spinet-trial> qemu: uncaught target signal 11 (Segmentation fault) - core dumped\nerror: builder for '/nix/store/w2kbfizr3vh6qvpbq5l0rzc9wzxl1sm2-spinet-trial.drv' failed with exit code 139;".to_owned(),
        ),
        (
            "A sandbox that cannot be set up",
            format!("{SETTING_UP}mounting /proc: Operation not permitted"),
        ),
        ("An interpreter that the daemon does not see", no_file.clone()),
    ] {
        fine.fails(&mut page, title, ACCEPTED, &said);
    }
    let builders = "extra-platforms =\nbuilders = ssh://anna@bigbox aarch64-linux";
    let unreachable = "cannot build on 'ssh://anna@bigbox': error: failed to start SSH connection to 'bigbox': ssh: connect to host bigbox port 22: No route to host";
    fine.fails(
        &mut page,
        "A builder that is off",
        builders,
        &format!("{unreachable}\n{REFUSED}"),
    );
    fine.fails(&mut page, "A builder of another kind", builders, &format);
    page.compare();
}
