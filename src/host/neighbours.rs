//! Whether this machine can take part in multicast DNS (RFC 6762): its links, and which other machines it hears.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{HostnameResolutionEvent, ServiceDaemon, ServiceEvent};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::discover::is_own;

/// Every machine that offers a service answers this question (RFC 6763, section 9).
const ALL_KINDS: &str = "_services._dns-sd._udp.local.";

/// Flags of an interface (`<linux/if.h>`).
const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;
const POINT_TO_POINT: u32 = 0x10;
const MULTICAST: u32 = 0x1000;

/// The links over which multicast goes: up, with a cable or an access point at the other end.
pub fn links() -> Vec<String> {
    let entries = std::fs::read_dir("/sys/class/net").into_iter().flatten();
    let names = entries.flatten().filter_map(|entry| {
        let told = |file: &str| std::fs::read_to_string(entry.path().join(file)).ok();
        let carries = told("carrier").is_some_and(|carrier| carrier.trim() == "1");
        // what belongs to a bridge or a bond speaks through that
        let is_part = entry.path().join("master").exists();
        let fits = carries && !is_part && is_multicast(told("flags")?.trim());
        fits.then(|| entry.file_name().to_string_lossy().into_owned())
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// By the flags that the kernel shows, in hexadecimal.
fn is_multicast(flags: &str) -> bool {
    let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
    flags & (UP | MULTICAST) == UP | MULTICAST && flags & (LOOPBACK | POINT_TO_POINT) == 0
}

/// The addresses of other machines that answer by multicast within `time`: those of the names asked for (`bach.local`),
/// and those of any service. None at all where multicast cannot be used.
pub async fn heard(names: &[String], time: Duration) -> Option<BTreeSet<IpAddr>> {
    let mdns = ServiceDaemon::new().ok()?;
    let (tell, mut told) = unbounded_channel();
    let mut asking = tokio::task::JoinSet::new();
    for name in names {
        asking.spawn(host(mdns.clone(), format!("{name}."), tell.clone()));
    }
    asking.spawn(services(mdns.clone(), tell));
    let mut all = BTreeSet::new();
    let listen = async {
        while let Some(address) = told.recv().await {
            if !is_own((address, 0).into()) {
                all.insert(address);
            }
        }
    };
    let _ = tokio::time::timeout(time, listen).await;
    drop(asking);
    let _ = mdns.shutdown();
    Some(all)
}

async fn host(mdns: ServiceDaemon, name: String, tell: UnboundedSender<IpAddr>) {
    let Ok(events) = mdns.resolve_hostname(&name, None) else {
        return;
    };
    while let Ok(event) = events.recv_async().await {
        if let HostnameResolutionEvent::AddressesFound(_, addresses) = event {
            for address in addresses {
                let _ = tell.send(address.to_ip_addr());
            }
        }
    }
}

/// First which kinds of service there are, then who offers them.
async fn services(mdns: ServiceDaemon, tell: UnboundedSender<IpAddr>) {
    let Ok(kinds) = mdns.browse(ALL_KINDS) else {
        return;
    };
    let mut each = tokio::task::JoinSet::new();
    while let Ok(event) = kinds.recv_async().await {
        let ServiceEvent::ServiceFound(_, kind) = event else {
            continue;
        };
        let Ok(offers) = mdns.browse(&kind) else {
            continue;
        };
        let tell = tell.clone();
        each.spawn(async move {
            while let Ok(event) = offers.recv_async().await {
                if let ServiceEvent::ServiceResolved(service) = event {
                    for address in &service.addresses {
                        let _ = tell.send(address.to_ip_addr());
                    }
                }
            }
        });
    }
}

/// Whether the system itself resolves `.local` names, by the `hosts` line of nsswitch.conf(5).
pub fn resolves_local(nsswitch: &str) -> bool {
    let mut lines = nsswitch
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let hosts = lines.find_map(|line| line.trim().strip_prefix("hosts:"));
    let mut words = hosts.unwrap_or_default().split_whitespace();
    words.any(|word| word.starts_with("mdns") || word == "resolve")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_told_by_their_flags() {
        assert!(is_multicast("0x1003"));
        // down, loopback, a tunnel, no multicast
        for flags in ["0x1002", "0x1009", "0x1091", "0x83", ""] {
            assert!(!is_multicast(flags), "{flags}");
        }
    }

    #[test]
    fn the_hosts_line_tells_who_resolves_local_names() {
        let nixos = "passwd:    files systemd\nhosts:     mymachines mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] files dns\n";
        assert!(resolves_local(nixos));
        assert!(resolves_local(" hosts: resolve files"));
        for text in [
            "hosts: files dns # mdns4\n",
            "#hosts: mdns\n",
            "networks: mdns\n",
            "",
        ] {
            assert!(!resolves_local(text), "{text}");
        }
    }
}
