//! A small network for one test: spinet's machine and others on one link, in namespaces that nothing else is in. So
//! names and addresses are the test's own, and nothing of it is seen outside.
//!
//! The others run real sshd and avahi out of the stand-in hosts' Debian tree, without its systemd: they are there in an
//! instant, and the test says what starts when.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::{Lab, run, text};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The link, and spinet's end of it: 10.0.0.1.
pub struct Lan<'a> {
    lab: &'a Lab,
    /// The namespace of spinet's machine.
    name: String,
    machines: Cell<u8>,
}

/// A machine on the link; without address, sshd or name until the test gives it some.
pub struct Machine<'a> {
    lan: &'a Lan<'a>,
    name: String,
    /// Holds its processes; they go with it.
    init: Child,
}

/// A command that runs while the test goes on.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl<'a> Lan<'a> {
    pub fn new(lab: &'a Lab) -> Self {
        let name = format!("l{}", std::process::id());
        ip(&format!("netns add {name}"));
        for line in [
            "link set lo up",
            "link add lan type bridge mcast_snooping 0",
            "addr add 10.0.0.1/24 dev lan",
            "link set lan up",
        ] {
            ip(&format!("-n {name} {line}"));
        }
        fs::create_dir_all(lab.path("nix")).unwrap();
        let machines = Cell::new(0);
        Self {
            lab,
            name,
            machines,
        }
    }

    /// A flake whose one host is `name`.local, pinned to the key. The user may log in with the lab's key.
    pub fn flake(&self, name: &str, key: &str) {
        let dir = self.lab.path("flake");
        fs::create_dir_all(dir.join("hosts")).unwrap();
        let text = r#"{
          outputs = _: {
            spinet = {
              hosts.@name = { system = "aarch64-linux"; address = "@name.local"; user = "root"; port = 22; };
              rules = "secrets.nix";
              knownHosts = "hosts/known_hosts";
            };
            # as much of a system as a deploy looks at
            packages.x86_64-linux.@name = derivation {
              name = "@name";
              system = "x86_64-linux";
              builder = "/bin/sh";
              PATH = "/usr/bin:/bin";
              args = [ "-ec" ''
                mkdir -p $out/bin $out/etc/spinet
                touch $out/bin/switch-to-configuration
                echo '{ "system": "aarch64-linux", "deadline": 20 }' >$out/etc/spinet/host.json
              '' ];
            };
          };
        }"#;
        let text = text.replace("@name", name);
        fs::write(dir.join("flake.nix"), text).unwrap();
        fs::write(dir.join("hosts/known_hosts"), format!("{name} {key}\n")).unwrap();
        run(Command::new("git").args(["init", "-q"]).arg(&dir));
        run(Command::new("git").arg("-C").arg(&dir).args(["add", "-A"]));
    }

    /// A new host key, `ssh-ed25519 AAAA..`, and its private half.
    pub fn key(&self, name: &str) -> (String, PathBuf) {
        let file = self.lab.path(&format!("{name}.key"));
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
            .arg(&file));
        let public = fs::read_to_string(file.with_extension("key.pub")).unwrap();
        (public.trim().to_owned(), file)
    }

    /// Adds a machine with this host key.
    /// `key`: the file of its private half.
    pub fn machine(&'a self, key: &Path) -> Machine<'a> {
        let number = self.machines.get() + 1;
        self.machines.set(number);
        let name = format!("{}-{number}", self.name);
        ip(&format!("netns add {name}"));
        ip(&format!(
            "-n {} link add p{number} type veth peer name eth0 netns {name}",
            self.name
        ));
        ip(&format!(
            "-n {} link set p{number} master lan up",
            self.name
        ));
        ip(&format!("-n {name} link set lo up"));
        ip(&format!("-n {name} link set eth0 up"));
        let tree = text(&run(self.lab.script("tree").arg("--path")));
        let root = self.lab.path(&name);
        fs::create_dir_all(&root).unwrap();
        let script = r#"set -e
            mount -t tmpfs tmpfs "$2"
            cd "$2"
            mkdir up work root
            mount -t overlay overlay -o "lowerdir=$1,upperdir=up,workdir=work" root
            mount -t proc proc root/proc
            mount --rbind /dev root/dev
            mkdir -p root/etc/nix root/run/sshd root/run/avahi-daemon root/root/.ssh root/nix
            echo 'build-users-group =' >root/etc/nix/nix.conf
            cp "$3" root/etc/ssh/key
            cp "$4" root/root/.ssh/authorized_keys
            chmod 600 root/etc/ssh/key root/root/.ssh/authorized_keys
            echo ready
            exec sleep 100000"#;
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &name])
            .args([
                "unshare",
                "--mount",
                "--uts",
                "--pid",
                "--fork",
                "--kill-child",
            ])
            .args(["sh", "-c", script, "machine", &tree])
            .arg(&root)
            .arg(key)
            .arg(self.lab.key().with_extension("pub"));
        let mut init = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(init.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{name} did not start");
        let lan = self;
        Machine { lan, name, init }
    }

    /// A command on spinet's machine: with the lab's home as everybody's, and a store of its own.
    pub fn here(&self, program: &str) -> Command {
        // ssh asks the password database for its home, not the environment
        // a store that two programs make at once is made by neither
        let script = r#"mount --bind "$1" /nix && { [ -e /nix/var/nix/db ] || nix-store --init; } && mount --bind "$HOME/.ssh" ~root/.ssh && shift && exec "$@""#;
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name, "unshare", "--mount"])
            .args(["sh", "-c", script, "here"])
            .arg(self.lab.path("nix"))
            .arg(program);
        command.env("NIX_CONFIG", "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\nsandbox = false\nflake-registry =");
        self.lab.seal(&mut command);
        command
    }

    /// spinet with the lab's flake.
    pub fn spinet(&self, args: &[&str]) -> Command {
        let mut command = self.here(env!("CARGO_BIN_EXE_spinet"));
        command.args(args).arg("-C").arg(self.lab.path("flake"));
        command
    }

    /// Changes something of the network on spinet's machine: arguments of ip(8).
    pub fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.name));
    }
}

