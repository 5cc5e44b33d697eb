//! Hosts that do not answer, are strangers, or say something else than a host of spinet's should: a real sshd on this
//! machine, which runs nothing but prints an answer that was made up.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::flake::{scene, spinet};
use crate::page::Page;
use crate::scene::Scene;

/// An sshd that goes with the test.
pub struct Sshd {
    daemon: Child,
}

impl Sshd {
    /// Shows the key of `who`, and lets the admin in if it `admits` anybody. None where sshd cannot run.
    pub fn start(scene: &Scene, port: u16, who: &str, admits: bool) -> Option<Self> {
        let folder = &scene.folder;
        let authorized = folder.beside("authorized_keys");
        let keys = if admits {
            folder.public("admin")
        } else {
            String::new()
        };
        fs::write(&authorized, keys + "\n").unwrap();
        let config = folder.beside("sshd_config");
        let text = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nForceCommand sh {}\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n",
            folder.private(who).display(),
            authorized.display(),
            folder.beside("answer").display(),
        );
        fs::write(&config, text).unwrap();
        let _ = fs::create_dir("/run/sshd");
        let daemon = Command::new("/usr/sbin/sshd")
            .args([
                "-D",
                "-e",
                "-p",
                &port.to_string(),
                "-o",
                "ListenAddress=127.0.0.1",
                "-f",
            ])
            .arg(&config)
            .stderr(Stdio::null())
            .spawn();
        let Ok(daemon) = daemon else {
            println!("skipped: no sshd");
            return None;
        };
        let sshd = Self { daemon };
        let end = Instant::now() + Duration::from_secs(10);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        while TcpStream::connect(address).is_err() {
            if Instant::now() > end {
                println!("skipped: sshd does not start");
                return None;
            }
            sleep(Duration::from_millis(20));
        }
        Some(sshd)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Of this machine; it is no host's own address, so it has to be named.
pub const HERE: &str = "127.0.0.1";

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The scene with byrd on this machine, and an ssh that logs in as the admin.
pub fn of_byrd(port: u16) -> Option<Scene> {
    let scene = scene()?;
    scene.write(
        "hosts/default.nix",
        &format!("{{ byrd = {{ system = \"x86_64-linux\"; address = \"byrd.example.org\"; port = {port}; modules = [ ./byrd.nix ]; }}; }}\n"),
    );
    let key = scene.folder.private("admin").display().to_string();
    scene.folder.program(
        "ssh",
        &format!("#!/bin/sh\nexec /usr/bin/ssh -F none -o IdentitiesOnly=yes -i {key} \"$@\"\n"),
    );
    Some(scene)
}

pub fn page(name: &'static str, about: &'static str, scene: &Scene, port: u16) -> Page {
    let mut page = Page::of(name, about, &scene.folder);
    page.replace(&port.to_string(), "22");
    page
}

#[test]
fn of_strangers() {
    let port = free_port();
    let Some(scene) = of_byrd(port) else { return };
    let mut page = page("contact", "Hosts that are not reached.", &scene, port);
    let wait = ["host", "wait", "byrd", "--timeout", "2", "--address", HERE];
    page.fails("Nobody listens", &mut spinet(&scene, &wait));
    page.fails(
        "Nobody listens, and the key is asked for",
        &mut spinet(
            &scene,
            &["host", "scan", "byrd", "--timeout", "2", "--address", HERE],
        ),
    );
    page.fails(
        "A name that nobody answers to",
        &mut spinet(
            &scene,
            &[
                "host",
                "wait",
                "byrd",
                "--timeout",
                "2",
                "--address",
                "byrd.invalid",
            ],
        ),
    );
    {
        let Some(_sshd) = Sshd::start(&scene, port, "orff", true) else {
            return;
        };
        page.fails("A stranger", &mut spinet(&scene, &wait));
    }
    let Some(_sshd) = Sshd::start(&scene, port, "byrd", false) else {
        return;
    };
    page.fails("Nobody is let in", &mut spinet(&scene, &wait));
    page.fails(
        "Nobody is let in, for a deploy",
        &mut spinet(&scene, &["deploy", "byrd", "--rollback", "--address", HERE]),
    );
    page.compare();
}

#[test]
fn of_answers() {
    let port = free_port();
    let Some(scene) = of_byrd(port) else { return };
    let Some(_sshd) = Sshd::start(&scene, port, "byrd", true) else {
        return;
    };
    let mut page = page(
        "answers",
        "Hosts that answer something unexpected, or are not as they should be.",
        &scene,
        port,
    );
    let answer = |says: &str| {
        let text = format!(
            "exec </dev/null\ncase $SSH_ORIGINAL_COMMAND in\n*'cat '*host.json*) cat {} ;;\n*) {says} ;;\nesac\n",
            scene.folder.beside("host.json").display()
        );
        fs::write(scene.folder.beside("answer"), text).unwrap();
    };
    let manifest = |system: &str| {
        let text = format!("{{ \"system\": \"{system}\", \"deadline\": 120 }}\n");
        fs::write(scene.folder.beside("host.json"), text).unwrap();
    };
    let says = |lines: &str| answer(&format!("printf '{lines}end=status\\n'"));
    manifest("x86_64-linux");
    let rollback = ["deploy", "byrd", "--rollback", "--address", HERE];
    answer("echo Welcome");
    page.fails(
        "A shell that greets and runs nothing",
        &mut spinet(&scene, &rollback),
    );
    answer("exec 1>&2; echo sudo: a password is required; exit 1");
    page.fails("No rights on the host", &mut spinet(&scene, &rollback));
    answer("exec 1>&2; echo cannot create /var/lib/spinet: No space left on device; exit 1");
    page.fails("No room on the host", &mut spinet(&scene, &rollback));
    says("");
    page.fails("No NixOS", &mut spinet(&scene, &rollback));
    let runs = "current=/nix/store/b-nixos\\nprofile_now=/nix/store/b-nixos\\nbooted=/nix/store/b-nixos\\nmachine=x86_64\\n";
    says(runs);
    page.fails("Nothing to go back to", &mut spinet(&scene, &rollback));
    page.fails(
        "Nothing to confirm, as JSON",
        &mut spinet(
            &scene,
            &["--json", "deploy", "byrd", "--confirm", "--address", HERE],
        ),
    );
    page.fails(
        "Nothing to confirm",
        &mut spinet(&scene, &["deploy", "byrd", "--confirm", "--address", HERE]),
    );
    let before = format!("{runs}previous=/nix/store/a-nixos\\n");
    says(&before);
    fs::write(scene.folder.beside("host.json"), "").unwrap();
    page.fails("What was before is gone", &mut spinet(&scene, &rollback));
    manifest("aarch64-linux");
    page.fails(
        "A system for another machine",
        &mut spinet(&scene, &rollback),
    );
    manifest("x86_64-linux");
    page.fails(
        "A specialisation that it has not",
        &mut spinet(
            &scene,
            &[
                "deploy",
                "byrd",
                "--rollback",
                "--specialisation",
                "../travel",
                "--address",
                HERE,
            ],
        ),
    );
    says(&format!("{before}permanent=/nix/store/a-nixos\\n"));
    page.fails(
        "A configuration of somebody else",
        &mut spinet(&scene, &rollback),
    );
    let attempt = format!(
        "{before}id=20261126-1\\nmode=switch\\nnew=/nix/store/c-nixos\\nold=/nix/store/b-nixos\\nguard=alive\\nboot=1\\nboot_now=1\\nnow=100\\ndeadline=160\\n"
    );
    fs::write(
        scene.folder.beside("host.json"),
        "{ \"system\": \"x86_64-linux\", \"deadline\": 120, \"healthChecks\": [ { \"name\": \"web\", \"command\": \"false\" } ] }\n",
    )
    .unwrap();
    answer(&format!(
        "case $SSH_ORIGINAL_COMMAND in *'echo done'*) printf '0\\ndone\\n' ;; *) printf '{attempt}phase=waiting\\nend=status\\n' ;; esac"
    ));
    page.fails(
        "Another deploy whose host is not well",
        &mut spinet(&scene, &["deploy", "byrd", "--confirm", "--address", HERE]),
    );
    manifest("x86_64-linux");
    for phase in ["waiting", "activating", "dreaming"] {
        says(&format!("{attempt}phase={phase}\\n"));
        page.fails(
            &format!("Another deploy is {phase}"),
            &mut spinet(&scene, &rollback),
        );
        page.fails(
            "The same, to be confirmed",
            &mut spinet(&scene, &["deploy", "byrd", "--confirm", "--address", HERE]),
        );
        page.fails(
            "The same, to be undone",
            &mut spinet(&scene, &["deploy", "byrd", "--undo", "--address", HERE]),
        );
    }
    says(&format!(
        "{attempt}phase=undone\\nreason=It was asked for.\\n"
    ));
    page.fails(
        "Nothing waits any more",
        &mut spinet(&scene, &["deploy", "byrd", "--undo", "--address", HERE]),
    );
    page.compare();
}
