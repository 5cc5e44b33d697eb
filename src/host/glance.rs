//! A look at a host that nobody waits for: what answers now, answers. What does not is told in a few words.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use age::secrecy::SecretString;
use anyhow::{Error, Result};
use tokio::time::{Instant, sleep, sleep_until};

use super::guard::Guard;
use super::look::{Seen, question};
use super::root::Root;
use super::sightings::Sightings;
use super::ssh::Target;
use super::wait::{Entry, HEAD_START, Limits, Search};
use crate::error::parts;
use crate::parallel::Crowd;
use crate::process::Output;

/// So many times as long as it may take to greet, a host has to let us in and to tell its state: a dead one never comes so
/// far, and a loaded Pi takes seconds over a key exchange, a session and a list of its units.
const TELLING: u32 = 4;
/// Between two attempts at an address; each is a process here.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a host told nothing.
#[derive(Debug)]
pub struct Missed {
    /// In a few words, without a full stop.
    pub words: String,
    pub error: Error,
}

/// How the attempts at one address ended.
enum Try {
    Entered(Box<Target>, Output),
    Denied,
    /// Nobody let us in within the time.
    Over,
}

impl Missed {
    /// An error in its own words.
    pub fn told(error: Error) -> Self {
        let (what, ..) = parts(&error);
        let first = what.lines().next().unwrap_or_default();
        Self {
            words: first.trim_end_matches('.').to_owned(),
            error,
        }
    }
}

impl Seen {
    /// Looks at a host that has `search.timeout` to be found, connected and to greet, and four times that for the rest.
    /// Says as well if the host had to take another name.
    pub async fn now(
        search: &Search<'_>,
        key: &str,
        password: Option<&Rc<SecretString>>,
    ) -> Result<(Self, Option<String>), Missed> {
        let (target, output, conflict) = enter(search, key, password).await?;
        match Self::read(target, password, &output, search.timeout * TELLING).await {
            Ok(seen) => Ok((seen, conflict)),
            Err(error) => Err(Missed::told(error)),
        }
    }

    /// Looks again, over the connection that is open; none if that leads nowhere any more.
    pub async fn again(
        self,
        password: Option<&Rc<SecretString>>,
        timeout: Duration,
    ) -> Option<Self> {
        let limit = timeout * TELLING;
        let guard = Guard {
            root: self.root.clone(),
        };
        let (_, output) = self.target.enter(&question(&guard), limit).await;
        Self::read(self.target, password, &output?, limit)
            .await
            .ok()
    }
}

/// Finds the host and lets it run the guard's look, at every address that is heard.
async fn enter(
    search: &Search<'_>,
    key: &str,
    password: Option<&Rc<SecretString>>,
) -> Result<(Target, Output, Option<String>), Missed> {
    let end = Instant::now() + search.timeout;
    let seen: RefCell<Sightings> = RefCell::default();
    let mut listener = search.listen(&search.names());
    let mut asked = BTreeSet::new();
    let mut tries = Crowd::default();
    let mut listening = true;
    loop {
        tokio::select! {
            heard = listener.next(), if listening => {
                seen.borrow_mut().heard(&heard);
                // of two addresses of one machine, one login is enough
                let start = HEAD_START * u32::from(!asked.is_empty());
                if asked.insert(heard.address) {
                    let address = heard.address;
                    let attempts = attempts(search, address, key, password, end, &seen);
                    tries.push(async move {
                        sleep(start).await;
                        (address, attempts.await)
                    });
                }
            }
            (address, attempt) = tries.next() => match attempt {
                Ok(Try::Entered(target, output)) => {
                    let seen = seen.borrow();
                    let renamed = !seen.is_named(address, search.name());
                    let conflict = renamed.then(|| search.conflict(address, &seen));
                    return Ok((*target, output, conflict));
                }
                Ok(Try::Denied) => return Err(denied(search)),
                Ok(Try::Over) => {}
                Err(error) => return Err(Missed::told(error)),
            },
            () = sleep_until(end), if listening => listening = false,
            () = sleep_until(end + search.timeout * TELLING) => break,
        }
        if !listening && tries.is_empty() {
            break;
        }
    }
    let seen = seen.borrow();
    Err(Missed {
        words: format!("not reached: {}", seen.in_short()),
        error: search.gave_up(&seen),
    })
}

/// Tries one address, as one user after the other, until somebody is let in or an attempt would come too late.
async fn attempts(
    search: &Search<'_>,
    address: SocketAddr,
    key: &str,
    password: Option<&Rc<SecretString>>,
    end: Instant,
    seen: &RefCell<Sightings>,
) -> Result<Try> {
    let script = |user: &str| {
        question(&Guard {
            root: Root::of(user, password),
        })
    };
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let limits = Limits {
            connect: Some(left),
            whole: left + search.timeout * TELLING,
        };
        let users = search.host.users();
        let answer = match search.entry(address, key, &users, script, limits).await? {
            Entry::In(target, output) => return Ok(Try::Entered(target, output)),
            Entry::Denied => return Ok(Try::Denied),
            Entry::Closed(answer) => answer,
        };
        let pause = answer.pause().max(PAUSE);
        seen.borrow_mut().answered(address, answer);
        if Instant::now() + pause >= end {
            return Ok(Try::Over);
        }
        sleep(pause).await;
    }
}

fn denied(search: &Search<'_>) -> Missed {
    Missed {
        words: format!(
            "reached, but accepts none of your SSH keys for {}",
            search.host.user
        ),
        error: search.denied(),
    }
}
