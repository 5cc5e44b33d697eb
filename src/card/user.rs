//! The user on whose behalf files are opened by a process with more rights than the user has.

use anyhow::{Context, Result};
use rustix::fs::{Gid, Uid};
use rustix::process::{getegid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::process::Cmd;
use crate::ui::visible;

/// What sudo and run0 (the user's number), and doas (the name), tell a program of who asked for it. They set it
/// themselves, whatever the user had there.
pub const ASKED_BY: [&str; 2] = ["SUDO_UID", "DOAS_USER"];

/// User and groups, the main group first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    uid: Uid,
    groups: Vec<Gid>,
}

impl User {
    /// Who runs this process.
    pub fn own() -> Self {
        let mut groups = vec![getegid()];
        groups.extend(
            getgroups()
                .unwrap_or_default()
                .into_iter()
                .filter(|g| *g != getegid()),
        );
        Self {
            uid: geteuid(),
            groups,
        }
    }

    /// Who had this process started with more rights than their own; else who runs it.
    pub async fn who_asked() -> Result<Self> {
        match ASKED_BY.into_iter().find_map(std::env::var_os) {
            Some(name) => Self::named(&name.to_string_lossy()).await,
            None => Ok(Self::own()),
        }
    }

    /// The user of a name or number, as `id` knows it.
    async fn named(name: &str) -> Result<Self> {
        let ask = async |option| Cmd::new("id").args([option, "--", name]).text().await;
        let number = |text: &str| {
            text.parse::<u32>()
                .with_context(|| format!("while reading what `id` says of {}", visible(name)))
        };
        let uid = Uid::from_raw(number(&ask("-u").await?)?);
        let groups: Result<Vec<_>, _> = ask("-G").await?.split_whitespace().map(number).collect();
        Ok(Self {
            uid,
            groups: groups?.into_iter().map(Gid::from_raw).collect(),
        })
    }

    /// Does `work` as this user: what the user cannot open, `work` cannot. In a thread of its own, because on Linux
    /// each thread has its own rights (`credentials(7)`), and with them for good.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.become_user()?;
                Ok(work())
            });
            match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn become_user(&self) -> Result<()> {
        if *self == Self::own() {
            return Ok(());
        }
        let change = || -> rustix::io::Result<()> {
            let group = self.groups.first().copied();
            set_thread_groups(&self.groups)?;
            set_thread_res_gid(group, group, group)?;
            set_thread_res_uid(self.uid, self.uid, self.uid)
        };
        change().context("while giving up rights")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<User> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(User::named(name))
    }

    #[test]
    fn a_user_is_known_by_name_and_by_number() {
        let (name, number) = (named("root").unwrap(), named("0").unwrap());
        assert_eq!(
            (name.uid, name.groups.first()),
            (Uid::ROOT, Some(&Gid::ROOT))
        );
        assert_eq!(name, number);
        assert!(named("no such user").is_err());
        assert!(named("").is_err());
    }

    #[test]
    fn what_a_user_cannot_open_is_not_opened_for_that_user() {
        if !geteuid().is_root() {
            println!("skipped: not root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "").unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let nobody = User {
            uid: Uid::from_raw(65534),
            groups: vec![Gid::from_raw(65534)],
        };
        let open = || std::fs::File::open(&secret).map(drop).map_err(|e| e.kind());
        assert_eq!(
            nobody.run(open).unwrap(),
            Err(std::io::ErrorKind::PermissionDenied)
        );
        // this thread kept its rights
        assert_eq!(open(), Ok(()));
    }
}
