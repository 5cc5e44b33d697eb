//! The user on whose behalf files are opened by a process with more rights than the user has.

use std::str::FromStr;

use anyhow::{Context, Result};
use rustix::fs::{Gid, Uid};
use rustix::process::{getegid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// User and groups, printed as `UID:GID,GID..`, the main group first.
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

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let groups: Vec<_> = self.groups.iter().map(|g| g.as_raw().to_string()).collect();
        write!(f, "{}:{}", self.uid.as_raw(), groups.join(","))
    }
}

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (uid, groups) = text.split_once(':')?;
            let groups: Option<_> = groups
                .split(',')
                .map(|g| g.parse().ok().map(Gid::from_raw))
                .collect();
            Some(Self {
                uid: Uid::from_raw(uid.parse().ok()?),
                groups: groups?,
            })
        };
        parse().ok_or_else(|| "not of the form UID:GID,GID..".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_survives_the_command_line() {
        let user: User = "1000:100,27".parse().unwrap();
        assert_eq!(user.to_string(), "1000:100,27");
        assert!("1000".parse::<User>().is_err());
        assert!("0x1:1".parse::<User>().is_err());
        assert_eq!(User::own().to_string().parse(), Ok(User::own()));
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
        let nobody: User = "65534:65534".parse().unwrap();
        let open = || std::fs::File::open(&secret).map(drop).map_err(|e| e.kind());
        assert_eq!(
            nobody.run(open).unwrap(),
            Err(std::io::ErrorKind::PermissionDenied)
        );
        // this thread kept its rights
        assert_eq!(open(), Ok(()));
    }
}
