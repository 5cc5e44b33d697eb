//! What was heard of a host while it was waited for, in words: for the progress line, and for the error when time is up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::answer::Answer;
use super::discover::Heard;
use crate::error::Failure;
use crate::ui::visible;

/// Every address heard, with what answered there last.
#[derive(Default)]
pub struct Sightings {
    seen: BTreeMap<SocketAddr, Sighting>,
    /// What ssh said last.
    last: Option<String>,
}

struct Sighting {
    name: String,
    answer: Option<Answer>,
    stranger: bool,
}

impl Sightings {
    pub fn heard(&mut self, heard: &Heard) {
        let name = || heard.name.clone();
        self.seen
            .entry(heard.address)
            .and_modify(|sighting| sighting.name = name())
            .or_insert_with(|| Sighting {
                name: name(),
                answer: None,
                stranger: false,
            });
    }

    /// True for an address that shows another key for the first time.
    pub fn answered(&mut self, address: SocketAddr, answer: Answer) -> bool {
        if let Some(why) = answer.said() {
            self.last = Some(why.to_owned());
        }
        let Some(sighting) = self.seen.get_mut(&address) else {
            return false;
        };
        let first = answer == Answer::Stranger && !sighting.stranger;
        sighting.stranger |= first;
        sighting.answer = Some(answer);
        first
    }

    /// The addresses heard under a name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = SocketAddr> {
        let of_it = self.seen.iter().filter(move |(_, s)| s.name == name);
        of_it.map(|(address, _)| *address)
    }

    /// The name an address was last heard under.
    pub fn name_of(&self, address: SocketAddr) -> Option<&str> {
        self.seen.get(&address).map(|s| s.name.as_str())
    }

    /// Whether an address was last heard under the name.
    pub fn is_named(&self, address: SocketAddr, name: &str) -> bool {
        self.name_of(address) == Some(name)
    }

    /// Why nobody let us in, in a few words: of several addresses the one that says most.
    pub fn in_short(&self) -> String {
        let says = |(_, sighting): &(&SocketAddr, &Sighting)| match &sighting.answer {
            None => 0,
            Some(Answer::Silent(_)) => 1,
            Some(Answer::Closed(_)) => 2,
            Some(Answer::BrokenOff(_)) => 3,
            Some(Answer::Stranger) => 4,
        };
        match self.seen.iter().rev().max_by_key(says) {
            None => "nothing was heard of it".into(),
            Some((address, sighting)) => {
                let words = sighting
                    .answer
                    .as_ref()
                    .map_or("does not answer in time", Answer::words);
                format!("{} {words}", address.ip())
            }
        }
    }

    /// For the progress line.
    pub fn summary(&self) -> String {
        if self.seen.is_empty() {
            return "nothing heard yet".into();
        }
        let one = |(address, sighting): (&SocketAddr, &Sighting)| {
            let words = sighting.answer.as_ref().map_or("is tried", Answer::words);
            format!("{} {words}", address.ip())
        };
        self.seen.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// The error when nobody let us in as `host`, asked for as `name`.
    pub fn gave_up(&self, host: &str, name: &str, after: Duration) -> anyhow::Error {
        let (name, seconds) = (visible(name), after.as_secs());
        let failure = if self.seen.is_empty() {
            silence(&name, seconds)
        } else if self.seen.values().all(|sighting| sighting.stranger) {
            Failure::new(format!(
                "Only strangers answered as {name} within {seconds} s: {}.",
                self.list(&name)
            ))
            .hint(format!("They show another key than the one pinned for {host}. Is an older card of it still running somewhere?"))
        } else {
            Failure::new(format!(
                "{name} did not let us in within {seconds} s. It was heard at {}.",
                self.list(&name)
            ))
            .hint("Does it start up to its SSH server (its screen or serial console tells), on the port that hosts/default.nix names?")
            .hint("An access point that isolates its clients lets names through, but no connections.")
        };
        match &self.last {
            Some(why) => failure.source(anyhow::anyhow!("The last attempt said: {why}")),
            None => failure,
        }
        .into()
    }

    /// Addresses with what they did, and the name they were heard under if it is not the one asked for.
    fn list(&self, name: &str) -> String {
        let one = |(address, sighting): (&SocketAddr, &Sighting)| {
            let mut notes = Vec::new();
            if sighting.name != name {
                notes.push(visible(&sighting.name));
            }
            if sighting.stranger {
                notes.push(Answer::Stranger.words().to_owned());
            } else if let Some(answer) = &sighting.answer {
                notes.push(answer.words().to_owned());
            }
            if notes.is_empty() {
                address.to_string()
            } else {
                format!("{address} ({})", notes.join(", "))
            }
        };
        self.seen.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// What to check when there was nothing at all.
fn silence(name: &str, seconds: u64) -> Failure {
    Failure::new(format!("{name} did not answer within {seconds} s; nothing was heard of it."))
        .hint("Is the card in and the power LED on? A first boot can take some minutes.")
        .hint("Wifi: a wrong passphrase looks like silence; a Pi Zero or 3B has no 5 GHz; a wrong wifi country hides channels.")
        .hint("Does the access point isolate its clients, or a firewall here block UDP port 5353? `--address` names the host's address instead.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(name: &str, address: &str) -> Heard {
        Heard {
            name: name.into(),
            address: address.parse().unwrap(),
        }
    }

    fn error(sightings: &Sightings) -> String {
        crate::error::render(&sightings.gave_up("bach", "bach.local", Duration::from_secs(9)))
    }

    #[test]
    fn a_stranger_is_new_once() {
        let mut sightings = Sightings::default();
        let bach = heard("bach.local", "10.0.0.2:22");
        sightings.heard(&bach);
        assert_eq!(sightings.summary(), "10.0.0.2 is tried");
        assert!(sightings.answered(bach.address, Answer::Stranger));
        assert!(!sightings.answered(bach.address, Answer::Silent("..".into())));
        assert!(!sightings.answered(bach.address, Answer::Stranger));
        assert_eq!(sightings.summary(), "10.0.0.2 shows another key");
    }

    #[test]
    fn the_error_says_what_was_heard() {
        let mut sightings = Sightings::default();
        let silence = error(&sightings);
        assert_eq!(sightings.in_short(), "nothing was heard of it");
        assert!(silence.contains("nothing was heard of it"), "{silence}");
        assert!(
            silence.contains("a wrong passphrase looks like silence"),
            "{silence}"
        );
        for (name, address) in [
            ("bach.local", "10.0.0.2:22"),
            ("bach-2.local", "10.0.0.3:22"),
        ] {
            let heard = heard(name, address);
            sightings.heard(&heard);
            sightings.answered(heard.address, Answer::Stranger);
        }
        let strangers = "Only strangers answered as bach.local within 9 s: 10.0.0.2:22 (shows another key), 10.0.0.3:22 (bach-2.local, shows another key).";
        assert!(
            error(&sightings).contains(strangers),
            "{}",
            error(&sightings)
        );
        sightings.heard(&heard("bach.local", "[fe80::1%3]:22"));
        let refused = Answer::read("connect: Connection refused".into());
        sightings.answered("[fe80::1%3]:22".parse().unwrap(), refused);
        assert_eq!(sightings.in_short(), "10.0.0.2 shows another key");
        let shown = error(&sightings);
        assert!(shown.contains("did not let us in"), "{shown}");
        assert!(
            shown.contains("[fe80::1%3]:22 (takes no connections yet)"),
            "{shown}"
        );
        assert!(shown.contains("connect: Connection refused"), "{shown}");
    }
}
