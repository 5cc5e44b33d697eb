//! Where a host could be: multicast DNS (RFC 6762) asked by spinet itself, beside whatever the system resolves.
//! Answers are candidates only; the host key decides.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use mdns_sd::{HostnameResolutionEvent, ScopedIp, ServiceDaemon};

/// How long one round of questions takes at most.
const ROUND: Duration = Duration::from_millis(1500);

/// Asks the network for one name, again and again.
pub struct Resolver {
    name: String,
    port: u16,
    /// An address the user gave counts even if it is one of this machine.
    own_allowed: bool,
    mdns: Option<ServiceDaemon>,
}

impl Resolver {
    /// `name` is a host name or an address. Names ending in `.local` are also asked for by multicast.
    pub fn new(name: &str, port: u16, given_by_user: bool) -> Self {
        let local = name.trim_end_matches('.').ends_with(".local");
        Self {
            name: name.trim_end_matches('.').to_owned(),
            port,
            own_allowed: given_by_user,
            // without multicast the system's resolver is all there is
            mdns: local.then(ServiceDaemon::new).and_then(Result::ok),
        }
    }

    /// One round: every address heard, none of them this machine's own. Nothing is connected to: sshd counts
    /// connections that do not log in and shuts their sender out (`PerSourcePenalties`).
    pub async fn candidates(&self) -> Vec<SocketAddr> {
        let (mut found, heard) = tokio::join!(self.ask_system(), self.ask_multicast());
        found.extend(heard);
        found.retain(|address| self.own_allowed || !is_own(address.ip()));
        found.into_iter().collect()
    }

    async fn ask_system(&self) -> BTreeSet<SocketAddr> {
        if let Ok(ip) = self.name.parse::<IpAddr>() {
            return BTreeSet::from([SocketAddr::new(ip, self.port)]);
        }
        let lookup = tokio::net::lookup_host((self.name.as_str(), self.port));
        match tokio::time::timeout(ROUND, lookup).await {
            Ok(Ok(found)) => found.collect(),
            _ => BTreeSet::new(),
        }
    }

    async fn ask_multicast(&self) -> BTreeSet<SocketAddr> {
        let mut heard = BTreeSet::new();
        let Some(mdns) = &self.mdns else {
            return heard;
        };
        let name = format!("{}.", self.name);
        let limit = u64::try_from(ROUND.as_millis()).unwrap_or(u64::MAX);
        let Ok(events) = mdns.resolve_hostname(&name, Some(limit)) else {
            return heard;
        };
        while let Ok(event) = events.recv_async().await {
            match event {
                HostnameResolutionEvent::AddressesFound(_, addresses) => {
                    heard.extend(addresses.iter().map(|a| with_scope(a, self.port)));
                    break;
                }
                HostnameResolutionEvent::SearchTimeout(_)
                | HostnameResolutionEvent::SearchStopped(_) => break,
                _ => {}
            }
        }
        // a cached answer must not outlive a host that moved
        let _ = mdns.stop_resolve_hostname(&name);
        heard
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        if let Some(mdns) = &self.mdns {
            let _ = mdns.shutdown();
        }
    }
}

/// An IPv6 link-local address means nothing without its interface.
fn with_scope(address: &ScopedIp, port: u16) -> SocketAddr {
    match address {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => {
            SocketAddr::V6(SocketAddrV6::new(*v6.addr(), port, 0, v6.scope_id().index))
        }
        other => SocketAddr::new(other.to_ip_addr(), port),
    }
}

/// Only an address of this machine can be bound.
fn is_own(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machines_own_addresses_are_no_candidates() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(is_own("::1".parse().unwrap()));
        assert!(!is_own("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn an_address_given_by_the_user_is_tried_as_it_is() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let found = |given| runtime.block_on(Resolver::new("127.0.0.1", 22, given).candidates());
        assert_eq!(found(true), ["127.0.0.1:22".parse().unwrap()]);
        assert_eq!(found(false), []);
    }
}
