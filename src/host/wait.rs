//! Waiting until a host answers and shows who it is: a listener that always hears, and for every address it hears attempts
//! of its own, so that none waits for another.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::answer::Answer;
use super::discover::{Listener, renamed};
use super::root::{Remote, Root};
use super::sightings::Sightings;
use super::ssh::{Login, Target, last_line, scoped};
use crate::fleet::Host;
use crate::parallel::Crowd;
use crate::process::{Cmd, Output};
use crate::tools;
use crate::ui::{Ui, visible};

/// How long one attempt to log in may take.
const ATTEMPT: Duration = Duration::from_secs(20);
/// An address that was not heard for so long is tried no more, until it is heard again.
const FORGET: Duration = Duration::from_secs(30);
/// How long one question to a host that should be up listens for addresses.
const LISTEN: Duration = Duration::from_millis(1500);
/// By how much one address is asked before the next: sshd counts a connection that is cut off because another was faster.
pub(super) const HEAD_START: Duration = Duration::from_secs(1);
/// How often the progress line changes.
const TICK: Duration = Duration::from_millis(500);

/// Where to look for a host and for how long.
pub struct Search<'a> {
    pub host: &'a Host,
    /// `--address`, in place of the host's own.
    pub address: Option<&'a str>,
    pub timeout: Duration,
}

/// How an attempt at one address ended.
enum Attempt<T> {
    Done(T),
    Again(Answer),
}

/// How an attempt to log in ended.
pub(super) enum Entry {
    In(Box<Target>, Output),
    /// None of the users may.
    Denied,
    Closed(Answer),
}

/// How long an attempt to log in may take.
pub(super) struct Limits {
    /// Until the host has greeted, if other than ssh is told anyway.
    pub connect: Option<Duration>,
    /// Until the script has run.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: None,
            whole: ATTEMPT,
        }
    }
}

