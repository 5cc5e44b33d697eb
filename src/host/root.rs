//! How spinet becomes root on a host: as the user it logs in as, or through sudo, with or without a password.

use std::rc::Rc;

use age::secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::process::quote;

/// A script for the host's `sh`, and what it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    pub script: String,
    /// May begin with a password.
    pub stdin: Zeroizing<Vec<u8>>,
}

/// The way to root.
#[derive(Debug, Clone, Default)]
pub enum Root {
    /// The login is root's.
    #[default]
    Already,
    /// sudo asks nothing.
    Sudo,
    /// sudo reads the password from standard input.
    Password(Rc<SecretString>),
}

/// Where a command's own input begins. sudo reads the password line before it, or nothing if it needs none.
const INPUT: &str = "spinet: input";

impl Root {
    /// The way for a user: the password is for those who need one.
    pub fn of(user: &str, password: Option<&Rc<SecretString>>) -> Self {
        match (user, password) {
            ("root", _) => Self::Already,
            (_, None) => Self::Sudo,
            (_, Some(password)) => Self::Password(Rc::clone(password)),
        }
    }

    /// Runs words as root; they read `stdin`.
    pub fn run(&self, words: &[&str], stdin: &[u8]) -> Remote {
        let skip = format!(
            "while IFS= read -r line; do [ \"$line\" != {} ] || break; done; exec \"$@\"",
            quote(INPUT)
        );
        let prefix: &[&str] = match self {
            Self::Already => &[],
            Self::Sudo => &["sudo", "-n", "--"],
            Self::Password(_) => &["sudo", "-S", "-p", "", "--", "sh", "-c", &skip, "sh"],
        };
        let quoted: Vec<_> = prefix.iter().chain(words).map(|w| quote(w)).collect();
        let mut input = Zeroizing::new(Vec::with_capacity(stdin.len() + 256));
        if let Self::Password(password) = self {
            for line in [password.expose_secret(), INPUT] {
                input.extend_from_slice(line.as_bytes());
                input.push(b'\n');
            }
        }
        input.extend_from_slice(stdin);
        Remote {
            script: quoted.join(" "),
            stdin: input,
        }
    }

    /// What a user does about a refusal, if what was said is sudo's.
    pub fn remedy(&self, user: &str, stderr: &str) -> Option<String> {
        let of_sudo = |line: &str| line.starts_with("sudo:") && !line.contains("unable to resolve");
        if !stderr.lines().any(of_sudo) {
            return None;
        }
        match self {
            Self::Already => None,
            Self::Sudo => Some(format!(
                "{user} needs sudo without a password there; --ask-sudo-password sends one."
            )),
            Self::Password(_) => Some(format!(
                "Is it the right password, and may {user} use sudo there?"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs what would run on the host, with a `sudo` that reads a password or does not.
    fn through(sudo: &str, root: &Root) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sudo");
        std::fs::write(&path, format!("#!/bin/sh\n{sudo}\n")).unwrap();
        let remote = root.run(&["sed", "s/^/got /"], b"one\ntwo\n");
        let sudo = format!("sudo() {{ sh {} \"$@\"; }}; ", path.display());
        let mut child = std::process::Command::new("sh")
            .args(["-c", &(sudo + &remote.script)])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), &remote.stdin).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn input_arrives_whole_whether_sudo_reads_the_password_or_not() {
        let password = Root::Password(Rc::new("pass word".to_owned().into()));
        let asks = "IFS= read -r p; [ \"$p\" = 'pass word' ] || exit 1; shift 4; exec \"$@\"";
        assert_eq!(through(asks, &password), "got one\ngot two\n");
        assert_eq!(
            through("shift 4; exec \"$@\"", &password),
            "got one\ngot two\n"
        );
        assert_eq!(
            through("shift 2; exec \"$@\"", &Root::Sudo),
            "got one\ngot two\n"
        );
    }

    #[test]
    fn a_password_is_never_an_argument() {
        let password = Root::Password(Rc::new("hunter2".to_owned().into()));
        assert!(!password.run(&["true"], b"").script.contains("hunter2"));
        assert!(!format!("{password:?}").contains("hunter2"));
    }
}
