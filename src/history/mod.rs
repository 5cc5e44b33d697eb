//! What was done with a flake, and how it ended: one line for each bootstrap, each host of a deploy, each enrolment and each
//! change of its secrets, kept on this machine. It holds no secret. That it cannot be written is told once and stops nothing.

mod file;
mod place;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::error::{Exit, exit_of, is_stop, parts};
use crate::git;
use crate::secrets::Rules;
use crate::state;
use crate::ui::Ui;

pub use file::read;
pub use place::{of_folder, of_rules};

/// The longest detail that is kept, in characters.
const DETAIL: usize = 400;

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it ended: RFC 3339, UTC, whole seconds.
    pub time: String,
    /// Who ran spinet, and on which machine.
    pub user: String,
    pub machine: String,
    /// bootstrap, deploy, rollback, confirm, undo, enroll, rekey, edit or generate; decide, of a host's own guard.
    pub action: String,
    /// None for what is about no single host.
    pub host: Option<String>,
    /// The git commit of the flake when it began, with `-dirty` when tracked files differed from it.
    pub revision: Option<String>,
    /// The toplevel that was to run.
    pub system: Option<String>,
    /// What the host's guard calls the activation, once it was to begin.
    pub attempt: Option<String>,
    /// The word for how it ended.
    pub outcome: String,
    /// The exit code that this alone asks for.
    pub exit: u8,
    /// How long it took, where that is known.
    pub seconds: Option<u64>,
    /// How it ended, in a sentence.
    pub detail: Option<String>,
}

/// Writes the history of one flake.
#[derive(Clone)]
pub struct History(Rc<Inner>);

struct Inner {
    folder: Result<PathBuf>,
    revision: Option<String>,
    ui: Ui,
    /// A warning was given: the next entry would say the same.
    warned: Cell<bool>,
}

/// Something that goes on. It is recorded when it ends, or as stopped when it is dropped before.
pub struct Running {
    history: History,
    began: Instant,
    action: &'static str,
    host: Option<String>,
    system: RefCell<Option<String>>,
    attempt: RefCell<Option<String>>,
    /// What a stop would come in the middle of.
    doing: RefCell<Option<String>>,
    /// A stop would leave the outcome to the host.
    undecided: Cell<bool>,
    ended: Cell<bool>,
}

impl History {
    /// The history of the flake, or of the rules' folder, at `tree`; the revision is the one that git has there now.
    pub async fn of(tree: &Path, ui: &Ui) -> Self {
        Self(Rc::new(Inner {
            folder: state::of_tree(tree),
            revision: git::revision(tree).await,
            ui: ui.clone(),
            warned: Cell::new(false),
        }))
    }

    /// The history of the flake or folder that rules belong to.
    pub async fn of_rules(rules: &Rules, ui: &Ui) -> Self {
        Self::of(&of_rules(&rules.file, &rules.root), ui).await
    }

    /// A history in a folder, of a commit called `abc`.
    #[cfg(test)]
    pub fn at(folder: &Path) -> Self {
        Self(Rc::new(Inner {
            folder: Ok(folder.to_owned()),
            revision: Some("abc".into()),
            ui: Ui::new(true, false, crate::ui::Shown::Nothing),
            warned: Cell::new(false),
        }))
    }

    /// Something begins.
    pub fn begin(&self, action: &'static str, host: Option<&str>) -> Running {
        Running {
            history: self.clone(),
            began: Instant::now(),
            action,
            host: host.map(str::to_owned),
            system: RefCell::default(),
            attempt: RefCell::default(),
            doing: RefCell::default(),
            undecided: Cell::new(false),
            ended: Cell::new(false),
        }
    }

    fn write(&self, entry: &Entry) {
        let Inner { folder, ui, .. } = &*self.0;
        let written = match folder {
            Ok(folder) => file::append(folder, entry),
            Err(error) => Err(anyhow::anyhow!("{error}")),
        };
        if let Err(error) = written
            && !self.0.warned.replace(true)
        {
            ui.warn(format!(
                "The history could not be written; nothing else is changed by that. {}",
                in_a_line(&error)
            ));
        }
    }
}

impl Running {
    /// The toplevel it is about.
    pub fn system(&self, toplevel: &str) {
        self.system.replace(Some(toplevel.to_owned()));
    }

    /// The activation it is about, as the host's guard calls it.
    pub fn attempt(&self, id: &str) {
        self.attempt.replace(Some(id.to_owned()));
    }

    /// What it does from now on, as a sentence.
    pub fn doing(&self, what: &str) {
        self.doing.replace(Some(what.to_owned()));
    }

    /// From now on the host decides if this run is stopped.
    pub fn undecided(&self) {
        self.undecided.set(true);
    }

    /// It ended; the first end counts.
    pub fn end(&self, outcome: &str, exit: u8, detail: Option<&str>) {
        if self.ended.replace(true) {
            return;
        }
        self.history.write(&Entry {
            time: clock::stamp(clock::now()),
            user: user(),
            machine: machine(),
            action: self.action.to_owned(),
            host: self.host.clone(),
            revision: self.history.0.revision.clone(),
            system: self.system.borrow().clone(),
            attempt: self.attempt.borrow().clone(),
            outcome: outcome.to_owned(),
            exit,
            seconds: Some(self.began.elapsed().as_secs()),
            detail: detail.map(short),
        });
    }

    /// It ended with this error, which may be that it was stopped at a question.
    pub fn failed(&self, error: &anyhow::Error) {
        let line = in_a_line(error);
        if is_stop(error) {
            self.stopped(Some(line));
        } else {
            self.end("failed", exit_of(error).code(), Some(&line));
        }
    }

