//! The public keys that ssh offers by itself: those in ssh-agent and those in `~/.ssh`.

use std::path::PathBuf;

use crate::error::Failure;
use crate::process::Cmd;

/// One a line of the agent's and of the files, as `ssh-ed25519 AAAA.. comment`.
pub async fn own() -> Vec<String> {
    let agent = Cmd::new("ssh-add").arg("-L").output().await;
    let mut texts: Vec<String> = agent
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .into_iter()
        .collect();
    let folder = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".ssh"));
    let files = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    for file in files.into_iter().flatten().flatten() {
        if file.path().extension().is_some_and(|end| end == "pub") {
            texts.extend(std::fs::read_to_string(file.path()));
        }
    }
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .filter(|line| line.contains(' '))
        .map(str::to_owned)
        .collect()
}

/// The error for a host whose configuration lets nobody in.
pub fn nobody(host: &str) -> Failure {
    Failure::new(format!(
        "Nobody could log in to {host}: its configuration authorizes no SSH key for root."
    ))
    .hint(format!(
        "Add yours to users.users.root.openssh.authorizedKeys.keys in hosts/{host}."
    ))
}
