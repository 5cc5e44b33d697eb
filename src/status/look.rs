//! One look at one host, over the connection of the look before if it is still good.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use age::secrecy::SecretString;
use anyhow::Error;
use tokio::sync::Semaphore;

use crate::fleet::Host;
use crate::host::glance::Missed;
use crate::host::known_hosts::KnownHosts;
use crate::host::look::Seen;
use crate::host::status::Status;
use crate::host::wait::Search;
use crate::state;

/// How hosts are looked at.
pub struct Looker<'a> {
    /// The folder of flake.nix.
    pub flake: &'a Path,
    /// Read for every look: a bootstrap beside this run pins a key.
    pub known_hosts: &'a Path,
    /// `--address`, in place of the host's own.
    pub address: Option<&'a str>,
    /// How long a host may take to be found and to greet.
    pub reach: Duration,
    pub password: Option<&'a Rc<SecretString>>,
    /// Hosts are asked more than once.
    pub again: bool,
    /// So many are asked at a time.
    pub gate: Semaphore,
}

/// What a look came to.
pub enum Look {
    /// It was reached under its pinned key.
    Told(Box<Told>),
    Missed(Missed),
    /// No key is pinned for it.
    Unpinned {
        /// Its card was written, and waits for its first boot.
        card_waits: bool,
        error: Error,
    },
}

/// What a host told.
pub struct Told {
    pub status: Status,
    /// Health checks that fail; none where they could not be run.
    pub failing: Option<Vec<String>>,
    /// It answers under another name than its own.
    pub conflict: Option<String>,
}

/// A connection, and the key that is pinned for it.
pub struct Open {
    seen: Seen,
    key: String,
    conflict: Option<String>,
}

impl Looker<'_> {
    pub async fn look(&self, host: &Host, open: Option<Open>) -> (Look, Option<Open>) {
        // nobody closes it
        let _turn = self.gate.acquire().await;
        let known = match KnownHosts::read(self.known_hosts) {
            Ok(known) => known,
            Err(error) => return (Look::Missed(Missed::told(error)), None),
        };
        let key = match known.need(&host.name) {
            Ok(key) => key,
            Err(error) => {
                let pending = state::peek(self.flake, &host.name).ok().flatten();
                let card_waits = pending.is_some_and(|pending| pending.written);
                return (Look::Unpinned { card_waits, error }, None);
            }
        };
        if let Some(open) = open.filter(|open| open.key == key)
            && let Some(seen) = open.seen.again(self.password, self.reach).await
        {
            return self.told(Open { seen, ..open }).await;
        }
        let search = Search {
            host,
            address: self.address,
            timeout: self.reach,
        };
        match Seen::now(&search, &key, self.password).await {
            Ok((seen, conflict)) => {
                self.told(Open {
                    seen,
                    key,
                    conflict,
                })
                .await
            }
            Err(missed) => (Look::Missed(missed), None),
        }
    }

    async fn told(&self, open: Open) -> (Look, Option<Open>) {
        let told = Told {
            status: open.seen.status.clone(),
            failing: open.seen.failing.clone(),
            conflict: open.conflict.clone(),
        };
        let look = Look::Told(Box::new(told));
        if self.again {
            return (look, Some(open));
        }
        open.seen.target.close().await;
        (look, None)
    }
}
