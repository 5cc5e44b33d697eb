//! What a host says about its last attempt, its systems and its room, as the guard prints it.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::facts::Throttled;

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The switch runs, or the guard makes permanent or undoes right now; `phase` is the guard's word for it.
    Busy { phase: String, left: Duration },
    /// It runs and waits for confirmation this long.
    Waiting { left: Duration },
    /// Confirmed and permanent.
    Committed,
    /// Confirmed, runs until the next start.
    Tested,
    /// The former system runs and is what boots.
    Undone { reason: String },
    /// Its guard is gone or the host restarted, and nobody has settled it yet.
    Interrupted { phase: String },
    /// It could not be undone completely.
    Failed { reason: String },
}

/// One attempt as the host remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    pub id: String,
    pub outcome: Outcome,
    /// switch, test, boot or reboot.
    pub mode: String,
    /// The toplevel it was about.
    pub toplevel: String,
    /// The system to go back to.
    pub former: String,
}

impl Last {
    /// Somebody or something still has to decide it.
    pub fn is_pending(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Busy { .. } | Outcome::Waiting { .. } | Outcome::Interrupted { .. }
        )
    }
}

/// A host at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The last attempt; none on a host that saw no guard before.
    pub last: Option<Last>,
    /// The system that runs.
    pub current: String,
    /// The system that the profile names.
    pub profile: String,
    /// The system that boots next; empty with a boot loader the guard cannot read.
    pub boot_entry: String,
    /// The system that was booted.
    pub booted: String,
    /// The system before the last confirmed one; empty if there was none.
    pub previous: String,
    /// The last system a guard made permanent; empty if there was none.
    pub permanent: String,
    pub boot_id: String,
    /// Units that fail now.
    pub failed: Vec<String>,
    /// Units that fail now and did not before the last attempt.
    pub newly_failed: Vec<String>,
    /// Its machine name as `uname -m` prints it.
    pub machine: String,
    /// Bytes and inodes free for the store; inodes only where the file system counts them.
    pub free: u64,
    pub free_inodes: Option<u64>,
    /// Bytes free for kernels, if they have a file system of their own.
    pub free_boot: Option<u64>,
    /// Copies were begun for attempts that never came to an end: power may have failed in them.
    pub leftover: bool,
    /// Bytes of memory, and how much of it can be had.
    pub memory: u64,
    pub memory_available: u64,
    /// Since it was booted.
    pub uptime: Duration,
    /// In thousandths of a degree Celsius.
    pub heat: Option<i64>,
    /// The firmware's word on power and heat.
    pub throttled: Option<Throttled>,
    /// Radios alone connect it: no cable carries anything.
    pub only_wifi: bool,
}

impl Status {
    /// Reads what `status` printed; an answer cut short is an error.
    pub fn parse(text: &str) -> Result<Self> {
        let values: HashMap<_, _> = text.lines().filter_map(|l| l.split_once('=')).collect();
        let get = |key: &str| values.get(key).copied().unwrap_or_default();
        if get("end") != "status" {
            bail!("The host's answer about its last deploy was cut short.");
        }
        let last = if get("id").is_empty() {
            None
        } else {
            Some(Last {
                id: get("id").into(),
                outcome: outcome(&get)?,
                mode: get("mode").into(),
                toplevel: get("new").into(),
                former: get("old").into(),
            })
        };
        let units = |key| get(key).split_whitespace().map(str::to_owned).collect();
        let number = |key| get(key).parse::<u64>().ok();
        let kib = |key| number(key).map(|n| n.saturating_mul(1024));
        Ok(Self {
            last,
            current: get("current").into(),
            profile: get("profile_now").into(),
            boot_entry: get("entry_now").into(),
            booted: get("booted").into(),
            previous: get("previous").into(),
            permanent: get("permanent").into(),
            boot_id: get("boot_now").into(),
            failed: units("failed_now"),
            newly_failed: units("newly_failed"),
            machine: get("machine").into(),
            free: kib("free_kib").unwrap_or(0),
            // some file systems count none and say 0
            free_inodes: number("free_inodes").filter(|n| *n > 0),
            free_boot: kib("boot_kib"),
            leftover: number("leftover").is_some_and(|n| n > 0),
            memory: kib("memory_kib").unwrap_or(0),
            memory_available: kib("available_kib").unwrap_or(0),
            uptime: Duration::from_secs(number("now").unwrap_or(0)),
            heat: get("millidegrees").parse().ok(),
            throttled: Throttled::parse(get("throttled")),
            only_wifi: get("network") == "wifi",
        })
    }

