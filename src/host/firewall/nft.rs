//! Rules as `nft list ruleset` prints them, and as a file for nft(8) holds them.

use super::{Action, Chain, Fits, Opinion, Rules, holds_port};

pub fn parse(text: &str) -> Rules {
    let mut rules = Rules::default();
    let (mut table, mut chain) = (String::new(), None);
    for line in statements(text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["table", name @ .., "{"] => table = name.join(" "),
            ["chain", name, "{"] => chain = Some(format!("{table} {name}")),
            ["}"] => chain = None,
            _ => {
                if let Some(name) = &chain {
                    read(&words, &table, rules.0.entry(name.clone()).or_default());
                }
            }
        }
    }
    rules
}

/// One statement a line, with braces as words of their own: a set in braces stays on the line of its rule.
fn statements(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        let line = without_quotes(line);
        let line = line.split('#').next().unwrap_or_default();
        for symbol in line.split_inclusive(['{', '}', ',', ';']) {
            let (text, mark) = match symbol.char_indices().next_back() {
                Some((at, mark)) if "{},;".contains(mark) => (&symbol[..at], mark),
                _ => (symbol, ' '),
            };
            open.push_str(text);
            if mark == ';' {
                lines.push(std::mem::take(&mut open));
            } else {
                open.push_str(&format!(" {mark} "));
            }
        }
        let is_block = ["table ", "chain "]
            .iter()
            .any(|start| open.trim_start().starts_with(start));
        if is_block || open.matches('{').count() <= open.matches('}').count() {
            lines.push(std::mem::take(&mut open));
        }
    }
    lines.push(open);
    lines
}

/// Names lose their quotes, and comments their words.
fn without_quotes(line: &str) -> String {
    let quoted = |(index, part): (usize, &str)| {
        let is_name = part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.@*".contains(c));
        if index % 2 == 0 || is_name {
            part.to_owned()
        } else {
            "x".to_owned()
        }
    };
    line.split('"').enumerate().map(quoted).collect()
}

fn read(words: &[&str], table: &str, chain: &mut Chain) {
    match words {
        [] => {}
        ["type", ..] => {
            if words.windows(2).any(|pair| pair == ["hook", "input"]) {
                chain.begins = Some(Opinion::Lets);
            }
        }
        ["policy", policy, ..] => {
            if chain.begins.is_some() && *policy == "drop" {
                chain.begins = Some(Opinion::Drops);
            }
        }
        _ => chain.rules.push(rule(words, table)),
    }
}

fn rule(words: &[&str], table: &str) -> (Fits, Action) {
    let mut fits = Fits::Yes;
    let when = |fits| if fits { Fits::Yes } else { Fits::No };
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let next = |by: usize| words.get(at + by).copied().unwrap_or_default();
        let (this, used) = match (*word, next(1)) {
            ("accept" | "drop" | "reject" | "return" | "jump" | "goto", _) => {
                return (fits, verdict(&words[at..], table));
            }
            ("ct", "state") if next(2) == "vmap" => {
                let new = words[at..]
                    .iter()
                    .position(|word| word.trim_end_matches(':') == "new");
                let rest = new.map_or(&words[words.len()..], |new| &words[at + new + 1..]);
                let rest = rest.strip_prefix(&[":"]).unwrap_or(rest);
                return (fits, verdict(rest, table));
            }
            ("ct", "state") => {
                let (states, used) = set(&words[at + 2..]);
                (when(states.contains(&"new")), 2 + used)
            }
            ("udp" | "th", "dport") => {
                let (ports, used) = set(&words[at + 2..]);
                (when(ports.iter().any(|ports| holds_port(ports))), 2 + used)
            }
            ("meta", "l4proto") | ("ip", "protocol") if next(2) != "." => {
                let (protocols, used) = set(&words[at + 2..]);
                (
                    when(protocols.iter().any(|p| ["udp", "17"].contains(p))),
                    2 + used,
                )
            }
            // a set that programs fill while they run
            ("meta", "l4proto") => return (Fits::No, Action::Nothing),
            ("tcp" | "icmp" | "icmpv6" | "ip6" | "igmp" | "sctp" | "esp", _) => {
                return (Fits::No, Action::Nothing);
            }
            ("iifname" | "iif", _) => {
                let (links, used) = set(&words[at + 1..]);
                let others = links.iter().any(|link| *link != "lo");
                (if others { Fits::Perhaps } else { Fits::No }, 1 + used)
            }
            ("ip", "daddr") => {
                let (places, used) = set(&words[at + 2..]);
                let ours = places.iter().any(|place| place.starts_with("224.0.0."));
                (if ours { Fits::Yes } else { Fits::Perhaps }, 2 + used)
            }
            ("counter", "packets") => (Fits::Yes, 5),
            ("comment" | "prefix" | "level", _) => (Fits::Yes, 2),
            ("counter" | "log", _) => (Fits::Yes, 1),
            _ => (Fits::Perhaps, 1),
        };
        fits = fits.min(this);
        at += used;
    }
    (fits, Action::Nothing)
}

