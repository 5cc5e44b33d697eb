//! Multicast DNS, by which hosts are found: links that carry it, other machines that answer, and this machine's firewall.

use std::time::Duration;

use super::finding::{Finding, Subject, line};
use super::ground::Ground;
use crate::host::firewall::{self, Opinion};
use crate::host::neighbours;
use crate::ui::counted;

const NETWORK: Subject = Subject::of("network");

/// How long answers are listened for.
const LISTEN: Duration = Duration::from_secs(3);

pub async fn check(ground: &Ground) -> Vec<Finding> {
    let names: Vec<String> = ground
        .hosts
        .iter()
        .map(|host| host.address.trim_end_matches('.').to_owned())
        .filter(|address| address.ends_with(".local"))
        .collect();
    if names.is_empty() && !ground.hosts.is_empty() {
        return vec![NETWORK.ok(
            "mdns",
            "no host has a `.local` name, so multicast DNS is not needed",
        )];
    }
    let links = neighbours::links();
    if links.is_empty() {
        return vec![
            NETWORK
                .warning("links", "No network link is up that carries multicast, so `.local` names cannot be found.")
                .remedy("Join the network that the hosts are in; a VPN or a container's network does not carry it."),
        ];
    }
    let (heard, firewall) = tokio::join!(neighbours::heard(&names, LISTEN), firewall::mdns());
    vec![
        NETWORK.ok("links", format!("multicast goes over {}", links.join(", "))),
        of_mdns(heard.map(|heard| heard.len()), firewall),
        names_resolve(),
    ]
}

/// `heard`: how many other machines; none where multicast cannot be used at all.
fn of_mdns(heard: Option<usize>, firewall: Option<Opinion>) -> Finding {
    let open = line(
        "networking.firewall.allowedUDPPorts = [ 5353 ];",
        "Let UDP port 5353 in, for example with `sudo ufw allow 5353/udp` or `sudo firewall-cmd --permanent --add-service=mdns`.",
    );
    match (heard, firewall) {
        (None, _) => NETWORK
            .failure("mdns", "Multicast DNS cannot be used: no socket for UDP port 5353 could be made.")
            .remedy("Does a program keep the port for itself alone? `ss -ulpn sport = 5353` tells."),
        (Some(1..), _) => {
            let others = counted(heard.unwrap_or_default(), "address");
            NETWORK.ok("mdns", format!("{others} of other machines heard"))
        }
        (Some(0), Some(Opinion::Drops)) => NETWORK
            .warning("mdns", "This machine's firewall drops multicast DNS (UDP port 5353), so `.local` names are found only if another program resolves them.")
            .remedy(open),
        (Some(0), Some(Opinion::Lets)) => NETWORK.ok("mdns", "nobody answered, which is right if no other machine here has it on; the firewall lets it in"),
        (Some(0), None) => NETWORK.ok(
            "mdns",
            "nobody answered, which is right if no other machine here has it on; whether a firewall drops UDP port 5353 could not be seen",
        ),
    }
}

fn names_resolve() -> Finding {
    let text = std::fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    if neighbours::resolves_local(&text) {
        return NETWORK.ok(
            "names",
            "the system resolves `.local` names for other programs as well",
        );
    }
    NETWORK.ok("names", "spinet finds `.local` names by itself; other programs here do not (nss-mdns would change that)")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn silence_is_an_alarm_only_where_the_firewall_is_known_to_drop() {
        let verdict = |heard, firewall| of_mdns(heard, firewall).verdict;
        assert_eq!(verdict(Some(0), None), Verdict::Ok);
        assert_eq!(verdict(Some(0), Some(Opinion::Lets)), Verdict::Ok);
        assert_eq!(verdict(Some(0), Some(Opinion::Drops)), Verdict::Warning);
        assert_eq!(verdict(Some(2), Some(Opinion::Drops)), Verdict::Ok);
        assert_eq!(verdict(None, None), Verdict::Failure);
    }
}