    /// It changed nothing, so there is nothing to record.
    pub fn nothing(&self) {
        self.ended.set(true);
    }

    /// `left`: what that leaves behind, where it does not say better in the middle of what it came.
    fn stopped(&self, left: Option<String>) {
        let (outcome, exit, detail) = if self.undecided.get() {
            let left = "Stopped before it was decided; the host decides it by itself.";
            ("unknown", Exit::Unknown, Some(left.to_owned()))
        } else {
            let during = self.doing.take();
            let during = during.map(|doing| format!("Stopped during: {doing}"));
            ("stopped", Exit::Failed, during.or(left))
        };
        self.end(outcome, exit.code(), detail.as_deref());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopped(None);
    }
}

/// Message and causes of an error, the first line of each.
fn in_a_line(error: &anyhow::Error) -> String {
    let (message, causes, _) = parts(error);
    let all = std::iter::once(message).chain(causes);
    let first = all.filter_map(|text| text.lines().next().map(|line| line.trim().to_owned()));
    first.collect::<Vec<_>>().join(" ")
}

fn short(text: &str) -> String {
    let mut rest = text.chars();
    let mut kept: String = rest.by_ref().take(DETAIL).collect();
    if rest.next().is_some() {
        kept.push('…');
    }
    kept
}

/// The user by name, as the login has it; where nothing says it, as this machine's own list of users has it.
fn user() -> String {
    let named = ["LOGNAME", "USER"].into_iter().filter_map(std::env::var_os);
    let mut named = named.filter(|name| !name.is_empty());
    if let Some(name) = named.next() {
        return name.to_string_lossy().into_owned();
    }
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(uid, &users).unwrap_or_else(|| format!("uid {uid}"))
}

/// The name that passwd(5) has for a user.
fn name_of(uid: u32, users: &str) -> Option<String> {
    let uid = uid.to_string();
    let mut users = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let user = users.find(|fields| fields.get(2) == Some(&uid.as_str()))?;
    Some((*user.first()?).to_owned())
}

/// This machine's name.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_counts_and_a_stop_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::at(dir.path());
        let deploy = history.begin("deploy", Some("bach"));
        deploy.system("/nix/store/x");
        deploy.attempt("17-1");
        deploy.undecided();
        deploy.end("deployed", 0, None);
        deploy.failed(&anyhow::anyhow!("too late"));
        drop(deploy);
        let bootstrap = history.begin("bootstrap", Some("byrd"));
        bootstrap.doing("Build byrd's image.");
        drop(bootstrap);
        history.begin("deploy", Some("orff")).undecided();

        let (entries, skipped) = read(dir.path()).unwrap();
        assert_eq!(skipped, 0);
        let ends: Vec<_> = entries
            .iter()
            .map(|e| (e.host.as_deref(), e.outcome.as_str(), e.exit))
            .collect();
        assert_eq!(
            ends,
            [
                (Some("bach"), "deployed", 0),
                (Some("byrd"), "stopped", 1),
                (Some("orff"), "unknown", 5)
            ]
        );
        assert_eq!(entries[0].system.as_deref(), Some("/nix/store/x"));
        assert_eq!(entries[0].attempt.as_deref(), Some("17-1"));
        assert_eq!(entries[0].revision.as_deref(), Some("abc"));
        assert_eq!(
            entries[1].detail.as_deref(),
            Some("Stopped during: Build byrd's image.")
        );
        assert!(clock::is_stamp(&entries[2].time));
    }

    #[test]
    fn a_stop_at_a_question_is_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::at(dir.path());
        let ui = Ui::new(false, false, crate::ui::Shown::Nothing);
        let stop = || anyhow::Error::from(ui.stop()).context("while asking");
        history.begin("rekey", None).failed(&stop());
        let deploy = history.begin("deploy", Some("bach"));
        deploy.undecided();
        deploy.failed(&stop());
        let edit = history.begin("edit", None);
        edit.nothing();
        drop(edit);
        let (entries, _) = read(dir.path()).unwrap();
        let ends = entries.iter().map(|e| (e.outcome.as_str(), e.exit));
        assert_eq!(ends.collect::<Vec<_>>(), [("stopped", 1), ("unknown", 5)]);
        let left = "Failed while asking. Stopped. Nothing was changed.";
        assert_eq!(entries[0].detail.as_deref(), Some(left));
    }

    #[test]
    fn an_error_is_told_in_one_line_of_bounded_length() {
        let error = anyhow::anyhow!("root\nand more").context("while building");
        assert_eq!(in_a_line(&error), "Failed while building. root");
        assert_eq!(short(&"é".repeat(DETAIL)).chars().count(), DETAIL);
        assert_eq!(short(&"é".repeat(2000)).chars().count(), DETAIL + 1);
    }

    #[test]
    fn a_user_has_a_name_without_a_login() {
        let users = "root:x:0:0::/root:/bin/sh\nbroken\nanna:x:1000:100::/home/anna:/bin/sh\n";
        assert_eq!(name_of(1000, users).as_deref(), Some("anna"));
        assert_eq!(name_of(100, users), None);
    }

    #[test]
    fn a_history_that_cannot_be_written_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let no_folder = dir.path().join("file");
        std::fs::write(&no_folder, "").unwrap();
        let history = History::at(&no_folder);
        history.begin("rekey", None).end("rekeyed", 0, None);
        assert!(history.0.warned.get());
    }
}
