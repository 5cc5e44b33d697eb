//! Builds that do not fit their host, and copies that do not arrive: a nix that has built what was made up, and a real
//! sshd that answers what was made up.

use std::fs;
use std::process::Command;

use crate::flake::spinet;
use crate::hosts::{HERE, Sshd, free_port, of_byrd, page};
use crate::page::Page;
use crate::programs::instead_of;
use crate::scene::Scene;

/// What a host in order says of itself.
const RUNS: &str = "current=/nix/store/b-nixos\\nprofile_now=/nix/store/b-nixos\\nbooted=/nix/store/b-nixos\\nmachine=x86_64\\nfree_kib=9000000\\n";
/// The one path of what is built, as the host lacks it.
const PATH: &str = "/nix/store/c-nixos";

/// byrd on this machine, and what nix has built for it.
struct Rig {
    scene: Scene,
    page: Page,
    _sshd: Sshd,
}

impl Rig {
    fn new(name: &'static str, about: &'static str) -> Option<Self> {
        let port = free_port();
        let scene = of_byrd(port)?;
        let sshd = Sshd::start(&scene, port, "byrd", true)?;
        let folder = &scene.folder;
        let top = folder.beside("toplevel");
        fs::create_dir_all(top.join("etc/spinet")).unwrap();
        let built = folder.beside("built.json");
        let text = format!(
            "[ {{ \"outputs\": {{ \"out\": \"{}\" }} }} ]\n",
            top.display()
        );
        fs::write(&built, text).unwrap();
        let copied = folder.beside("copied");
        fs::write(&copied, "exit 0\n").unwrap();
        let cases = format!(
            "*' build '*) exec cat {} ;;\n*' path-info '*) echo '{PATH} 4096'; exit ;;\n*' copy '*) exec sh {} ;;",
            built.display(),
            copied.display()
        );
        instead_of(folder, "nix", &cases);
        let page = page(name, about, &scene, port);
        let rig = Self {
            scene,
            page,
            _sshd: sshd,
        };
        rig.answers(RUNS, "");
        Some(rig)
    }

