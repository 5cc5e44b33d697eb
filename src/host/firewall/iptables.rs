//! Rules as `iptables -S` prints them, and as NixOS' firewall script calls them.

use super::{Action, Chain, Fits, Opinion, Rules, holds_port};

pub fn parse(text: &str) -> Rules {
    let mut rules = Rules::default();
    for line in text.replace("\\\n", " ").lines() {
        read(line.trim(), &mut rules);
    }
    // `iptables -S` tells the policy; a script may leave it as it is
    let input = rules.0.entry("INPUT".into()).or_default();
    input.begins = input.begins.or(Some(Opinion::Lets));
    rules
}

fn read(line: &str, rules: &mut Rules) -> Option<()> {
    let line = without_quotes(line);
    let mut words: Vec<&str> = line
        .split_whitespace()
        .take_while(|word| !word.starts_with(['|', ';', '#']) && !word.contains('>'))
        .collect();
    match words.first()?.rsplit('/').next()? {
        "iptables" | "ip46tables" => drop(words.remove(0)),
        word if word.starts_with('-') => {}
        _ => return None,
    }
    words.retain(|word| *word != "-w");
    if let Some(at) = words.iter().position(|word| *word == "-t") {
        if words.get(at + 1) != Some(&"filter") {
            return None;
        }
        words.drain(at..at + 2);
    }
    let chain: &mut Chain = rules.0.entry((*words.get(1)?).to_owned()).or_default();
    match words[0] {
        // other chains are for other traffic
        "-P" if words[1] == "INPUT" => {
            let drops = words.get(2) == Some(&"DROP");
            chain.begins = Some(if drops { Opinion::Drops } else { Opinion::Lets });
        }
        "-A" => chain.rules.push(rule(&words[2..])),
        "-I" => {
            // the place in the chain may be left out
            let rest = &words[2..];
            let numbered = rest.first().is_some_and(|word| word.parse::<u32>().is_ok());
            chain.rules.insert(0, rule(&rest[usize::from(numbered)..]));
        }
        _ => {}
    }
    Some(())
}

fn rule(words: &[&str]) -> (Fits, Action) {
    let (mut fits, mut action) = (Fits::Yes, Action::Nothing);
    let when = |fits| if fits { Fits::Yes } else { Fits::No };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().unwrap_or_default();
        let this = match *word {
            "-j" | "-g" => {
                action = target(value());
                Fits::Yes
            }
            "-p" => when(matches!(value(), "udp" | "all")),
            "--dport" | "--dports" => when(value().split(',').any(holds_port)),
            // what the next words are about, or what is said of it
            "-m" | "--comment" | "--reject-with" | "--log-prefix" | "--log-level" => {
                value();
                Fits::Yes
            }
            "-i" => match value() {
                "lo" => Fits::No,
                _ => Fits::Perhaps,
            },
            "--ctstate" | "--state" => when(value().split(',').any(|state| state == "NEW")),
            "-d" => match value() {
                "224.0.0.251" | "224.0.0.251/32" | "224.0.0.0/4" => Fits::Yes,
                _ => Fits::Perhaps,
            },
            // a value of something else that is not known here
            _ => Fits::Perhaps,
        };
        fits = fits.min(this);
    }
    (fits, action)
}

fn target(name: &str) -> Action {
    match name {
        "ACCEPT" => Action::End(Opinion::Lets),
        "DROP" | "REJECT" => Action::End(Opinion::Drops),
        "RETURN" => Action::Return,
        name => Action::Call(name.to_owned()),
    }
}

/// Comments and log prefixes may hold anything.
fn without_quotes(line: &str) -> String {
    line.split('"').step_by(2).collect::<Vec<_>>().join("x")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As NixOS writes it.
    const NIXOS: &str = r#"
ip46tables -D INPUT -j nixos-fw 2> /dev/null || true
ip46tables -N nixos-fw-accept
ip46tables -A nixos-fw-accept -j ACCEPT
ip46tables -N nixos-fw-refuse
ip46tables -A nixos-fw-refuse -j DROP
ip46tables -N nixos-fw-log-refuse
ip46tables -A nixos-fw-log-refuse -p tcp --syn -j LOG --log-level info --log-prefix "refused connection: "
ip46tables -A nixos-fw-log-refuse -m pkttype ! --pkt-type unicast -j nixos-fw-refuse
ip46tables -A nixos-fw-log-refuse -j nixos-fw-refuse
ip46tables -N nixos-fw
ip46tables -t mangle -N nixos-fw-rpfilter 2> /dev/null || true
ip46tables -t mangle -A nixos-fw-rpfilter -j DROP
ip46tables -A nixos-fw -i lo -j nixos-fw-accept
ip46tables -A nixos-fw -m conntrack --ctstate ESTABLISHED,RELATED -j nixos-fw-accept
ip46tables -A nixos-fw -p tcp --dport 22 -j nixos-fw-accept
@mdns
iptables -w -A nixos-fw -p icmp --icmp-type echo-request -j nixos-fw-accept
ip6tables -A nixos-fw -p icmpv6 --icmpv6-type redirect -j DROP
ip46tables -A nixos-fw -j nixos-fw-log-refuse
ip46tables -A INPUT -j nixos-fw
"#;

    fn nixos(rule: &str) -> Opinion {
        parse(&NIXOS.replace("@mdns", rule)).opinion()
    }

    #[test]
    fn nixos_lets_in_what_is_opened() {
        assert_eq!(nixos(""), Opinion::Drops);
        assert_eq!(
            nixos("ip46tables -A nixos-fw -p udp --dport 53 -j nixos-fw-accept"),
            Opinion::Drops
        );
        for rule in [
            "ip46tables -A nixos-fw -p udp --dport 5353 -j nixos-fw-accept ",
            "ip46tables -A nixos-fw -p udp --dport 5000:6000 -j nixos-fw-accept",
            "ip46tables -A nixos-fw -p udp --dport 5353 -j nixos-fw-accept -i wlan0",
            "ip46tables -A nixos-fw -i wlan0 -j nixos-fw-accept",
        ] {
            assert_eq!(nixos(rule), Opinion::Lets, "{rule}");
        }
    }

    #[test]
    fn a_policy_decides_at_the_end() {
        let opinion = |text: &str| parse(text).opinion();
        assert_eq!(
            opinion("-P INPUT ACCEPT\n-P FORWARD DROP\n-A FORWARD -j DROP"),
            Opinion::Lets
        );
        assert_eq!(
            opinion(
                "-P INPUT DROP\n-A INPUT -m comment --comment \"udp 5353 -j ACCEPT\" -p tcp -j ACCEPT"
            ),
            Opinion::Drops
        );
        let multiport = "-P INPUT DROP\n-A INPUT -p udp -m multiport --dports 137,5353 -j ACCEPT";
        assert_eq!(opinion(multiport), Opinion::Lets);
        // chains that call each other for ever
        assert_eq!(
            opinion("-P INPUT DROP\n-A INPUT -j a\n-A a -j a"),
            Opinion::Drops
        );
        assert_eq!(opinion(""), Opinion::Lets);
    }
}
