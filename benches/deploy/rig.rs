//! The scratch flake and its stand-in hosts.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::is_on_path;

/// What real nix needs to build here without a daemon and without a network.
const ENVIRONMENT: &str = include_str!("../../tests/env");
const PROGRAMS: [&str; 6] = ["nix", "ssh", "ssh-keygen", "git", "bash", "systemd-nspawn"];

pub struct Rig {
    dir: TempDir,
    hosts: Vec<Host>,
    /// Folder with wrappers that count; first on PATH in counted runs only.
    counters: PathBuf,
    /// Every evaluation is made anew, and takes its time.
    evaluates: Cell<bool>,
}

pub struct Host {
    pub name: String,
    pub ip: String,
    /// This machine's name for the stand-in.
    pi: String,
}

/// What one run of a command started.
pub struct Counts {
    /// Programs of Nix on this machine.
    pub nix: usize,
    /// Logins that the host's sshd accepted.
    pub logins: usize,
}

impl Rig {
    /// Boots so many hosts and deploys to each once. The first one is found by its name, the others have addresses.
    pub fn new(hosts: usize) -> Result<Self, String> {
        if let Some(program) = PROGRAMS.iter().find(|p| !is_on_path(p)) {
            return Err(format!("no {program}"));
        }
        if !rustix::process::geteuid().is_root() || !has_tree() {
            return Err("stand-in hosts need root and tests/setup".to_owned());
        }
        let dir = TempDir::with_prefix("spinet-bench.").unwrap();
        fs::create_dir_all(dir.path().join("tmp")).unwrap();
        let counters = dir.path().join("counters");
        let mut rig = Self {
            dir,
            hosts: Vec::new(),
            counters,
            evaluates: Cell::new(false),
        };
        rig.script(&["flake"]);
        rig.make_counters();
        for n in 1..=hosts {
            let name = if n == 1 {
                "handel".to_owned()
            } else {
                format!("handel-{n:02}")
            };
            let pi = format!("b{}-{n}", std::process::id());
            let ip = rig.script(&["up", &name, &pi]);
            rig.hosts.push(Host { name, ip, pi });
            if !rig.settles(&rig.hosts[n - 1]) {
                rig.make_room();
                break;
            }
        }
        let rows: Vec<String> = rig
            .hosts
            .iter()
            .enumerate()
            .map(|(n, host)| match n {
                0 => format!("{0}={0}.local", host.name),
                _ => format!("{}={}", host.name, host.ip),
            })
            .collect();
        let words: Vec<&str> = ["rows"]
            .into_iter()
            .chain(rows.iter().map(String::as_str))
            .collect();
        rig.script(&words);
        fs::write(rig.ssh_config(), rig.first().ssh_config()).unwrap();
        succeeds(&mut rig.spinet(&[]));
        Ok(rig)
    }

    pub fn first(&self) -> &Host {
        &self.hosts[0]
    }

    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// For programs that take no options for ssh: knows the first host by its name.
    pub fn ssh_config(&self) -> PathBuf {
        self.path("ssh_config")
    }

    fn flake(&self) -> PathBuf {
        self.path("fleet")
    }

    /// `spinet deploy`, as a user types it in the flake.
    pub fn spinet(&self, args: &[&str]) -> Command {
        let mut spinet = self.command(env!("CARGO_BIN_EXE_spinet"));
        // what is done by hand in between is no reason to refuse
        spinet.args(["deploy", "--force"]).args(args);
        spinet
    }

    /// A bash script in the flake, with arguments.
    pub fn bash(&self, script: &str, args: &[&str]) -> Command {
        let mut bash = self.command("bash");
        bash.args(["-euc", script, "bash"]).args(args);
        bash
    }

