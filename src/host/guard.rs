//! The client's side of the guard (`guard.sh`): what is run on the host, and what its answers mean.
//! Commands are scripts for [`super::ssh::Target`]; nothing here touches the network.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::process::quote;

const GUARD: &str = include_str!("guard.sh");
/// Where the script lies on the host: it must outlive a reboot that ends an undo. The name tells versions apart.
const PATH: &str = concat!("/var/lib/spinet/guard-", env!("CARGO_PKG_VERSION"), ".sh");

/// One activation, named so that no answer to another one is taken for its own.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: String,
    pub toplevel: String,
    pub deadline: Duration,
}

/// How far an attempt is, in the guard's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No attempt was ever made on this host, or the word is unknown to this version.
    None,
    Activating,
    /// Waiting to be confirmed.
    Activated,
    Committing,
    Committed,
    Undoing,
    Undone,
    /// Undone, but not reachable: rebooting into the confirmed system.
    Rebooting,
}

/// What the host says of its last attempt and of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub id: String,
    pub phase: Phase,
    pub reason: String,
    /// The toplevel the attempt would go back to.
    pub old: String,
    /// The toplevel that runs.
    pub running: String,
    /// The toplevel of the system profile.
    pub profile: String,
    /// The toplevel the boot loader starts; empty where that cannot be read.
    pub entry: String,
    /// The host has booted since the attempt began.
    pub rebooted: bool,
    /// A guard is at work.
    pub guarded: bool,
}

/// What a `start` was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Started {
    Yes,
    /// Another attempt runs.
    Refused {
        by: String,
    },
    /// The toplevel is not whole on the host.
    Broken,
}

impl Attempt {
    pub fn new(toplevel: &Path, deadline: Duration) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            id: format!("{}-{}", now.as_millis(), std::process::id()),
            toplevel: toplevel.display().to_string(),
            deadline,
        }
    }
}

/// Commands for a host whose user is `user`: anybody but root goes through sudo.
pub struct Guard<'a> {
    pub user: &'a str,
}

impl Guard<'_> {
    /// Puts the script on the host, and its text on standard input. It is in place only if it arrived whole.
    pub fn install(&self) -> (String, &'static [u8]) {
        let script = format!(
            "mkdir -p /var/lib/spinet && cat >{PATH}.$$ && test \"$(wc -c <{PATH}.$$)\" -eq {} && mv -f {PATH}.$$ {PATH}",
            GUARD.len()
        );
        (
            self.rooted(&format!("sh -c {}", quote(&script))),
            GUARD.as_bytes(),
        )
    }

    /// Before the copy: the garbage collector must take neither system.
    pub fn protect(&self, attempt: &Attempt) -> String {
        self.call(&["protect", &attempt.toplevel])
    }

    pub fn start(&self, attempt: &Attempt) -> String {
        let seconds = attempt.deadline.as_secs().to_string();
        self.call(&["start", &attempt.id, &attempt.toplevel, &seconds])
    }

    pub fn confirm(&self, attempt: &Attempt) -> String {
        self.call(&["confirm", &attempt.id])
    }

    pub fn undo(&self, attempt: &Attempt, reason: &str) -> String {
        self.call(&["undo", &attempt.id, reason])
    }

    pub fn status(&self) -> String {
        self.call(&["status"])
    }

    fn call(&self, args: &[&str]) -> String {
        let args: Vec<_> = args.iter().map(|a| quote(a)).collect();
        self.rooted(&format!("sh {PATH} {}", args.join(" ")))
    }

    fn rooted(&self, command: &str) -> String {
        if self.user == "root" {
            command.to_owned()
        } else {
            format!("sudo -n {command}")
        }
    }
}

/// Reads the answer to [`Guard::start`]; `None` when there was none.
pub fn started(output: &str) -> Option<Started> {
    let mut values = values(output);
    match values.remove("answer")? {
        "started" => Some(Started::Yes),
        "refused" => Some(Started::Refused {
            by: values.remove("by").unwrap_or_default().into(),
        }),
        "broken" => Some(Started::Broken),
        _ => None,
    }
}

/// Reads the answer to [`Guard::confirm`]: whether the confirmation came in time.
pub fn confirmed(output: &str) -> Option<bool> {
    match values(output).remove("answer")? {
        "confirmed" => Some(true),
        "late" => Some(false),
        _ => None,
    }
}

impl Status {
    /// Reads the answer to [`Guard::status`]; `None` when it is not whole.
    pub fn parse(output: &str) -> Option<Self> {
        let mut values = values(output);
        // the last line of the answer: without it the link broke in between
        let guarded = values.remove("guard")? == "running";
        let mut text = |key| values.remove(key).unwrap_or_default().to_owned();
        Some(Self {
            id: text("id"),
            phase: match text("phase").as_str() {
                "activating" => Phase::Activating,
                "activated" => Phase::Activated,
                "committing" => Phase::Committing,
                "committed" => Phase::Committed,
                "undoing" => Phase::Undoing,
                "undone" => Phase::Undone,
                "rebooting" => Phase::Rebooting,
                _ => Phase::None,
            },
            reason: text("reason"),
            old: text("old"),
            running: text("running"),
            profile: text("profile"),
            entry: text("entry"),
            rebooted: text("rebooted") == "yes",
            guarded,
        })
    }

    /// The host runs `toplevel`, and would boot it.
    pub fn settled_on(&self, toplevel: &str) -> bool {
        self.running == toplevel
            && self.profile == toplevel
            && (self.entry.is_empty() || self.entry == toplevel)
    }
}

fn values(output: &str) -> HashMap<&str, &str> {
    output
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "spinet: undone\nid=7-1\nphase=undone\nreason=a=b\nold=/o\nrunning=/o\nprofile=/o\nentry=\nrebooted=no\nguard=none\n";

    #[test]
    fn a_status_is_read_by_name_and_only_when_whole() {
        let status = Status::parse(ANSWER).unwrap();
        assert_eq!(
            (status.phase, status.reason.as_str()),
            (Phase::Undone, "a=b")
        );
        assert!(status.settled_on("/o") && !status.settled_on("/n") && !status.guarded);
        assert_eq!(Status::parse(&ANSWER.replace("guard=none\n", "")), None);
    }

    #[test]
    fn a_boot_entry_that_differs_is_not_settled() {
        let status = Status::parse(&ANSWER.replace("entry=", "entry=/other")).unwrap();
        assert!(!status.settled_on("/o"));
    }

    #[test]
    fn answers_are_told_apart_from_silence() {
        assert_eq!(started("answer=started\n"), Some(Started::Yes));
        assert_eq!(
            started("answer=refused\nby=9-1\n"),
            Some(Started::Refused { by: "9-1".into() })
        );
        assert_eq!(started(""), None);
        assert_eq!(confirmed("answer=late\n"), Some(false));
    }

    #[test]
    fn another_user_goes_through_sudo_and_words_stay_words() {
        let attempt = Attempt {
            id: "1-2".into(),
            toplevel: "/nix/store/x".into(),
            deadline: Duration::from_secs(60),
        };
        let command = Guard { user: "deploy" }.undo(&attempt, "it's broken");
        assert!(
            command.starts_with("sudo -n sh /var/lib/spinet/guard-"),
            "{command}"
        );
        assert!(command.ends_with(r"undo 1-2 'it'\''s broken'"), "{command}");
    }
}
