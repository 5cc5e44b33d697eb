//! `spinet completions` and `spinet man`: what a package installs beside the program.

use std::path::Path;

use anyhow::{Context, Result};

use crate::cli::{self, Shell};
use crate::man;
use crate::ui::print_bytes;

/// Prints the code by which a shell asks spinet for completions, as [`crate::run`] answers it.
pub fn completions(shell: Shell) {
    print_bytes(match shell {
        Shell::Bash => include_bytes!("../complete/spinet.bash"),
        Shell::Zsh => include_bytes!("../complete/spinet.zsh"),
        Shell::Fish => include_bytes!("../complete/spinet.fish"),
    });
}

/// Writes a page for each command into a folder, or prints that of spinet itself.
pub fn man(folder: Option<&Path>) -> Result<()> {
    let pages = man::pages(cli::command());
    let Some(folder) = folder else {
        if let Some(page) = pages.first() {
            print_bytes(page.text.as_bytes());
        }
        return Ok(());
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("while making the folder {}", folder.display()))?;
    for page in pages {
        let path = folder.join(page.file);
        std::fs::write(&path, page.text)
            .with_context(|| format!("while writing {}", path.display()))?;
    }
    Ok(())
}