    /// A program in the flake, under the rig's own home and settings.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.flake());
        self.seal(&mut command);
        command
    }

    fn seal(&self, command: &mut Command) {
        command.env("WORK", self.dir.path());
        let cache = if self.evaluates.get() {
            "\neval-cache = false"
        } else {
            ""
        };
        command.env("NIX_CONFIG", nix_config().to_owned() + cache);
        for (name, folder) in [
            ("HOME", "home"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_CONFIG_HOME", "config"),
            ("TMPDIR", "tmp"),
            ("SPINET_HOSTS", "hosts"),
        ] {
            command.env(name, self.path(folder));
        }
        for name in ["SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "RULES"] {
            command.env_remove(name);
        }
    }

    /// Seconds of processor time that the hosts have taken since they were switched on.
    pub fn work(&self) -> f64 {
        let groups = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
        let base = groups.into_iter().find(|group| group.is_dir()).unwrap();
        let of = |host: &Host| {
            let file = base.join(format!("spinet-{}/cpu.stat", host.pi));
            let stat = fs::read_to_string(file).unwrap();
            let micros = stat.lines().find_map(|l| l.strip_prefix("usage_usec "));
            micros.unwrap().parse::<f64>().unwrap() / 1e6
        };
        self.hosts.iter().map(of).sum()
    }

    /// Whether evaluations are made anew from now on; those of a host take about as long as of a small NixOS (0.7 s here, in
    /// which the evaluator adds numbers): the stand-in's own take hundredths of a second. Deployed at once.
    pub fn evaluate(&self, anew: bool) {
        let additions = if anew { "10000\n" } else { "0\n" };
        fs::write(self.flake().join("hosts/additions"), additions).unwrap();
        self.evaluates.set(anew);
        succeeds(&mut self.spinet(&[]));
    }

    /// Gives every host a configuration that none had before.
    pub fn change(&self) {
        let text = self.flake().join("hosts/text");
        let number: u64 = fs::read_to_string(&text)
            .unwrap()
            .trim()
            .parse()
            .unwrap_or(0);
        fs::write(text, format!("{}\n", number + 1)).unwrap();
    }

    /// Runs the command, which must succeed, once more with the counters on PATH. The logins are those of `host`, as its
    /// journal tells.
    pub fn count(&self, command: &Command, host: &Host) -> Counts {
        let log = self.path("counted");
        let _ = fs::remove_file(&log);
        let before = self.logins(host);
        let mut counted = Command::new(command.get_program());
        counted.args(command.get_args());
        counted.current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => counted.env(name, value),
                None => counted.env_remove(name),
            };
        }
        let path = std::env::var("PATH").unwrap_or_default();
        counted.env("PATH", format!("{}:{path}", self.counters.display()));
        succeeds(&mut counted);
        let nix = fs::read_to_string(log).unwrap_or_default().lines().count();
        // asking is a login, too
        let logins = self.logins(host) - before - 1;
        Counts { nix, logins }
    }

    fn logins(&self, host: &Host) -> usize {
        let script = "journalctl --sync; journalctl -q -u sshd | grep -c 'Accepted publickey'";
        self.ssh(host, script).trim().parse().unwrap()
    }

    /// Runs a command on a host and returns what it printed.
    pub fn ssh(&self, host: &Host, script: &str) -> String {
        let ssh = format!("ssh {} root@{} \"$1\"", host.options(), host.ip);
        text(&succeeds(&mut self.bash(&ssh, &[script])))
    }

    /// All hosts together may have used up `fs.inotify.max_user_instances`; those that stay need some for their switch.
    fn make_room(&mut self) {
        let keep = self.hosts.len().saturating_sub(3).max(1);
        for host in self.hosts.split_off(keep) {
            self.down(&host);
        }
        println!("this machine has room for {keep} stand-in hosts now");
    }

    fn down(&self, host: &Host) {
        let mut down = Command::new(project().join("tests/standin/host/down"));
        self.seal(&mut down);
        let _ = down.arg(&host.pi).output();
    }

    /// Waits until the host is up; false if units of it failed.
    fn settles(&self, host: &Host) -> bool {
        let end = Instant::now() + Duration::from_secs(120);
        let ask = format!(
            "ssh {} root@{} systemctl is-system-running --wait 2>&1 || true",
            host.options(),
            host.ip
        );
        loop {
            let said = text(&succeeds(&mut self.bash(&ask, &[])));
            match said.as_str() {
                "running" => return true,
                "degraded" => return false,
                _ => {}
            }
            assert!(
                Instant::now() < end,
                "{} did not come up: {said}",
                host.name
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn make_counters(&self) {
        fs::create_dir_all(&self.counters).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let dir = std::env::split_paths(&path)
            .find(|dir| dir.join("nix").is_file())
            .unwrap();
        for entry in fs::read_dir(&dir).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name == "nix" || name.starts_with("nix-") {
                let counter = self.counters.join(&name);
                let script = format!(
                    "#!/bin/sh\necho {name} >>{}\nexec {}/{name} \"$@\"\n",
                    self.path("counted").display(),
                    dir.display()
                );
                fs::write(&counter, script).unwrap();
                executable(&counter);
            }
        }
    }

    fn script(&self, args: &[&str]) -> String {
        let mut rig = Command::new("bash");
        rig.arg(project().join("benches/deploy/rig.sh")).args(args);
        self.seal(&mut rig);
        text(&succeeds(&mut rig))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for host in &self.hosts {
            self.down(host);
        }
    }
}

impl Host {
    /// Options of ssh for a login that is sure of the host's key, as words without spaces.
    pub fn options(&self) -> String {
        format!(
            "-o BatchMode=yes -o ConnectTimeout=5 -o LogLevel=ERROR -o StrictHostKeyChecking=yes -o HostKeyAlias={} -o UserKnownHostsFile=hosts/known_hosts",
            self.name
        )
    }

    /// The same as [`Self::options`], as a section of a configuration of ssh.
    fn ssh_config(&self) -> String {
        let options = self.options();
        let lines = options
            .split("-o ")
            .map(str::trim)
            .filter(|o| !o.is_empty());
        let lines: Vec<String> = lines.map(|option| format!("  {option}\n")).collect();
        format!(
            "Host {}\n  HostName {}\n{}",
            self.name,
            self.ip,
            lines.concat()
        )
    }
}

/// The value that tests/env gives it.
fn nix_config() -> &'static str {
    let (_, rest) = ENVIRONMENT.split_once("NIX_CONFIG='").unwrap();
    rest.split_once('\'').unwrap().0
}

fn has_tree() -> bool {
    let mut tree = Command::new(project().join("tests/standin/host/tree"));
    let path = text(&succeeds(tree.arg("--path")));
    Path::new(&path).is_dir()
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs a command that must succeed.
pub fn succeeds(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
