//! The programs of others that spinet runs, and where they come from.

use anyhow::Result;

use crate::error::Failure;
use crate::process;

/// A program, what it is for, and what brings it.
pub struct Tool {
    pub name: &'static str,
    pub purpose: &'static str,
    pub remedy: &'static str,
}

impl Tool {
    /// The error of whatever needs it.
    pub fn is_missing(&self) -> Failure {
        Failure::new(format!("`{}` is not on PATH.", self.name)).hint(self.remedy)
    }
}

const fn tool(name: &'static str, purpose: &'static str, remedy: &'static str) -> Tool {
    Tool {
        name,
        purpose,
        remedy,
    }
}

const OPENSSH: &str = "Install OpenSSH.";
const E2FSPROGS: &str = "Install e2fsprogs.";

/// Nothing works without nix, which is looked at apart.
const NEEDED: [Tool; 7] = [
    tool("git", "the flake", "Install git."),
    tool("ssh", "every host", OPENSSH),
    tool("ssh-keygen", "every host", OPENSSH),
    tool("ssh-keyscan", "bootstrap", OPENSSH),
    tool("debugfs", "cards", E2FSPROGS),
    tool("e2fsck", "cards", E2FSPROGS),
    tool("lsblk", "cards", "Install util-linux."),
];

/// Fails unless a program of these is on PATH: without it, what it is asked would look like a no.
pub fn need(name: &str) -> Result<()> {
    match NEEDED.into_iter().find(|tool| tool.name == name) {
        Some(tool) if process::find(name).is_none() => Err(tool.is_missing().into()),
        _ => Ok(()),
    }
}

/// Those that are nowhere on this machine.
pub fn missing() -> Vec<Tool> {
    let lacks = |tool: &Tool| !process::tool(tool.name).is_absolute();
    NEEDED.into_iter().filter(lacks).collect()
}

/// How many are looked for.
pub fn count() -> usize {
    NEEDED.len()
}
