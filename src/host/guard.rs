//! The guard on a host: command lines that install and ask it. What it answers is read in `status`.
//! Nothing is started here; the scripts run on the host in `sh` (see guard/ for the guard itself).

use std::time::Duration;

use super::root::{Remote, Root};

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

/// The line [`Guard::follow`] prints each second, so that a silent link is noticed.
pub const BEAT: &str = "spinet-beat";

/// One try to bring a host to a system.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Letters, digits and hyphens; never used twice.
    pub id: String,
    /// The new system's store path, already on the host when the attempt starts.
    pub toplevel: String,
    /// The specialisation of it that runs.
    pub specialisation: Option<String>,
    /// From the start of the switch until it is undone unless confirmed; whole seconds.
    pub deadline: Duration,
    /// The guard's word: switch, test, boot or reboot.
    pub mode: &'static str,
}

/// Speaks to the guard on one host.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    pub root: Root,
}

impl Guard {
    /// The status from a host that need not have the guard: it is read from standard input and leaves nothing there.
    pub fn look(&self) -> Remote {
        self.bring(&["status"])
    }

    /// Puts the guard on the host and keeps the new system and the ones to go back to from garbage collection; before
    /// the copy. A guard cut short is never run: its bytes are counted, and on the disk, before it gets its name. After a
    /// power cut it is there to tell what was.
    pub fn install(&self, attempt: &Attempt) -> Remote {
        let (path, size) = (path(), SCRIPT.len());
        let install = format!(
            "umask 077 && mkdir -p /var/lib/spinet && cat >{path}.$$ && test \"$(wc -c <{path}.$$)\" -eq {size} && sync {path}.$$ && {{ rm -f /var/lib/spinet/guard-*.sh; mv -f {path}.$$ {path}; }} && sync /var/lib/spinet && exec sh {path} protect \"$@\""
        );
        let words = ["sh", "-c", &install, "sh", &attempt.id, &attempt.toplevel];
        self.root.run(&words, SCRIPT.as_bytes())
    }

    /// Lets go of what was kept for an attempt that is not going to begin.
    pub fn release(&self, id: &str) -> Remote {
        self.ask(&["release", id])
    }

    /// Begins the attempt in a unit of its own. Exit [`REFUSED`] with `refused=ID` while another runs.
    pub fn start(&self, attempt: &Attempt) -> Remote {
        let seconds = attempt.deadline.as_secs().to_string();
        let words = [
            "start",
            &attempt.id,
            &attempt.toplevel,
            &seconds,
            attempt.mode,
        ];
        let mut remote = self.ask(&words);
        // expanded by the login's own shell, before sudo drops it
        remote.script.push_str(" \"${SSH_CONNECTION:-}\"");
        if let Some(name) = &attempt.specialisation {
            remote.script.push(' ');
            remote.script.push_str(&crate::process::quote(name));
        }
        remote
    }

    /// The journal of an attempt until it waits for a word or ends, and [`BEAT`] each second.
    pub fn follow(&self, id: &str) -> Remote {
        let mut remote = self.ask(&["follow", id]);
        // only standard error is read as it comes
        remote.script.push_str(" >&2");
        remote
    }

    /// Confirms and waits for the end; prints the status. Exit 0: permanent; 4: undone.
    pub fn confirm(&self, id: &str) -> Remote {
        self.ask(&["confirm", id])
    }

    /// Undoes and waits for the end; prints the status. Exit 0: undone; 4: it was permanent already.
    pub fn undo(&self, id: &str) -> Remote {
        self.ask(&["undo", id])
    }

    /// Tells the guard over a fresh connection that logins work, so that it need not restart the host after an undo.
    pub fn seen(&self, id: &str) -> Remote {
        self.ask(&["seen", id])
    }

    /// The last attempt and the host's systems.
    pub fn status(&self) -> Remote {
        self.ask(&["status"])
    }

    /// Ends an attempt whose guard died or whose host lost power.
    pub fn settle(&self) -> Remote {
        self.ask(&["settle"])
    }

    /// Keeps an attempt from beginning that has not; prints [`withdrawn`]'s word when that is certain. The host need not
    /// have the guard.
    pub fn withdraw(&self, id: &str) -> Remote {
        self.bring(&["withdraw", id])
    }

    /// Has an attempt that restarted the host looked after again.
    pub fn awake(&self, id: &str) -> Remote {
        self.ask(&["awake", id])
    }

