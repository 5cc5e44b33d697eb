//! Stand-in hosts for tests: the scripts of `tests/standin/host` with a lifetime.
//!
//! A test asks `Lab::available()` first; without root there is no lab, and the test says that it is skipped. The machine's
//! subnets are dealt out by the scripts under a lock, so tests may run in parallel processes.
#![allow(dead_code, reason = "every test program uses its own part of the lab")]

#[allow(clippy::panic, clippy::unwrap_used, reason = "tests")]
pub mod lan;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A sealed place for one test: its own home, keys and stand-in hosts; nothing of the developer's machine.
pub struct Lab {
    dir: TempDir,
}

/// What a stand-in host's wifi finds in the air.
#[derive(Clone, Copy)]
pub enum Air<'a> {
    /// No wifi: the link is there at once.
    Wired,
    /// A network and the passphrase it wants.
    Wifi(&'a str, &'a str),
}

/// A stand-in Pi; switched off and taken away when dropped, its card stays.
pub struct Host<'a> {
    lab: &'a Lab,
    name: String,
    address: String,
}

impl Lab {
    /// The lab, or `None` with a printed reason where it cannot be: the calling test is skipped then.
    pub fn available() -> Option<Lab> {
        let uid = Command::new("id").arg("-u").output().expect("id runs");
        if uid.stdout.trim_ascii() != b"0" {
            println!("skipped: stand-in hosts need root (network namespaces, mounts, containers)");
            return None;
        }
        let dir = TempDir::with_prefix("spinet-lab.").expect("a temporary folder");
        let lab = Lab { dir };
        for folder in ["home/.ssh", "config", "cache", "state", "hosts", "tmp"] {
            fs::create_dir_all(lab.path(folder)).expect("a folder of the lab");
        }
        let key = lab.key();
        run(lab.seal(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"])
                .arg(key),
        ));
        Some(lab)
    }

    /// A path in the lab's folder, which goes with the lab.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The private key the lab logs in with; `.pub` lies beside it.
    pub fn key(&self) -> PathBuf {
        self.path("home/.ssh/id_ed25519")
    }

    /// Lets the command see the lab instead of the developer's home, agent and settings.
    pub fn seal<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("TMPDIR", self.path("tmp"))
            .env("SPINET_HOSTS", self.path("hosts"))
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("RULES")
    }

    /// spinet itself, sealed.
    pub fn spinet(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spinet"));
        self.seal(&mut command);
        command
    }

    /// A card made without Nix, for tests of what a host does and not of what it runs. `profile` is an iwd profile's
    /// file name and text.
    pub fn plain_card(&self, host_name: &str, profile: Option<(&str, &str)>) -> PathBuf {
        let card = self.path(&format!("{host_name}.img"));
        let mut command = self.script("plain-card");
        command
            .arg(&card)
            .arg(host_name)
            .arg(self.key().with_extension("pub"));
        if let Some((name, text)) = profile {
            let file = self.path(name);
            fs::write(&file, text).expect("an iwd profile");
            command.arg(file);
        }
        run(&mut command);
        card
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(project().join("tests/standin/host").join(name));
        self.seal(&mut command);
        command
    }
}

impl<'a> Host<'a> {
    /// Puts the card into a new stand-in Pi and switches it on. Does not wait for it.
    pub fn up(lab: &'a Lab, card: &Path, air: Air) -> Host<'a> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // namespaces and links are the machine's: the name is this process's own
        let name = format!(
            "t{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let mut command = lab.script("up");
        command.arg(&name).arg(card);
        if let Air::Wifi(ssid, passphrase) = air {
            let file = lab.path(&format!("{name}.passphrase"));
            fs::write(&file, passphrase).expect("a passphrase file");
            command
                .args(["--ssid", ssid, "--passphrase-file"])
                .arg(file);
        }
        run(&mut command);
        let address = text(&run(lab.script("address").arg(&name)));
        Host { lab, name, address }
    }

    /// Where the host is once its link is there.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends every process of the host at once.
    pub fn power_cut(&self) {
        run(self.lab.script("power-cut").arg(&self.name));
    }

    /// Switches the host on again, with the card that is in it.
    pub fn boot(&self) {
        run(self.lab.script("boot").arg(&self.name));
    }

    /// Runs a command on the host as root, whatever its host key is.
    pub fn ssh(&self, command: &str) -> Output {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-i"]).arg(self.lab.key());
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=2",
            "LogLevel=ERROR",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ] {
            ssh.args(["-o", option]);
        }
        self.lab.seal(&mut ssh);
        ssh.arg(format!("root@{}", self.address))
            .arg(command)
            .stdin(Stdio::null());
        ssh.output().expect("ssh runs")
    }

    /// Whether somebody can log in within the time.
    pub fn answers_within(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if self.ssh("true").status.success() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        false
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        // A failing test is unwinding already, and must not abort.
        if let Ok(output) = self.lab.script("down").arg(&self.name).output()
            && !output.status.success()
        {
            eprintln!(
                "{} is not gone: {}",
                self.name,
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

/// The repository's root.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A command's output without the last line's end.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// Runs a command that must succeed; its messages are the test's failure otherwise. Takes no input.
pub fn run(command: &mut Command) -> Output {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the command starts");
    let name = command.get_program().display();
    let arguments: Vec<&OsStr> = command.get_args().collect();
    assert!(
        output.status.success(),
        "{name} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
