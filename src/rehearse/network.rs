//! The network of a rehearsal: this machine's end of one cable and nothing else, so that no other host is in the way, and
//! none is disturbed. In a user namespace it takes no rights to make.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::error::Failure;
use crate::process::{Background, Cmd, tool};

/// The name of the cable's end here.
pub const TAP: &str = "spinet0";

/// This machine's address, and the one that the virtual Pi is given by DHCP, where there is a server for that.
const OWN: &str = "10.0.2.100";
pub const PI: &str = "10.0.2.15";

/// Ends when its standard input does, which is when this program does, and the network with it.
const HOLDER: &str = r#"set -eu
PATH=$PATH:/usr/sbin:/sbin
tap=$1 own=$2 pi=$3
ip link set lo up
ip tuntap add dev "$tap" mode tap user "$(id -u)"
ip addr add "$own/24" dev "$tap"
ip link set "$tap" up
server=
if command -v dnsmasq >/dev/null; then
  # killed with this shell: not even a change of its group may come between
  setpriv --pdeathsig KILL -- dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface="$tap" \
    --bind-interfaces --user="$(id -un)" --group="$(id -gn)" \
    --dhcp-range="$pi,$pi,255.255.255.0" --dhcp-authoritative --leasefile-ro --dhcp-option=3 --dhcp-option=6 --log-facility=- &
  server=$!
fi
echo is up
cat
[ -z "$server" ] || kill "$server""#;

/// A network namespace. Dropping it ends it.
pub struct Network {
    _holder: Background,
    /// `--target PID --net ..`
    enter: Vec<String>,
}

impl Network {
    /// Makes the network; what the programs say goes to `log`.
    pub async fn new(log: &Path) -> Result<Self> {
        let root = rustix::process::geteuid().is_root();
        let mut cmd = Cmd::new(tool("unshare")).or_install("Install util-linux.");
        if !root {
            cmd = cmd.args(["--user", "--map-current-user", "--keep-caps"]);
        }
        let holder = cmd.args(["--net", "sh", "-c", HOLDER, "sh", TAP, OWN, PI]);
        let mut holder = holder.in_background(log)?;
        if !holder.prints("is up", Duration::from_secs(10)).await {
            let said = holder.output();
            let failure = Failure::new("A network for the virtual Pi could not be made.")
                .source(anyhow::anyhow!("{said}"));
            return Err(if root {
                failure.hint("It takes network namespaces, the `tun` module (/dev/net/tun) and `ip` of iproute2.")
            } else {
                failure.hint("It takes user namespaces (sysctl user.max_user_namespaces, and no AppArmor profile that forbids them), the `tun` module (/dev/net/tun) and `ip` of iproute2. Where users may not have them, run the same command as root.")
            }
            .into());
        }
        let pid = holder.id().unwrap_or_default();
        let mut enter = vec!["--target".to_owned(), pid.to_string(), "--net".to_owned()];
        if !root {
            enter.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        Ok(Self {
            _holder: holder,
            enter,
        })
    }

    /// A command that runs in this network and ends with this program, whatever ends that.
    pub fn cmd(&self, program: impl AsRef<std::ffi::OsStr>) -> Cmd {
        Cmd::new(tool("nsenter"))
            .args(&self.enter)
            .arg("--")
            .arg(tool("setpriv"))
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
    }
}
