//! SSH to one host, by the system's own `ssh` and the user's own configuration, under one key and no other.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::known_hosts::bare;
use super::root::Remote;
use crate::error::Failure;
use crate::fleet::Host;
use crate::process::{Cmd, Output, quote};

/// How long ssh waits for a connection and the greeting of the SSH server, in seconds.
const CONNECT: u64 = 5;
/// What ssh exits with when the connection failed, not the command.
const SSH_FAILED: i32 = 255;

/// Where a host answers and which key it must show.
#[derive(Debug)]
pub struct Target {
    pub host: Host,
    /// The address found for it; without one ssh resolves the host's name itself.
    pub address: Option<SocketAddr>,
    /// Holds the pin and the control socket. Its path has no spaces: nix splits `NIX_SSHOPTS` at them.
    dir: TempDir,
    /// Seconds until the host has to be connected and to greet.
    connect: u64,
    closed: bool,
}

/// How an attempt to log in under the pinned key went.
#[derive(Debug, PartialEq, Eq)]
pub enum Login {
    Accepted,
    /// The host showed another key than the pinned one.
    Stranger,
    /// The right host, but it lets nobody in with the keys at hand.
    Denied,
    /// No answer, or the connection broke: ssh's last line.
    Unreachable(String),
}

impl Target {
    /// A target that must show `key` (`ssh-ed25519 AAAA..`).
    pub fn new(host: &Host, address: Option<SocketAddr>, key: &str) -> Result<Self> {
        let base = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|dir| dir.is_dir() && !dir.to_string_lossy().contains(char::is_whitespace))
            .unwrap_or_else(|| PathBuf::from("/tmp"));
        let dir = tempfile::Builder::new()
            .prefix("spinet-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(&base)
            .with_context(|| format!("while making a folder for ssh in {}", base.display()))?;
        let pin = format!("{} {}\n", host.name, bare(key));
        std::fs::write(dir.path().join("pin"), pin)
            .context("while writing the pinned key for ssh")?;
        Ok(Self {
            host: host.clone(),
            address,
            dir,
            connect: CONNECT,
            closed: false,
        })
    }

    /// Gives the host only so long to be connected and to greet, at least a second: ssh counts in whole ones.
    #[must_use]
    pub fn connected_within(mut self, limit: Duration) -> Self {
        self.connect = limit
            .as_millis()
            .div_ceil(1000)
            .max(1)
            .try_into()
            .unwrap_or(CONNECT);
        self
    }

    /// `user@name`, as ssh and nix are given it; the address travels in the options. nix takes no IPv6 address with an
    /// interface.
    pub fn destination(&self) -> String {
        let host = &self.host;
        let name = if self.address.is_some() && host.address.contains(':') {
            &host.name
        } else {
            &host.address
        };
        format!("{}@{name}", host.user)
    }

    /// Options for the connection that all commands and copies to this target share, and no other target.
    pub fn shared_options(&self) -> Vec<String> {
        let mut options = self.identity_options();
        let socket = format!("ControlPath={}/c", self.dir.path().display());
        let shared = ["ControlMaster=auto", "ControlPersist=60", socket.as_str()];
        options.extend(
            shared
                .iter()
                .flat_map(|o| ["-o".to_owned(), (*o).to_owned()]),
        );
        options
    }

    fn identity_options(&self) -> Vec<String> {
        let mut options = vec![
            format!("HostKeyAlias={}", self.host.name),
            format!("UserKnownHostsFile={}/pin", self.dir.path().display()),
            "GlobalKnownHostsFile=/dev/null".into(),
            "StrictHostKeyChecking=yes".into(),
            "VerifyHostKeyDNS=no".into(),
            "UpdateHostKeys=no".into(),
            "CheckHostIP=no".into(),
            "ForwardAgent=no".into(),
            "ForwardX11=no".into(),
            format!("ConnectTimeout={}", self.connect),
            "ServerAliveInterval=5".into(),
            "ServerAliveCountMax=3".into(),
            "LogLevel=ERROR".into(),
            format!("Port={}", self.host.port),
        ];
        if let Some(address) = self.address {
            // ssh expands % there
            let address = scoped(address).replace('%', "%%");
            options.push(format!("HostName={address}"));
        }
        if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
            options.push("BatchMode=yes".into());
        }
        options
            .into_iter()
            .flat_map(|o| ["-o".to_owned(), o])
            .collect()
    }

    /// Runs a script on the host over the shared connection. Its exit status is the script's. Every line it prints to
    /// standard error goes to `on_line` as it comes.
    pub async fn run(
        &self,
        remote: &Remote,
        limit: Option<Duration>,
        on_line: impl FnMut(&str),
    ) -> Result<Output> {
        let mut cmd = self.cmd(remote);
        if let Some(limit) = limit {
            cmd = cmd.timeout(limit);
        }
        let output = cmd.output_with(on_line).await?;
        if !broke(output.status) {
            return Ok(output);
        }
        let why = Login::read(&output.stderr);
        Err(why.into_failure(&self.host, cmd.failed(&output)).into())
    }

    /// Tries to log in and runs a script there; the connection stays open for what follows.
    pub async fn enter(&self, remote: &Remote, limit: Duration) -> (Login, Option<Output>) {
        match self.cmd(remote).timeout(limit).output().await {
            Ok(output) if broke(output.status) => (Login::read(&output.stderr), None),
            Ok(output) => (Login::Accepted, Some(output)),
            Err(e) => (Login::Unreachable(e.to_string()), None),
        }
    }

    /// Ends the connection without holding up what else runs; dropping it does so as well, but waits.
    pub async fn close(mut self) {
        if let Some(end) = self.end() {
            let _ = end.timeout(Duration::from_secs(5)).output().await;
            self.closed = true;
        }
    }

    /// What ends the connection, if there is one.
    fn end(&self) -> Option<Cmd> {
        let open = !self.closed && self.dir.path().join("c").exists();
        open.then(|| {
            Cmd::new("ssh")
                .args(self.shared_options())
                .args(["-O", "exit", &self.destination()])
        })
    }

    fn cmd(&self, remote: &Remote) -> Cmd {
        Cmd::new("ssh")
            .args(self.shared_options())
            .arg(self.destination())
            // the login shell may be anything: only sh reads the script
            .arg(format!("exec sh -c {}", quote(&remote.script)))
            .input(remote.stdin.to_vec())
            .or_install("Install OpenSSH.")
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(end) = self.end() {
            end.fire();
        }
    }
}

