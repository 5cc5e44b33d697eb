//! The guard on a host: command lines that install and ask it, and what its answers mean.
//! Nothing is started here; the scripts run on the host in `sh` (see guard/ for the guard itself).

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::quote;

/// The guard, as it is sent: one script, kept in files by concern.
pub const SCRIPT: &str = concat!(
    include_str!("guard/1-state.sh"),
    include_str!("guard/2-host.sh"),
    include_str!("guard/3-end.sh"),
    include_str!("guard/4-attempt.sh"),
    include_str!("guard/5-commands.sh"),
);

/// Exit status of `start` when another attempt runs on the host.
pub const REFUSED: i32 = 3;

/// A script for the host's `sh`, and what it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    pub script: String,
    pub stdin: Vec<u8>,
}

/// One try to bring a host to a system.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Letters, digits and hyphens; never used twice.
    pub id: String,
    /// The new system's store path, already on the host when the attempt starts.
    pub toplevel: String,
    /// From the start of the switch until it is undone unless confirmed; whole seconds.
    pub deadline: Duration,
}

/// Speaks to the guard on one host.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// What makes the user root there, as words: empty, or `["sudo", "-n"]`.
    pub prefix: Vec<String>,
}

impl Guard {
    /// Puts the guard on the host. A copy cut short is never run: its bytes are counted before it gets its name.
    pub fn upload(&self) -> Remote {
        let (path, size) = (path(), SCRIPT.len());
        let install = format!(
            "umask 077 && mkdir -p /var/lib/spinet && rm -f /var/lib/spinet/guard-*.sh && cat >{path}.$$ && test \"$(wc -c <{path}.$$)\" -eq {size} && mv -f {path}.$$ {path}"
        );
        Remote {
            script: self.root(&["sh", "-c", &install]),
            stdin: SCRIPT.as_bytes().to_vec(),
        }
    }

    /// Keeps the new system and the ones to go back to from garbage collection; before the copy.
    pub fn protect(&self, attempt: &Attempt) -> Remote {
        self.ask(&["protect", &attempt.id, &attempt.toplevel])
    }

    /// Begins the attempt in a unit of its own. Exit [`REFUSED`] with `refused=ID` while another runs.
    pub fn start(&self, attempt: &Attempt) -> Remote {
        let seconds = attempt.deadline.as_secs().to_string();
        let mut remote = self.ask(&["start", &attempt.id, &attempt.toplevel, &seconds, "switch"]);
        // expanded by the login's own shell, before sudo drops it
        remote.script.push_str(" \"${SSH_CONNECTION:-}\"");
        remote
    }

    /// Confirms and waits for the end. Exit 0: permanent; 4: undone; prints the state.
    pub fn confirm(&self, id: &str) -> Remote {
        self.ask(&["confirm", id])
    }

    /// Undoes and waits for the end. Exit 0: undone; 4: it was permanent already; prints the state.
    pub fn undo(&self, id: &str) -> Remote {
        self.ask(&["undo", id])
    }

    /// Tells the guard over a fresh connection that logins work, so that it need not restart the host after an undo.
    pub fn seen(&self, id: &str) -> Remote {
        self.ask(&["seen", id])
    }

    /// The last attempt and the host's systems, for [`Status::parse`].
    pub fn status(&self) -> Remote {
        self.ask(&["status"])
    }

    /// Ends an attempt whose guard died or whose host lost power.
    pub fn settle(&self) -> Remote {
        self.ask(&["settle"])
    }

    fn ask(&self, words: &[&str]) -> Remote {
        let path = path();
        let mut all = vec!["sh", path.as_str()];
        all.extend(words);
        self.plain(&all)
    }

    fn plain(&self, words: &[&str]) -> Remote {
        Remote {
            script: self.root(words),
            stdin: Vec::new(),
        }
    }

    fn root(&self, words: &[&str]) -> String {
        let prefix = self.prefix.iter().map(String::as_str);
        let quoted: Vec<_> = prefix.chain(words.iter().copied()).map(quote).collect();
        quoted.join(" ")
    }
}

/// Where this version of the guard lies on a host: another version never runs in its place,
/// and it is still there after the restart that ends some undos.
fn path() -> String {
    // FNV-1a: tells versions apart, guards against nothing
    let hash = SCRIPT.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("/var/lib/spinet/guard-{hash:016x}.sh")
}

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

/// What a host says about its last attempt and its systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The last attempt's id and outcome; none on a host that saw no guard before.
    pub attempt: Option<(String, Outcome)>,
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
    pub boot_id: String,
    /// What switch-to-configuration exited with; 100 means that the host must restart to run the new system.
    pub switch_exit: Option<i32>,
    /// Units that fail now.
    pub failed: Vec<String>,
    /// Units that fail now and did not before the last attempt.
    pub newly_failed: Vec<String>,
}