    /// Runs the guard from standard input; the words may not need it to start anything.
    fn bring(&self, words: &[&str]) -> Remote {
        let run = r#"exec sh -c "$(cat)" spinet-guard "$@""#;
        let all = [&["sh", "-c", run, "sh"], words].concat();
        self.root.run(&all, SCRIPT.as_bytes())
    }

    fn ask(&self, words: &[&str]) -> Remote {
        let path = path();
        let mut all = vec!["sh", path.as_str()];
        all.extend(words);
        self.root.run(&all, &[])
    }
}

/// Whether [`Guard::withdraw`] said that the attempt did not begin and never will.
pub fn withdrawn(stdout: &str, id: &str) -> bool {
    stdout
        .lines()
        .any(|l| l.strip_prefix("withdrawn=") == Some(id))
}

/// The line that ends [`Guard::follow`].
pub fn is_end(line: &str, id: &str) -> bool {
    let mark = line
        .strip_prefix("spinet-end ")
        .or_else(|| line.strip_prefix("spinet-waiting "));
    mark == Some(id)
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

/// The id of the attempt that made `start` exit with [`REFUSED`].
pub fn refused_by(stdout: &str) -> Option<&str> {
    stdout.lines().find_map(|l| l.strip_prefix("refused="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        Attempt {
            id: "a-1".into(),
            toplevel: "/nix/store/x y".into(),
            specialisation: None,
            deadline: Duration::from_secs(120),
            mode: "switch",
        }
    }

    #[test]
    fn words_reach_the_guard_whole_and_as_root() {
        let guard = Guard { root: Root::Sudo };
        let script = guard.start(&attempt()).script;
        assert!(
            script.starts_with("sudo -n -- sh /var/lib/spinet/guard-"),
            "{script}"
        );
        assert!(
            script.ends_with("start a-1 '/nix/store/x y' 120 switch \"${SSH_CONNECTION:-}\""),
            "{script}"
        );
        let special = Attempt {
            specialisation: Some("on the road".into()),
            ..attempt()
        };
        assert!(guard.start(&special).script.ends_with(" 'on the road'"));
    }

    #[test]
    fn the_byte_count_is_checked_before_the_guard_gets_its_name() {
        let install = Guard::default().install(&attempt());
        assert_eq!(install.stdin.len(), SCRIPT.len());
        assert!(install.script.contains(&format!("-eq {}", SCRIPT.len())));
    }

    #[test]
    fn the_holder_is_named() {
        assert_eq!(refused_by("refused=a-1\n"), Some("a-1"));
        assert_eq!(refused_by("started=a-1\n"), None);
    }

    #[test]
    fn only_the_attempts_own_marks_end_its_journal() {
        assert!(is_end("spinet-waiting a-1", "a-1") && is_end("spinet-end a-1", "a-1"));
        assert!(!is_end("spinet-end a-10", "a-1") && !is_end("spinet: committed", "a-1"));
    }

    #[test]
    fn a_cable_that_carries_something_is_another_way_in() {
        // name, what is beside its device, carrier
        let is_only_wifi = |interfaces: &[(&str, &str, &str)]| {
            let sys = tempfile::tempdir().unwrap();
            for (name, kind, carrier) in interfaces {
                let folder = sys.path().join(name);
                std::fs::create_dir(&folder).unwrap();
                for file in kind.split_whitespace() {
                    std::fs::write(folder.join(file), "").unwrap();
                }
                std::fs::write(folder.join("carrier"), carrier).unwrap();
            }
            let script = format!("{}\nonly_wifi \"$1\"", include_str!("guard/2-host.sh"));
            std::process::Command::new("sh")
                .args(["-euc", &script, "sh"])
                .arg(sys.path())
                .status()
                .unwrap()
                .success()
        };
        let (lo, docker) = (("lo", "", "1\n"), ("docker0", "", "1\n"));
        let wlan = ("wlan0", "device phy80211", "1\n");
        assert!(is_only_wifi(&[lo, docker, wlan]));
        assert!(is_only_wifi(&[lo, ("end0", "device", "0\n"), wlan]));
        assert!(!is_only_wifi(&[lo, ("end0", "device", "1\n"), wlan]));
        assert!(!is_only_wifi(&[("wlan0", "device phy80211", "0\n")]));
        assert!(!is_only_wifi(&[lo, docker]));
    }
}
