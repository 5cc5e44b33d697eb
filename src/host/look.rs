//! One look at a host: it is reached under its pinned key, and tells its state and which of its health checks fail.

use std::rc::Rc;
use std::time::Duration;

use age::secrecy::SecretString;
use anyhow::{Context, Result};

use super::guard::Guard;
use super::health;
use super::manifest::{self, Manifest};
use super::root::{Remote, Root};
use super::ssh::Target;
use super::status::Status;
use super::wait::Search;
use crate::error::Failure;
use crate::process::Output;
use crate::ui::{Ui, visible};

/// Where the guard's answer ends and the manifest of the system that runs begins.
const MANIFEST: &str = "\nspinet-manifest\n";
/// How long the answer to one question may take.
pub const QUESTION: Duration = Duration::from_secs(30);

/// What a host said, and the open connection to ask it more.
pub struct Seen {
    pub target: Target,
    pub root: Root,
    pub status: Status,
    /// The health checks of the system it runs that fail; none known on a system that spinet did not make.
    pub failing: Option<Vec<String>>,
}

impl Seen {
    /// Looks as the first of the host's users that may log in. `password` is sudo's, where one is wanted.
    pub async fn at(
        search: &Search<'_>,
        key: &str,
        password: Option<&Rc<SecretString>>,
        ui: &Ui,
    ) -> Result<Self> {
        let host = search.host;
        let guard = |user: &str| Guard {
            root: Root::of(user, password),
        };
        let look = |user: &str| guard(user).look();
        let (target, output) = search.enter(key, &host.users(), look, ui).await?;
        let root = guard(&target.host.user).root;
        let (status, failing) = told(&target, &root, &output).await?;
        Ok(Self {
            target,
            root,
            status,
            failing,
        })
    }

    /// Reads the answer to [`question`], and asks for the health checks: they are given up after `limit`, not the host.
    pub(super) async fn read(
        target: Target,
        password: Option<&Rc<SecretString>>,
        output: &Output,
        limit: Duration,
    ) -> Result<Self> {
        let root = Root::of(&target.host.user, password);
        let answer = answer(&target, &root, output)?;
        let (told, manifest) = answer.split_once(MANIFEST).unwrap_or((&answer, ""));
        let status = state(&target, told)?;
        let failing = match Manifest::read(manifest).map(|manifest| health::checks(&manifest)) {
            Ok(checks) if checks.is_empty() => Some(Vec::new()),
            Ok(checks) => {
                let ask = health::ask(&target, &root, &checks, QUESTION);
                tokio::time::timeout(limit, ask).await.unwrap_or(Ok(None))?
            }
            // there is none: spinet did not make that system
            Err(_) => None,
        };
        Ok(Self {
            target,
            root,
            status,
            failing,
        })
    }

    /// Has a script of our own run on the host as root, without leaving it there; what it prints.
    pub async fn ask(&self, script: &str) -> Result<String> {
        let run = r#"exec sh -c "$(cat)" spinet"#;
        let remote = self.root.run(&["sh", "-c", run], script.as_bytes());
        let output = self.target.run(&remote, Some(QUESTION), |_| ()).await?;
        answer(&self.target, &self.root, &output)
    }
}

/// What the guard's look at the host printed, and which checks of the system it runs fail.
pub async fn told(
    target: &Target,
    root: &Root,
    output: &Output,
) -> Result<(Status, Option<Vec<String>>)> {
    let status = state(target, &answer(target, root, output)?)?;
    let failing = match Manifest::on(target, "/run/current-system").await {
        Ok(manifest) => health::ask(target, root, &health::checks(&manifest), QUESTION).await?,
        // there is none: spinet did not make that system
        Err(error) if error.root_cause().is::<serde_json::Error>() => None,
        Err(error) => return Err(error),
    };
    Ok((status, failing))
}

/// Asks for the guard's look and for the manifest in one session: each costs a small board a good part of a second.
pub(super) fn question(guard: &Guard) -> Remote {
    let mut remote = guard.look();
    let manifest = format!("/run/current-system/{}", manifest::PATH);
    remote.script.push_str(&format!(
        "; code=$?; echo {}; cat {manifest} 2>/dev/null; exit $code",
        MANIFEST.trim()
    ));
    remote
}

fn state(target: &Target, told: &str) -> Result<Status> {
    Status::parse(told).with_context(|| format!("while reading the state of {}", target.host.name))
}

/// What a script printed; a failure is told with what to do if sudo is the reason.
pub(super) fn answer(target: &Target, root: &Root, output: &Output) -> Result<String> {
    let host = &target.host;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut failure = Failure::new(format!(
        "{} did not tell its state: {}",
        host.name,
        visible(output.stderr.trim())
    ));
    if let Some(remedy) = root.remedy(&host.user, &output.stderr) {
        failure = failure.hint(remedy);
    }
    Err(failure.into())
}