impl Status {
    /// Reads what `status` printed; an answer cut short is an error.
    pub fn parse(text: &str) -> Result<Self> {
        let values: HashMap<_, _> = text.lines().filter_map(|l| l.split_once('=')).collect();
        let get = |key: &str| values.get(key).copied().unwrap_or_default();
        if get("end") != "status" {
            bail!("The host's answer about its last deploy was cut short.");
        }
        let id = get("id");
        let attempt = if id.is_empty() {
            None
        } else {
            Some((id.to_owned(), outcome(&get)?))
        };
        let units = |key| get(key).split_whitespace().map(str::to_owned).collect();
        Ok(Self {
            attempt,
            current: get("current").into(),
            profile: get("profile_now").into(),
            boot_entry: get("entry_now").into(),
            booted: get("booted").into(),
            previous: get("previous").into(),
            boot_id: get("boot_now").into(),
            switch_exit: get("switch_exit").parse().ok(),
            failed: units("failed_now"),
            newly_failed: units("newly_failed"),
        })
    }

    /// Whether the host runs `toplevel`, would boot it, and has nothing left to settle.
    pub fn unchanged(&self, toplevel: &str) -> bool {
        let settled = !matches!(
            self.attempt,
            Some((
                _,
                Outcome::Busy { .. } | Outcome::Waiting { .. } | Outcome::Interrupted { .. }
            ))
        );
        settled
            && self.current == toplevel
            && self.profile == toplevel
            && (self.boot_entry.is_empty() || self.boot_entry == toplevel)
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
        "activating" | "waiting" | "committing" | "undoing" if !alive => Outcome::Interrupted {
            phase: phase.into(),
        },
        "activating" | "waiting" | "committing" | "undoing" => {
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
        other => bail!("The guard reports a phase that this spinet does not know: `{other}`."),
    })
}

/// The id of the attempt that made `start` exit with [`REFUSED`].
pub fn refused_by(stdout: &str) -> Option<&str> {
    stdout.lines().find_map(|l| l.strip_prefix("refused="))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: &str = "id=a-1\nboot=b\nphase=waiting\ndeadline=130\nreason=\nguard=alive\nnow=100\nboot_now=b\n\
        current=/nix/store/n\nprofile_now=/nix/store/o\nentry_now=/nix/store/o\nnewly_failed=x.service \nend=status\n";

    fn outcome_of(text: &str) -> Outcome {
        Status::parse(text).unwrap().attempt.unwrap().1
    }

    #[test]
    fn a_waiting_attempt_tells_how_long() {
        let left = Duration::from_secs(30);
        assert_eq!(outcome_of(WAITING), Outcome::Waiting { left });
        assert_eq!(Status::parse(WAITING).unwrap().newly_failed, ["x.service"]);
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
    fn unchanged_means_running_profile_and_boot_entry() {
        let done = WAITING.replace("waiting", "committed");
        let same = done.replace("/nix/store/o", "/nix/store/n");
        assert!(!Status::parse(&done).unwrap().unchanged("/nix/store/n"));
        assert!(Status::parse(&same).unwrap().unchanged("/nix/store/n"));
        let open = WAITING.replace("/nix/store/o", "/nix/store/n");
        assert!(!Status::parse(&open).unwrap().unchanged("/nix/store/n"));
    }

    #[test]
    fn words_reach_the_guard_whole_and_as_root() {
        let guard = Guard {
            prefix: vec!["sudo".into(), "-n".into()],
        };
        let attempt = Attempt {
            id: "a-1".into(),
            toplevel: "/nix/store/x y".into(),
            deadline: Duration::from_secs(120),
        };
        let script = guard.start(&attempt).script;
        assert!(
            script.starts_with("sudo -n sh /var/lib/spinet/guard-"),
            "{script}"
        );
        assert!(
            script.ends_with("start a-1 '/nix/store/x y' 120 switch \"${SSH_CONNECTION:-}\""),
            "{script}"
        );
    }

    #[test]
    fn the_byte_count_is_checked_before_the_guard_gets_its_name() {
        let upload = Guard::default().upload();
        assert_eq!(upload.stdin.len(), SCRIPT.len());
        assert!(upload.script.contains(&format!("-eq {}", SCRIPT.len())));
    }

    #[test]
    fn the_holder_is_named() {
        assert_eq!(refused_by("refused=a-1\n"), Some("a-1"));
        assert_eq!(refused_by("started=a-1\n"), None);
    }
}
