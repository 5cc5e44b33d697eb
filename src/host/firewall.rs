//! Whether this machine's own firewall lets multicast DNS in (UDP port 5353), as far as its rules can be read. In doubt it
//! does: a false alarm sends people to search where nothing is lost.

mod iptables;
mod nft;

use std::collections::BTreeMap;
use std::path::Path;

use crate::process::{self, Cmd};

const PORT: u16 = 5353;
/// How deep chains may call each other.
const DEPTH: usize = 16;
/// Where NixOS keeps the units of the system that runs.
const UNITS: &str = "/run/current-system/etc/systemd/system";

/// What becomes of a datagram from the link to port 5353.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opinion {
    Lets,
    Drops,
}

/// Whether a rule is for such a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fits {
    No,
    /// It also asks for something that is not known here.
    Perhaps,
    Yes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Nothing,
    End(Opinion),
    Return,
    Call(String),
}

type Rule = (Fits, Action);

#[derive(Debug, Default)]
struct Chain {
    /// The kernel begins here; what it does at the end.
    begins: Option<Opinion>,
    rules: Vec<Rule>,
}

/// Chains by name.
#[derive(Debug, Default)]
struct Rules(BTreeMap<String, Chain>);

impl Rules {
    /// Every chain that the kernel begins with must let it through.
    fn opinion(&self) -> Opinion {
        let drops = |chain: &&Chain| {
            let Some(policy) = chain.begins else {
                return false;
            };
            self.walk(chain, 0).unwrap_or(policy) == Opinion::Drops
        };
        if self.0.values().any(|chain| drops(&chain)) {
            Opinion::Drops
        } else {
            Opinion::Lets
        }
    }

    /// None when the chain ends without a decision.
    fn walk(&self, chain: &Chain, depth: usize) -> Option<Opinion> {
        for (fits, action) in &chain.rules {
            let decided = match action {
                _ if *fits == Fits::No => None,
                Action::End(opinion) => Some(*opinion),
                Action::Return if *fits == Fits::Yes => return None,
                Action::Call(name) if depth < DEPTH => {
                    let called = self.0.get(name);
                    called.and_then(|chain| self.walk(chain, depth + 1))
                }
                Action::Return | Action::Nothing | Action::Call(_) => None,
            };
            match decided {
                Some(Opinion::Lets) => return decided,
                Some(Opinion::Drops) if *fits == Fits::Yes => return decided,
                _ => {}
            }
        }
        None
    }
}

/// Whether ports such as `5353`, `5000:6000` or `5000-6000` are, or hold, ours.
fn holds_port(ports: &str) -> bool {
    let number = |text: &str| text.parse::<u16>().ok();
    match ports.split_once([':', '-']) {
        Some((from, to)) => {
            number(from).is_some_and(|n| n <= PORT) && number(to).is_some_and(|n| n >= PORT)
        }
        None => number(ports) == Some(PORT) || ports == "mdns",
    }
}

/// None when the rules cannot be read: without root that is so, except on NixOS.
pub async fn mdns() -> Option<Opinion> {
    let nixos = Path::new("/etc/NIXOS").exists();
    if rustix::process::geteuid().is_root() {
        if let Some(rules) = printed("nft", &["list", "ruleset"]).await
            && !rules.trim().is_empty()
        {
            return Some(nft::parse(&rules).opinion());
        }
        if let Some(rules) = printed("iptables", &["-S"]).await {
            return Some(iptables::parse(&rules).opinion());
        }
    }
    let units = Path::new(UNITS);
    (nixos && units.is_dir()).then(|| of_units(units))
}

async fn printed(program: &str, args: &[&str]) -> Option<String> {
    Cmd::new(process::tool(program))
        .args(args)
        .text()
        .await
        .ok()
}

/// What NixOS starts as a firewall; without one everything comes in.
fn of_units(units: &Path) -> Opinion {
    let iptables = started_by(&units.join("firewall.service"));
    let nft: String = started_by(&units.join("nftables.service"))
        .into_iter()
        .filter(|text| text.contains("hook input"))
        .collect();
    let opinions = [
        iptables::parse(&iptables.concat()).opinion(),
        nft::parse(&nft).opinion(),
    ];
    if opinions.contains(&Opinion::Drops) {
        Opinion::Drops
    } else {
        Opinion::Lets
    }
}

/// The scripts that a unit starts: calls of iptables, or rules for nft themselves.
fn started_by(unit: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(unit).unwrap_or_default();
    let programs = text
        .lines()
        .filter_map(|line| line.strip_prefix("ExecStart="))
        .filter_map(|line| line.trim_start_matches('@').split_whitespace().next());
    programs
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nixos_units_tell_what_they_start() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let start = |unit: &str, script: &str| {
            let path = dir.path().join(script);
            write(
                unit,
                &format!(
                    "[Service]\nExecStart=@{} {script}\nExecStop=x\n",
                    path.display()
                ),
            );
        };
        assert_eq!(of_units(dir.path()), Opinion::Lets);
        write(
            "fw",
            "ip46tables -A nixos-fw -p udp \\\n  --dport 53 -j ACCEPT\nip46tables -A nixos-fw -j DROP\nip46tables -A INPUT -j nixos-fw\n",
        );
        start("firewall.service", "fw");
        assert_eq!(of_units(dir.path()), Opinion::Drops);
        write(
            "fw",
            "/nix/store/x/bin/iptables -A INPUT -p udp --dport 5353 -j ACCEPT\nip46tables -A INPUT -j DROP\n",
        );
        assert_eq!(of_units(dir.path()), Opinion::Lets);
        write(
            "nft",
            "#! /nft -f\ntable inet f\ndelete table inet f\ntable inet f {\nchain input {\ntype filter hook input priority filter; policy drop;\n}\n}\n",
        );
        start("nftables.service", "nft");
        assert_eq!(of_units(dir.path()), Opinion::Drops);
    }
}