    /// What is in the system that was built.
    fn has(&self, file: &str, text: &str) {
        let path = self.scene.folder.beside("toplevel").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn manifest(&self, more: &str) {
        let text = format!("{{ \"system\": \"x86_64-linux\", \"deadline\": 120{more} }}\n");
        self.has("etc/spinet/host.json", &text);
    }

    /// The host's status, and its other answers as cases of a shell.
    fn answers(&self, status: &str, cases: &str) {
        let text = format!(
            "exec </dev/null\ncase $SSH_ORIGINAL_COMMAND in\n{cases}\n*) printf '{status}end=status\\n' ;;\nesac\n"
        );
        fs::write(self.scene.folder.beside("answer"), text).unwrap();
    }

    /// What nix says when it copies.
    fn copies(&self, script: &str) {
        fs::write(self.scene.folder.beside("copied"), script).unwrap();
    }

    fn deploy(&self, more: &[&str]) -> Command {
        spinet(
            &self.scene,
            &[&["deploy", "byrd", "--address", HERE], more].concat(),
        )
    }

    #[track_caller]
    fn fails(&mut self, title: &str, more: &[&str]) {
        let mut deploy = self.deploy(more);
        self.page.fails(title, &mut deploy);
    }
}

#[test]
fn of_builds() {
    let Some(mut rig) = Rig::new(
        "builds",
        "Builds that do not fit their host, and activations that do not begin.",
    ) else {
        return;
    };
    rig.fails("A build that is no system", &[]);
    rig.has("bin/switch-to-configuration", "");
    rig.fails("A system that spinet's module is not in", &[]);
    rig.scene.folder.encrypt("other.age", "42", &["admin"]);
    let file = rig.scene.folder.path("other.age");
    rig.manifest(&format!(
        ", \"secrets\": [ {{ \"name\": \"token\", \"file\": \"{}\", \"path\": \"/run/agenix/token\" }} ]",
        file.display()
    ));
    rig.fails("A secret that the host cannot read", &[]);
    rig.manifest(", \"secrets\": [ { \"name\": \"token\", \"file\": \"/var/lib/token.age\", \"path\": \"/run/agenix/token\" } ]");
    rig.fails("A secret whose file is not in the flake", &[]);
    rig.manifest(", \"joinsWifi\": false");
    rig.answers(&format!("{RUNS}network=wifi\\n"), "");
    rig.fails("A host on the wifi, and a system without", &[]);
    rig.manifest("");
    rig.has("kernel", &"k".repeat(20 << 10));
    rig.answers(&format!("{RUNS}boot_kib=10\\n"), "*print-invalid*) ;;");
    rig.fails("A full /boot", &[]);
    rig.answers(RUNS, "*print-invalid*) kill -9 $PPID ;;");
    rig.fails("A host that is lost", &[]);
    rig.answers(
        RUNS,
        "*print-invalid*) ;;\n*dry-activate*) echo 'switch-to-configuration: cannot be executed' >&2; exit 126 ;;",
    );
    rig.fails("A system that shows nothing", &["--dry-activate"]);
    rig.answers(
        RUNS,
        "*print-invalid*) ;;\n*' start '*) kill -9 $PPID ;;\n*withdraw*) id=${SSH_ORIGINAL_COMMAND##* }; echo \"withdrawn=${id%\\'}\" ;;",
    );
    rig.fails("A link that breaks before the activation", &[]);
    rig.answers(RUNS, "*requisites*) echo /nix/store/b-nixos 8192 ;;");
    let unwanted = rig.deploy(&["--diff", "--no-progress"]);
    rig.page.fails_at_terminal(
        "A difference that is not wanted",
        &unwanted,
        &[("Deploy this?", "no")],
    );
    let attempt = "id=20261126-1\\nmode=switch\\nnew=/nix/store/c-nixos\\nold=/nix/store/a-nixos\\nguard=alive\\nboot=1\\nboot_now=1\\nnow=100\\ndeadline=160\\n";
    rig.answers(
        &format!("{RUNS}{attempt}phase=waiting\\n"),
        &format!("*' undo '*) printf '{RUNS}{attempt}phase=undone\\nentry_now=/nix/store/b-nixos\\nend=status\\n' ;;"),
    );
    rig.fails("An undo that comes to another system", &["--undo"]);
    rig.answers("", "*) echo 'sudo: a password is required' >&2; exit 1 ;;");
    let mut status = spinet(
        &rig.scene,
        &[
            "status",
            "byrd",
            "--no-build",
            "--timeout",
            "10",
            "--address",
            HERE,
        ],
    );
    rig.page
        .fails("A host that does not tell its state", &mut status);
    rig.page.compare();
}

#[test]
fn of_copies() {
    let Some(mut rig) = Rig::new("copies", "Copies that do not arrive.") else {
        return;
    };
    rig.has("bin/switch-to-configuration", "");
    rig.manifest("");
    let lacks = format!("*print-invalid*) echo {PATH} ;;");
    rig.answers(RUNS, &lacks);
    rig.copies("echo \"error: cannot add path '/nix/store/c-nixos' because it lacks a signature by a trusted key\" >&2\nexit 1\n");
    rig.fails("A user whose paths the host does not take", &[]);
    rig.answers(
        &format!("{RUNS}leftover=1\\n"),
        &format!("*referrers-closure*) echo {PATH} ;;\n{lacks}"),
    );
    rig.copies("echo 'client_loop: send disconnect: Broken pipe' >&2\necho \"error: writing to file: Broken pipe\" >&2\nexit 1\n");
    rig.fails("A link that breaks again and again", &[]);
    rig.answers(RUNS, &lacks);
    rig.copies("echo 'Host key verification failed.' >&2\necho \"error: failed to start SSH connection to '127.0.0.1'\" >&2\nexit 1\n");
    rig.fails("A stranger in the host's place", &[]);
    let cache = ["--cache", "https://cache.example.org"];
    rig.copies("echo \"error: uploading to 'https://cache.example.org/nix-cache-info' is not supported\" >&2\nexit 1\n");
    rig.fails("A cache that takes nothing", &cache);
    rig.copies("exit 0\n");
    rig.answers(
        RUNS,
        &format!("*--from*) echo \"error: unable to download 'https://cache.example.org/c.narinfo': Could not resolve hostname\" >&2; exit 1 ;;\n{lacks}"),
    );
    rig.fails("A cache that the host does not reach", &cache);
    instead_of(
        &rig.scene.folder,
        "nix-store",
        "'--query --hash'*) echo sha256:1b; exit ;;",
    );
    rig.answers(
        RUNS,
        &format!("*--query*--hash*) echo sha256:0a ;;\n*--from*) ;;\n{lacks}"),
    );
    rig.fails("A cache that has something else", &cache);
    rig.page.compare();
}