impl Login {
    /// What ssh says when it fails.
    pub fn read(stderr: &str) -> Self {
        let has = |text| stderr.contains(text);
        if has("Host key verification failed")
            || has("No matching host key")
            || has("no matching host key type")
        {
            Self::Stranger
        } else if has("Permission denied") || has("Too many authentication failures") {
            Self::Denied
        } else {
            Self::Unreachable(last_line(stderr))
        }
    }

    /// The error a story shows for a login that did not work.
    pub fn into_failure(self, host: &Host, source: anyhow::Error) -> Failure {
        let name = &host.name;
        match self {
            // not with what ssh says: it advises to forget the pinned key
            Self::Stranger => return Failure::new(format!("What answers as {} is not {name}: it shows another host key than the pinned one.", host.address))
                .hint(format!("If {name} was flashed anew elsewhere, run `spinet bootstrap {name}`; if not, somebody else answers under its name.")),
            Self::Denied => Failure::new(format!("{name} accepts none of your SSH keys for {}.", host.user))
                .hint("Load the right key into ssh-agent, and look at the authorized keys in the host's configuration."),
            Self::Accepted | Self::Unreachable(_) => Failure::new(format!("{name} could not be reached as {} on port {}.", host.address, host.port))
                .hint("Is it powered and on the same network? `--address` names another address."),
        }
        .source(source)
    }
}

/// Whether the connection failed: ssh says so, or was killed. Of the command on the host nothing is known then.
fn broke(ssh: ExitStatus) -> bool {
    matches!(ssh.code(), Some(SSH_FAILED) | None)
}

/// What ssh or ssh-keyscan said last.
pub fn last_line(stderr: &str) -> String {
    let last = stderr.lines().rfind(|l| !l.trim().is_empty());
    crate::ui::visible(last.unwrap_or("no answer"))
}

/// An address without its port: IPv6 link-local with its interface.
pub fn scoped(address: SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        other => other.ip().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            port: 2222,
            ..Host::named("bach")
        }
    }

    #[test]
    fn what_ssh_says_is_told_apart() {
        let read = Login::read;
        assert_eq!(read("Host key verification failed.\n"), Login::Stranger);
        assert_eq!(
            read("root@bach.local: Permission denied (publickey).\n"),
            Login::Denied
        );
        assert_eq!(
            read("ssh: connect to host bach.local port 22: No route to host\n\n"),
            Login::Unreachable("ssh: connect to host bach.local port 22: No route to host".into())
        );
    }

    #[test]
    fn a_killed_ssh_is_no_failure_of_the_host() {
        use std::os::unix::process::ExitStatusExt;
        let killed = ExitStatus::from_raw(9);
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        assert!(broke(killed) && broke(exit(SSH_FAILED)));
        assert!(!broke(exit(0)) && !broke(exit(1)));
    }

    #[test]
    fn nobody_is_advised_to_forget_a_pinned_key() {
        let host = host();
        let said = "remove with:\nssh-keygen -R bach\nHost key verification failed.\n";
        let failure = Login::read(said).into_failure(&host, anyhow::anyhow!(said));
        let shown = crate::error::render(&failure.into());
        assert!(shown.contains("another host key than the pinned one"));
        assert!(!shown.contains("ssh-keygen"), "{shown}");
    }

    #[test]
    fn only_the_pinned_key_is_accepted_and_no_agent_is_lent() {
        let host = host();
        let address = "[fe80::1%3]:22".parse().unwrap();
        let target = Target::new(&host, Some(address), "ssh-ed25519 AAAA x").unwrap();
        let options = target.shared_options().join(" ");
        for expected in [
            "StrictHostKeyChecking=yes",
            "HostKeyAlias=bach",
            "ForwardAgent=no",
            "HostName=fe80::1%%3",
            "Port=2222",
            "ControlPath=",
        ] {
            assert!(options.contains(expected), "{options}");
        }
        let pin = std::fs::read_to_string(target.dir.path().join("pin")).unwrap();
        assert_eq!(pin, "bach ssh-ed25519 AAAA\n");
    }

    #[test]
    fn a_connection_is_waited_for_in_whole_seconds() {
        let seconds = |millis| {
            let target = Target::new(&host(), None, "ssh-ed25519 AAAA").unwrap();
            let target = target.connected_within(Duration::from_millis(millis));
            let options = target.shared_options();
            let own = options
                .iter()
                .find_map(|o| o.strip_prefix("ConnectTimeout="));
            own.map(str::to_owned)
        };
        for (millis, whole) in [(0, "1"), (1000, "1"), (1001, "2"), (60_000, "60")] {
            assert_eq!(seconds(millis).as_deref(), Some(whole));
        }
    }
}
