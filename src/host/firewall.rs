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
    if !nixos || !units.is_dir() {
        return None;
    }
    if let Some(script) = started_by(&units.join("firewall.service")) {
        return Some(iptables::parse(&script).opinion());
    }
    match started_by(&units.join("nftables.service")) {
        Some(script) => nft_rules_of(&script).map(|rules| nft::parse(&rules).opinion()),
        None => Some(Opinion::Lets),
    }
}

async fn printed(program: &str, args: &[&str]) -> Option<String> {
    Cmd::new(process::tool(program))
        .args(args)
        .text()
        .await
        .ok()
}

/// The script that a unit of NixOS' starts.
fn started_by(unit: &Path) -> Option<String> {
    let text = std::fs::read_to_string(unit).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))?;
    let path = line.trim_start_matches('@').split_whitespace().next()?;
    std::fs::read_to_string(path).ok()
}

/// The script loads a file of rules from the store.
fn nft_rules_of(script: &str) -> Option<String> {
    let words = script.split(|c: char| c.is_whitespace() || c == '"');
    let texts = words
        .filter(|word| word.starts_with("/nix/store/") && word.contains("nftables"))
        .filter_map(|path| std::fs::read_to_string(path).ok());
    let mut texts = texts.filter(|text| text.contains("hook input"));
    texts.next()
}