    /// Nothing is left to decide.
    pub fn is_settled(&self) -> bool {
        !self.last.as_ref().is_some_and(Last::is_pending)
    }

    /// The system from before the last attempt runs.
    pub fn is_back(&self) -> bool {
        self.last
            .as_ref()
            .is_some_and(|last| last.former == self.current)
    }

    /// Whether profile and boot entry name `toplevel`; the entry may also be that of what runs of it (a specialisation).
    pub fn boots(&self, toplevel: &str, runs: &str) -> bool {
        let entry = self.boot_entry.as_str();
        self.profile == toplevel && (entry.is_empty() || entry == toplevel || entry == runs)
    }
}

fn outcome<'a>(get: &impl Fn(&str) -> &'a str) -> Result<Outcome> {
    let (phase, reason) = (get("phase"), get("reason").to_owned());
    let alive = get("guard") == "alive" && get("boot") == get("boot_now");
    Ok(match phase {
        "committed" => Outcome::Committed,
        "tested" => Outcome::Tested,
        "undone" => Outcome::Undone { reason },
        "failed" => Outcome::Failed { reason },
        "activating" | "waiting" | "committing" | "undoing" | "rebooting" if !alive => {
            Outcome::Interrupted {
                phase: phase.into(),
            }
        }
        "activating" | "waiting" | "committing" | "undoing" | "rebooting" => {
            let seconds = |key| -> Result<u64> {
                let value = get(key);
                value
                    .parse()
                    .with_context(|| format!("The guard's {key} `{value}` is no number."))
            };
            let left = Duration::from_secs(seconds("deadline")?.saturating_sub(seconds("now")?));
            if phase == "waiting" {
                Outcome::Waiting { left }
            } else {
                Outcome::Busy {
                    phase: phase.into(),
                    left,
                }
            }
        }
        other => bail!(
            "The host's last deploy is in a state that this spinet does not know (`{}`): a newer one left it.",
            crate::ui::visible(other)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: &str = "id=a-1\nboot=b\nphase=waiting\ndeadline=130\nreason=\nguard=alive\nnow=100\nboot_now=b\n\
        current=/nix/store/n\nprofile_now=/nix/store/o\nentry_now=/nix/store/o\nnewly_failed=x.service \n\
        free_kib=7\nfree_inodes=0\nend=status\n";

    fn outcome_of(text: &str) -> Outcome {
        Status::parse(text).unwrap().last.unwrap().outcome
    }

    #[test]
    fn a_waiting_attempt_tells_how_long() {
        let left = Duration::from_secs(30);
        assert_eq!(outcome_of(WAITING), Outcome::Waiting { left });
        let status = Status::parse(WAITING).unwrap();
        assert_eq!(status.newly_failed, ["x.service"]);
        assert_eq!((status.free, status.free_inodes), (7 * 1024, None));
    }

    #[test]
    fn another_boot_or_a_dead_guard_means_interrupted() {
        for (from, to) in [("boot_now=b", "boot_now=c"), ("guard=alive", "guard=none")] {
            let outcome = outcome_of(&WAITING.replace(from, to));
            assert!(matches!(outcome, Outcome::Interrupted { .. }), "{to}");
        }
    }

    #[test]
    fn an_answer_cut_short_is_no_answer() {
        assert!(Status::parse("id=a-1\nphase=committed\n").is_err());
        assert!(Status::parse("").is_err());
    }

    #[test]
    fn what_boots_is_the_profile_and_the_entry() {
        let status = Status::parse(WAITING).unwrap();
        assert!(status.boots("/nix/store/o", "/nix/store/o"));
        assert!(!status.boots("/nix/store/n", "/nix/store/n"));
        assert!(!status.is_settled());
        let of_a_specialisation =
            WAITING.replace("entry_now=/nix/store/o", "entry_now=/nix/store/s");
        let status = Status::parse(&of_a_specialisation).unwrap();
        assert!(status.boots("/nix/store/o", "/nix/store/s"));
        assert!(!status.boots("/nix/store/o", "/nix/store/o"));
    }
}