impl Search<'_> {
    /// Waits until the host can be logged in to under `key`, and returns where.
    pub async fn pinned(&self, key: &str, ui: &Ui) -> Result<Target> {
        let nothing = |_: &str| Root::Already.run(&["true"], &[]);
        let (target, _) = self.enter(key, &[&self.host.user], nothing, ui).await?;
        Ok(target)
    }

    /// Waits until the host can be logged in to under `key` as one of the users, the first that may, and runs a script
    /// there in the same go.
    pub async fn enter(
        &self,
        key: &str,
        users: &[&str],
        script: impl Fn(&str) -> Remote,
        ui: &Ui,
    ) -> Result<(Target, Output)> {
        tools::need("ssh")?;
        let seen = RefCell::default();
        let found = self
            .watch(&self.names(), &seen, ui, async |address| {
                let entry = self.entry(address, key, users, &script, Limits::default());
                match entry.await? {
                    Entry::In(target, output) => Ok(Attempt::Done((*target, output))),
                    Entry::Denied => Err(self.denied()),
                    Entry::Closed(answer) => Ok(Attempt::Again(answer)),
                }
            })
            .await?;
        let Some((address, entered)) = found else {
            return Err(self.gave_up(&seen.borrow()));
        };
        if !seen.borrow().is_named(address, self.name()) {
            ui.warn(self.conflict(address, &seen.borrow()));
        }
        Ok(entered)
    }

    /// Waits until the host answers and returns the ed25519 key it shows. Nothing says yet whose key that is, so nobody
    /// but the bearer of the name itself is asked.
    pub async fn shown_key(&self, ui: &Ui) -> Result<(SocketAddr, String)> {
        let seen = RefCell::default();
        let names = [self.name().to_owned()];
        let found = self.watch(&names, &seen, ui, scan).await?;
        found.ok_or_else(|| self.gave_up(&seen.borrow()))
    }

    /// Puts one question to everything that answers under the host's name right now; only the pinned key gets past ssh.
    /// The first answer counts. Strangers are added to those that were seen before, and told of.
    pub async fn ask<T>(
        &self,
        key: &str,
        seen: &RefCell<Sightings>,
        ui: &Ui,
        question: impl AsyncFn(&Target) -> (Login, Option<T>),
    ) -> Option<(Target, T)> {
        let mut listener = self.listen(&self.names());
        let mut asked = BTreeSet::new();
        let mut answers = Crowd::default();
        let question = &question;
        let end = tokio::time::sleep(LISTEN);
        tokio::pin!(end);
        let mut listening = true;
        while listening || !answers.is_empty() {
            tokio::select! {
                heard = listener.next() => {
                    seen.borrow_mut().heard(&heard);
                    let start = HEAD_START * u32::try_from(asked.len()).unwrap_or(u32::MAX);
                    if asked.insert(heard.address)
                        && let Ok(target) = Target::new(self.host, Some(heard.address), key)
                    {
                        answers.push(async move {
                            tokio::time::sleep(start).await;
                            let (login, answer) = question(&target).await;
                            if login == Login::Stranger {
                                self.answered(heard.address, Answer::Stranger, seen, ui);
                            }
                            Some((target, answer?))
                        });
                    }
                }
                answer = answers.next() => {
                    if answer.is_some() {
                        return answer;
                    }
                }
                () = &mut end, if listening => listening = false,
            }
        }
        None
    }

    /// Tries to log in at one address, as one user after the other, and runs the script there as the first who may.
    pub(super) async fn entry(
        &self,
        address: SocketAddr,
        key: &str,
        users: &[&str],
        script: impl Fn(&str) -> Remote,
        limits: Limits,
    ) -> Result<Entry> {
        for user in users {
            let host = Host {
                user: (*user).to_owned(),
                ..self.host.clone()
            };
            let mut target = Target::new(&host, Some(address), key)?;
            if let Some(limit) = limits.connect {
                target = target.connected_within(limit);
            }
            match target.enter(&script(user), limits.whole).await {
                (Login::Denied, _) => {}
                (_, Some(output)) => return Ok(Entry::In(Box::new(target), output)),
                (other, None) => return Ok(Entry::Closed(Answer::of(other))),
            }
        }
        Ok(Entry::Denied)
    }

    /// The host is there, and lets none of its users in.
    pub(super) fn denied(&self) -> anyhow::Error {
        let refused = anyhow::anyhow!("Permission denied (publickey).");
        Login::Denied.into_failure(self.host, refused).into()
    }

    /// What the host is asked for as, without the dot of a fully qualified name or the brackets of an IPv6 address.
    pub(super) fn name(&self) -> &str {
        self.address
            .unwrap_or(&self.host.address)
            .trim_end_matches('.')
            .trim_matches(['[', ']'])
    }

    /// The name, and those avahi may have given the host instead. An address the user gave stands for itself.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = vec![self.name().to_owned()];
        if self.address.is_none() {
            names.extend(renamed(self.name()));
        }
        names
    }

    pub(super) fn listen(&self, names: &[String]) -> Listener {
        Listener::new(names, self.host.port, self.address.is_some())
    }

    /// Tries every address that is heard, each in its own time, until one attempt has a result or the time is over.
    async fn watch<T>(
        &self,
        names: &[String],
        seen: &RefCell<Sightings>,
        ui: &Ui,
        attempt: impl AsyncFn(SocketAddr) -> Result<Attempt<T>>,
    ) -> Result<Option<(SocketAddr, T)>> {
        ui.detail(format!("Waiting for {}", visible(&names.join(", "))));
        let mut listener = self.listen(names);
        let fresh: RefCell<BTreeMap<SocketAddr, Instant>> = RefCell::default();
        let (fresh, attempt) = (&fresh, &attempt);
        let mut tries = Crowd::default();
        let mut tick = tokio::time::interval(TICK);
        let end = tokio::time::sleep(self.timeout);
        tokio::pin!(end);
        let result = loop {
            tokio::select! {
                heard = listener.next() => {
                    seen.borrow_mut().heard(&heard);
                    let known = fresh.borrow_mut().insert(heard.address, Instant::now());
                    if known.is_none() {
                        ui.detail(format!("{} is at {}", visible(&heard.name), heard.address));
                        // of two addresses of one machine, one login is enough
                        let others = u32::from(fresh.borrow().len() > 1);
                        let attempts = self.attempts(heard.address, fresh, seen, ui, attempt);
                        tries.push(async move {
                            tokio::time::sleep(HEAD_START * others).await;
                            attempts.await
                        });
                    }
                }
                result = tries.next() => {
                    // an address that was forgotten has no result
                    if !matches!(result, Ok(None)) {
                        break result;
                    }
                }
                _ = tick.tick() => {
                    let summary = seen.borrow().summary();
                    ui.progress(&self.host.name, &format!("Waiting for {}: {summary}", self.name()), 0, 0);
                }
                () = &mut end => break Ok(None),
            }
        };
        ui.done(&self.host.name);
        result
    }

    /// Tries one address until it has a result or is heard no more.
    async fn attempts<T>(
        &self,
        address: SocketAddr,
        fresh: &RefCell<BTreeMap<SocketAddr, Instant>>,
        seen: &RefCell<Sightings>,
        ui: &Ui,
        attempt: &impl AsyncFn(SocketAddr) -> Result<Attempt<T>>,
    ) -> Result<Option<(SocketAddr, T)>> {
        loop {
            let answer = match attempt(address).await? {
                Attempt::Done(result) => return Ok(Some((address, result))),
                Attempt::Again(answer) => answer,
            };
            let pause = answer.pause();
            self.answered(address, answer, seen, ui);
            tokio::time::sleep(pause).await;
            let last = fresh.borrow().get(&address).copied();
            if last.is_none_or(|last| last.elapsed() > FORGET) {
                fresh.borrow_mut().remove(&address);
                return Ok(None);
            }
        }
    }

    /// Notes what an address answered, and says so once if it is a stranger.
    fn answered(&self, address: SocketAddr, answer: Answer, seen: &RefCell<Sightings>, ui: &Ui) {
        let new_stranger = seen.borrow_mut().answered(address, answer);
        // a machine that is really called NAME-2 is nobody's stranger
        if new_stranger && seen.borrow().is_named(address, self.name()) {
            ui.warn(format!("{address} answers as {}, but shows another key than the pinned one; it is ignored.", visible(self.name())));
        }
    }

    pub(super) fn gave_up(&self, seen: &Sightings) -> anyhow::Error {
        seen.gave_up(&self.host.name, self.name(), self.timeout)
    }

    /// The host answers, but under another name than its own.
    pub(super) fn conflict(&self, address: SocketAddr, seen: &Sightings) -> String {
        let (host, name) = (&self.host.name, self.name());
        let others: Vec<_> = seen.named(name).map(scoped).collect();
        let other = if others.is_empty() {
            "another machine".into()
        } else {
            format!("another machine, at {},", others.join(", "))
        };
        format!(
            "{host} answers at {} as {}, because {other} has the name {}. Switch that one off or rename it, then restart {host}.",
            address.ip(),
            visible(seen.name_of(address).unwrap_or("another name")),
            visible(name)
        )
    }
}

/// The ed25519 key shown at an address, by `ssh-keyscan`.
async fn scan(address: SocketAddr) -> Result<Attempt<String>> {
    let (port, host) = (address.port().to_string(), scoped(address));
    let output = Cmd::new("ssh-keyscan")
        .args(["-T", "5", "-t", "ed25519", "-p", &port, &host])
        .or_install("Install OpenSSH.")
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let key = text
        .lines()
        .filter(|l| !l.starts_with('#'))
        .find_map(|l| l.split_once(' '));
    Ok(match key {
        Some((_, key)) => Attempt::Done(key.trim().to_owned()),
        // of a refused connection it says nothing at all
        None if output.stderr.trim().is_empty() => {
            Attempt::Again(Answer::Closed("ssh-keyscan got no answer.".into()))
        }
        None => Attempt::Again(Answer::read(last_line(&output.stderr))),
    })
}
