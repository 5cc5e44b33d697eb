//! A closure on its way to a host: over the shared SSH connection, or through a binary cache that has it once for all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::job::Job;
use super::room::Lacking;
use super::stage::Stage;
use crate::error::Failure;
use crate::host::root::Root;
use crate::host::ssh::{Login, Target};
use crate::nix::Nix;
use crate::process::quote;
use crate::ui::{Ui, bytes, counted, visible};

/// A lost link is tried again: nix continues with the paths that are still missing.
const TRIES: u32 = 3;
/// How long a link may take to come back.
const PAUSE: Duration = Duration::from_secs(2);

/// Puts all closures into the cache.
pub async fn push<'p>(
    nix: &Nix,
    toplevels: impl Iterator<Item = &'p PathBuf>,
    cache: &str,
    ui: &Ui,
) -> Result<()> {
    let toplevels: Vec<PathBuf> = toplevels.cloned().collect();
    if toplevels.is_empty() {
        return Ok(());
    }
    ui.say(format!("Pushing the closures to {}.", visible(cache)));
    let pushed = nix
        .copy(&toplevels, cache, &[], false, |event| ui.nix("", event))
        .await;
    ui.done("");
    pushed.map_err(|e| {
        Failure::new(format!("The closures could not be pushed to {}.", visible(cache)))
            .hint("`nix copy --to URL` must be able to write there: file:///PATH, s3://BUCKET, ssh://HOST. Hosts can fetch from another URL of the same cache when it is in their own substituters: leave --cache out then, and give --substitute-on-destination.")
            .source(e)
            .into()
    })
}

impl Job<'_> {
    /// Brings the closure to the host, whatever the link does meanwhile.
    pub(super) async fn copy(
        &self,
        target: &Target,
        toplevel: &Path,
        lacking: &Lacking,
    ) -> Result<()> {
        let name = self.name();
        self.ui().say(format!(
            "{name}: copying {} in {}",
            bytes(lacking.bytes),
            counted(lacking.paths, "path")
        ));
        let mut tries = 1;
        self.stage(Stage::Copy, "copying");
        loop {
            let copied = match &self.run.options.cache {
                Some(cache) => self.fetch(target, toplevel, cache).await,
                None => self.send(target, toplevel).await.map(|()| None),
            };
            match copied {
                Ok(None) => return Ok(()),
                // it would be as wrong the next time
                Ok(Some(wrong)) => return Err(wrong.into()),
                Err(error) if format!("{error:#}").contains(UNSIGNED) => {
                    return Err(untrusted(name, &target.host.user, error));
                }
                Err(error) if is_full(&format!("{error:#}")) => {
                    let what = format!("No space was left when the closure was copied to {name}.");
                    return Err(self.no_room(&what).source(error).into());
                }
                Err(error) if tries == TRIES && self.run.options.cache.is_some() => {
                    return Err(error);
                }
                Err(error) if tries == TRIES => return Err(gave_up(target, error)),
                Err(error) => {
                    tries += 1;
                    let what = match login(&error) {
                        Login::Stranger => "a stranger answers in its place",
                        _ => "the copy broke off",
                    };
                    self.ui().warn(format!(
                        "{name}: {what}; trying again ({tries} of {TRIES})."
                    ));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn send(&self, target: &Target, toplevel: &Path) -> Result<()> {
        // without it the host's nix takes unsigned paths from its trusted users only
        let program = match self.guard(&target.host.user).root {
            Root::Sudo => "?remote-program=sudo%20-n%20nix-store",
            Root::Already | Root::Password(_) => "",
        };
        let store = format!("ssh://{}{program}", target.destination());
        let name = self.name();
        let sent = self
            .run
            .nix
            .copy(
                &[toplevel.to_owned()],
                &store,
                &target.shared_options(),
                self.run.options.substitute,
                |event| self.ui().nix(name, event),
            )
            .await;
        self.ui().done(name);
        sent
    }

    /// The host fetches from the cache. What it fetched is held against the local store, path by path: the cache need not
    /// be trusted, nor sign anything. Returns what to say where it is something else.
    async fn fetch(
        &self,
        target: &Target,
        toplevel: &Path,
        cache: &str,
    ) -> Result<Option<Failure>> {
        let root = &self.guard(&target.host.user).root;
        let path = toplevel.display().to_string();
        let words = [
            "nix",
            "--extra-experimental-features",
            "nix-command",
            "copy",
            "--no-check-sigs",
            "--from",
            cache,
            &path,
        ];
        let remote = root.run(&words, &[]);
        let output = target
            .run(&remote, None, |line| self.ui().detail(visible(line)))
            .await?;
        if !output.status.success() {
            let last = crate::host::ssh::last_line(&output.stderr);
            return Err(Failure::new(format!(
                "{} could not fetch from {}: {last}",
                self.name(),
                visible(cache)
            ))
            .hint("The host must reach the cache under the same URL as this machine.")
            .into());
        }
        let hashes = self.run.nix.closure_hashes(toplevel).await?;
        let list = hashes.keys().fold(String::new(), |l, p| l + p + "\n");
        let remote = root.run(
            &["xargs", "nix-store", "--query", "--hash"],
            list.as_bytes(),
        );
        let theirs = self.must(target, &remote).await?;
        let theirs: Vec<&str> = theirs.lines().collect();
        let differing = hashes
            .iter()
            .zip(theirs.iter().copied().chain(std::iter::repeat("")))
            .find(|((_, ours), theirs)| ours.as_str() != *theirs);
        Ok(differing.map(|((path, _), _)| {
            Failure::new(format!(
                "What {} fetched from {} is not what was built: {path} differs.",
                self.name(),
                visible(cache)
            ))
            .hint(format!("Nothing was activated. Somebody or something changed the cache; take the path off the host with `nix-store --delete {}`.", quote(path)))
        }))
    }
}

/// The error of the last try. A stranger in the host's place is called that, not by what ssh says through nix.
fn gave_up(target: &Target, error: anyhow::Error) -> anyhow::Error {
    let host = &target.host;
    match login(&error) {
        Login::Stranger => Login::Stranger.into_failure(host, error),
        _ => Failure::new(format!("The closure could not be copied to {}.", host.name))
            .hint("Deploy again: what was copied already is there.")
            .source(error),
    }
    .into()
}

/// How the login of a copy went, from what ssh said through nix.
fn login(error: &anyhow::Error) -> Login {
    Login::read(&format!("{error:#}"))
}

/// The host's nix does not take paths from the user: another try would not change that.
const UNSIGNED: &str = "lacks a signature";
/// What programs and nix' database say of a full disk.
const FULL: [&str; 2] = ["No space left on device", "database or disk is full"];

/// Whether a disk was full: another try would not make room.
pub(super) fn is_full(said: &str) -> bool {
    FULL.iter().any(|words| said.contains(words))
}

fn untrusted(name: &str, user: &str, error: anyhow::Error) -> anyhow::Error {
    Failure::new(format!("{name} takes no unsigned paths from {user}."))
        .hint(format!("Add `nix.settings.trusted-users = [ \"{user}\" ];` to its configuration (spinet's module does that for spinet.deploy.user), or deploy once as root."))
        .source(error)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_known_by_what_is_said_of_it() {
        for said in [
            "cat: write error: No space left on device",
            "error: committing transaction: database or disk is full (in '/nix/var/nix/db/db.sqlite')",
        ] {
            assert!(is_full(said), "{said}");
        }
        assert!(!is_full("error: cannot connect to 'root@bach.local'"));
    }
}
