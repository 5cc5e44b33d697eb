//! Where a host could be: multicast DNS (RFC 6762) heard by spinet itself, beside whatever the system resolves.
//! What is heard are candidates only; the host key decides.

use std::net::{IpAddr, SocketAddr, SocketAddrV6, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use mdns_sd::{HostnameResolutionEvent, ScopedIp, ServiceDaemon};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often a name is asked for again. Multicast over wifi gets lost, and mdns-sd by itself asks ever more rarely.
const AGAIN: Duration = Duration::from_secs(1);
/// How soon a new interface of this machine is noticed, in seconds.
const INTERFACES: u32 = 1;
/// The names avahi gives to a machine whose own one is taken, in the order it tries them.
const RENAMED: [&str; 2] = ["-2", "-3"];

/// An address, and the name it was heard under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub name: String,
    pub address: SocketAddr,
}

/// Hears where names are, from its making to its end.
pub struct Listener {
    heard: UnboundedReceiver<Heard>,
    /// An address the user gave counts even if it is one of this machine.
    own_allowed: bool,
    mdns: Option<ServiceDaemon>,
    asking: Vec<JoinHandle<()>>,
}

impl Listener {
    /// Each name is a host name or an address. The first is asked of the system, and those ending in `.local` by
    /// multicast: names a host may have taken are nothing that a name server far away has to hear of.
    pub fn new(names: &[String], port: u16, given_by_user: bool) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let local = |name: &&String| name.ends_with(".local");
        // without multicast the system's resolver is all there is
        let mdns = names
            .iter()
            .find(local)
            .and_then(|_| ServiceDaemon::new().ok());
        let mut asking = Vec::new();
        if let Some(mdns) = &mdns {
            let _ = mdns.set_ip_check_interval(INTERFACES);
            for name in names.iter().filter(local) {
                let ask = ask_multicast(mdns.clone(), name.clone(), port, tell.clone());
                asking.push(tokio::spawn(ask));
            }
        }
        if let Some(name) = names.first() {
            match name.parse::<IpAddr>() {
                Ok(ip) => {
                    let address = SocketAddr::new(ip, port);
                    asking.push(tokio::spawn(repeat(name.clone(), address, tell.clone())));
                }
                Err(_) => ask_system(name.clone(), port, tell.clone()),
            }
        }
        Self {
            heard,
            own_allowed: given_by_user,
            mdns,
            asking,
        }
    }

    /// The next address heard, again and again the same ones; never this machine's own. Nothing is connected to: sshd
    /// counts connections that do not log in and shuts their sender out (`PerSourcePenalties`).
    pub async fn next(&mut self) -> Heard {
        while let Some(heard) = self.heard.recv().await {
            if self.own_allowed || !is_own(heard.address) {
                return heard;
            }
        }
        // nobody is left to tell anything
        std::future::pending().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        for task in &self.asking {
            task.abort();
        }
        if let Some(mdns) = &self.mdns {
            let _ = mdns.shutdown();
        }
    }
}

/// The names a host may have had to take because another machine uses its own.
pub fn renamed(name: &str) -> Vec<String> {
    let Some(base) = name.strip_suffix(".local") else {
        return Vec::new();
    };
    RENAMED.map(|end| format!("{base}{end}.local")).to_vec()
}

/// Every question comes with all that mdns-sd knows already, so that nothing it hears between two of them is lost.
async fn ask_multicast(mdns: ServiceDaemon, name: String, port: u16, tell: UnboundedSender<Heard>) {
    let question = format!("{name}.");
    loop {
        let listen = async {
            let Ok(events) = mdns.resolve_hostname(&question, None) else {
                return;
            };
            while let Ok(event) = events.recv_async().await {
                let HostnameResolutionEvent::AddressesFound(_, addresses) = event else {
                    continue;
                };
                for address in &addresses {
                    let address = with_scope(address, port);
                    let name = name.clone();
                    let _ = tell.send(Heard { name, address });
                }
            }
        };
        let next = Instant::now() + AGAIN;
        let _ = tokio::time::timeout_at(next, listen).await;
        tokio::time::sleep_until(next).await;
    }
}

/// An address is its own answer.
async fn repeat(name: String, address: SocketAddr, tell: UnboundedSender<Heard>) {
    loop {
        let name = name.clone();
        let _ = tell.send(Heard { name, address });
        tokio::time::sleep(AGAIN).await;
    }
}

/// In a thread of its own: the system may take half a minute for an answer, and nothing waits for it, the end of the run
/// neither.
fn ask_system(name: String, port: u16, tell: UnboundedSender<Heard>) {
    let ask = move || {
        while !tell.is_closed() {
            for address in (name.as_str(), port)
                .to_socket_addrs()
                .into_iter()
                .flatten()
            {
                let name = name.clone();
                let _ = tell.send(Heard { name, address });
            }
            std::thread::sleep(AGAIN);
        }
    };
    let _ = std::thread::Builder::new().spawn(ask);
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
pub fn is_own(mut address: SocketAddr) -> bool {
    address.set_port(0);
    address.ip().is_loopback() || UdpSocket::bind(address).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machines_own_addresses_are_no_candidates() {
        assert!(is_own("127.0.0.1:22".parse().unwrap()));
        assert!(is_own("[::1]:22".parse().unwrap()));
        assert!(!is_own("192.0.2.1:22".parse().unwrap()));
    }

    #[test]
    fn only_names_that_avahi_looks_after_are_changed_by_it() {
        assert_eq!(renamed("bach.local"), ["bach-2.local", "bach-3.local"]);
        assert!(renamed("bach.example.org").is_empty());
        assert!(renamed("192.0.2.1").is_empty());
    }

    #[test]
    fn an_address_given_by_the_user_is_heard_as_it_is() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let next = |name: &str, given| {
            runtime.block_on(async {
                let mut listener = Listener::new(&[name.to_owned()], 22, given);
                let next = tokio::time::timeout(Duration::from_millis(300), listener.next());
                next.await.ok().map(|heard| heard.address)
            })
        };
        assert_eq!(next("127.0.0.1", true), "127.0.0.1:22".parse().ok());
        assert_eq!(next("127.0.0.1", false), None);
        // by the interface's name, as `ip address` shows it
        assert_eq!(next("fe80::1%lo", true), "[fe80::1%1]:22".parse().ok());
    }
}
