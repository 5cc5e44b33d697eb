//! `spinet completions` and `spinet man`: what a package installs beside the program.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cli::{self, Shell};
use crate::man;

/// Prints the code by which a shell asks spinet for completions, as [`crate::run`] answers it.
pub fn completions(shell: Shell) -> Result<()> {
    print(match shell {
        Shell::Bash => include_bytes!("../complete/spinet.bash").as_slice(),
        Shell::Zsh => include_bytes!("../complete/spinet.zsh"),
        Shell::Fish => include_bytes!("../complete/spinet.fish"),
    })
}

/// Writes a page for each command into a folder, or prints that of spinet itself.
pub fn man(folder: Option<&Path>) -> Result<()> {
    let pages = man::pages(cli::command());
    let Some(folder) = folder else {
        return pages
            .first()
            .map_or(Ok(()), |page| print(page.text.as_bytes()));
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

fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).context("while printing")
}
