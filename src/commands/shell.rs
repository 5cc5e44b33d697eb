//! `spinet completions` and `spinet man`: what a package installs beside the program.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::env::Shells;

use crate::cli::{Cli, Shell};

/// Prints the code by which a shell asks spinet for completions.
pub fn completions(shell: Shell) -> Result<()> {
    let shells = Shells::builtins();
    let name = shell.name();
    let completer = shells
        .completer(name)
        .with_context(|| format!("There are no completions for {name}."))?;
    let mut code = Vec::new();
    completer.write_registration("COMPLETE", "spinet", "spinet", "spinet", &mut code)?;
    print(&code)
}

/// Writes a page for each command into a folder, or prints that of spinet itself.
pub fn man(folder: Option<&Path>) -> Result<()> {
    let command = Cli::command();
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("while making the folder {}", folder.display()))?;
        return clap_mangen::generate_to(command, folder)
            .with_context(|| format!("while writing man pages into {}", folder.display()));
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    print(&page)
}

fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).context("while printing")
}