impl Machine<'_> {
    /// Changes something of its network: arguments of ip(8).
    pub fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.name));
    }

    /// Its IPv6 link-local address.
    pub fn link_local(&self) -> String {
        let shown =
            run(Command::new("ip")
                .args(["-n", &self.name, "-6", "-o", "addr", "show", "dev", "eth0"]));
        let shown = text(&shown);
        let address = shown
            .split_whitespace()
            .find(|word| word.starts_with("fe80:"));
        address.unwrap().split('/').next().unwrap().to_owned()
    }

    /// Starts its SSH server.
    pub fn sshd(&self) {
        self.run("/usr/sbin/sshd -E /sshd.log -o HostKey=/etc/ssh/key -o PasswordAuthentication=no -o UsePAM=no -o PidFile=none");
    }

    /// Starts avahi, which claims the name for all addresses.
    pub fn announce(&self, name: &str) {
        self.avahi(name, "use-ipv6=yes", "publish-aaaa-on-ipv4=yes");
    }

    /// Only for its IPv4 addresses.
    pub fn announce_v4(&self, name: &str) {
        self.avahi(name, "use-ipv6=no", "publish-aaaa-on-ipv4=no");
    }

    /// Only for its IPv6 addresses.
    pub fn announce_v6(&self, name: &str) {
        self.avahi(name, "use-ipv4=no", "publish-a-on-ipv6=no");
    }

    fn avahi(&self, name: &str, server: &str, publish: &str) {
        self.run(&format!(
            "printf '[server]\nhost-name={name}\nenable-dbus=no\n{server}\n[publish]\npublish-workstation=no\n{publish}\n' >/etc/avahi/lan.conf
             /usr/sbin/avahi-daemon -D -s --no-drop-root --no-chroot --no-rlimits -f /etc/avahi/lan.conf"
        ));
    }

    /// Runs a shell script on it.
    pub fn run(&self, script: &str) -> String {
        text(&run(&mut self.command(script)))
    }

    fn command(&self, script: &str) -> Command {
        let children = format!("/proc/{0}/task/{0}/children", self.init.id());
        let inner = fs::read_to_string(children).unwrap();
        let mut command = Command::new("nsenter");
        command
            .args(["--all", "--target", inner.trim(), "chroot"])
            .arg(self.lan.lab.path(&self.name).join("root"))
            .args(["sh", "-ec", script]);
        command
    }
}

impl Running {
    /// Starts the command; standard error is what it says.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = channel();
        let output = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines() {
                let _ = tell.send(line.unwrap());
            }
        });
        let said = String::new();
        Self { child, lines, said }
    }

    /// Waits until it says the text.
    #[track_caller]
    pub fn until(&mut self, wanted: &str) {
        while !self.said.contains(wanted) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => writeln!(self.said, "{line}").unwrap(),
                Err(e) => panic!("{wanted:?} does not come ({e}):\n{}", self.said),
            }
        }
    }

    /// The number it said behind a word.
    pub fn told(&mut self, word: &str) -> Option<f64> {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(100)) {
            writeln!(self.said, "{line}").unwrap();
        }
        let line = self.said.lines().find_map(|line| line.strip_prefix(word))?;
        line.trim().parse().ok()
    }

    /// Waits for its end; its exit code and all it said.
    pub fn end(mut self) -> (Option<i32>, String) {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            writeln!(self.said, "{line}").unwrap();
        }
        (
            self.child.wait().unwrap().code(),
            std::mem::take(&mut self.said),
        )
    }

    /// Interrupts it, as ^C does.
    pub fn interrupt(&self) {
        run(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        let _ = self.init.kill();
        let _ = self.init.wait();
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}

impl Drop for Lan<'_> {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}

fn ip(arguments: &str) {
    run(Command::new("ip").args(arguments.split(' ')));
}