fn verdict(words: &[&str], table: &str) -> Action {
    match words {
        ["accept", ..] => Action::End(Opinion::Lets),
        ["drop" | "reject", ..] => Action::End(Opinion::Drops),
        ["return", ..] => Action::Return,
        ["jump" | "goto", name, ..] => Action::Call(format!("{table} {name}")),
        _ => Action::Nothing,
    }
}

/// One value or several, in braces or with commas, and how many words they take.
fn set<'a>(words: &[&'a str]) -> (Vec<&'a str>, usize) {
    if words.first() == Some(&"{") {
        let end = words
            .iter()
            .position(|word| *word == "}")
            .unwrap_or(words.len());
        let values = words[..end].iter().skip(1).copied();
        return (values.filter(|word| *word != ",").collect(), end + 1);
    }
    let mut values = Vec::new();
    let mut used = 0;
    for pair in words.chunks(2) {
        values.extend(pair.first());
        used += pair.len();
        if pair.get(1) != Some(&",") {
            used -= pair.len().saturating_sub(1);
            break;
        }
    }
    (values, used)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `nft list ruleset` prints NixOS' table.
    const NIXOS: &str = r#"
table inet nixos-fw {
	set temp-ports {
		type inet_proto . inet_service
		flags interval
		elements = { udp . 9999 }
	}

	chain rpfilter {
		type filter hook prerouting priority mangle + 10; policy drop;
		meta nfproto ipv4 udp sport . udp dport { 67 . 68, 68 . 67 } accept comment "DHCPv4 client/server"
	}

	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept comment "trusted interfaces"
		ct state vmap { invalid : drop, established : accept, related : accept, new : jump input-allow, untracked : jump input-allow }
		tcp flags & (fin | syn | rst | ack) == syn log prefix "refused connection: " level info
	}

	chain input-allow {
		tcp dport { 22, 5353 } accept
		@mdns
		meta l4proto . th dport @temp-ports accept
		icmp type echo-request accept comment "allow ping"
		icmpv6 type != { nd-redirect, 139 } accept comment "udp dport 5353 accept"
		ip6 daddr fe80::/64 udp dport 546 accept comment "DHCPv6 client"
	}
}
"#;

    fn nixos(rule: &str) -> Opinion {
        parse(&NIXOS.replace("@mdns", rule)).opinion()
    }

    #[test]
    fn nixos_lets_in_what_is_opened() {
        assert_eq!(nixos(""), Opinion::Drops);
        assert_eq!(nixos("udp dport { 53, 137-138 } accept"), Opinion::Drops);
        for rule in [
            "udp dport 5353 accept",
            "udp dport { 1714-1764, 5353 } counter packets 0 bytes 0 accept",
            "udp dport 5000-6000 accept",
            "iifname \"wlan0\" udp dport { 5353 } accept",
            "iifname { \"lo\", \"wlan0\" } accept",
        ] {
            assert_eq!(nixos(rule), Opinion::Lets, "{rule}");
        }
    }

    #[test]
    fn a_file_for_nft_reads_the_same() {
        let text = "table inet f {\n chain i {\n type filter hook input priority 0; policy drop;\n ct state vmap {\n invalid : drop,\n new : jump a,\n }\n }\n chain a {\n udp dport 5353 accept\n }\n}\n";
        assert_eq!(parse(text).opinion(), Opinion::Lets);
        assert_eq!(parse(&text.replace("5353", "53")).opinion(), Opinion::Drops);
    }

    #[test]
    fn chains_for_other_traffic_do_not_count() {
        let forward = "table ip d {\n chain f {\n type filter hook forward priority 0; policy drop;\n drop\n }\n}\n";
        assert_eq!(parse(forward).opinion(), Opinion::Lets);
        let state = "table ip d {\n chain i {\n type filter hook input priority 0; policy accept;\n ct state established,related accept\n reject with icmp port-unreachable\n }\n}\n";
        assert_eq!(parse(state).opinion(), Opinion::Drops);
    }
}
