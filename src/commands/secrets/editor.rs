//! The user's editor on a file in memory.

use std::path::Path;

use anyhow::Result;

use crate::error::Failure;
use crate::process::{Cmd, find};
use crate::ui::Ui;

/// Vim keeps swap, undo, backup and history files outside the folder of the file unless told not to; `-c` comes after
/// the user's own settings. Neovim takes the same options.
const VIM: [&str; 8] = [
    "-n",
    "-i",
    "NONE",
    "--cmd",
    "set noswapfile nobackup nowritebackup noundofile",
    "-c",
    "set noswapfile nobackup nowritebackup noundofile",
    "--",
];

/// The command the user edits with: `--editor`, `$VISUAL`, `$EDITOR`.
pub fn of_user(flag: Option<&str>) -> Result<String> {
    let set = |name| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.trim().is_empty())
    };
    flag.map(str::to_owned)
        .or_else(|| set("VISUAL"))
        .or_else(|| set("EDITOR"))
        .ok_or_else(|| {
            Failure::usage("Which editor? Neither VISUAL nor EDITOR is set.")
                .hint("Name it with --editor COMMAND, or give the content with --from FILE.")
                .into()
        })
}

/// Runs the editor on the file, on the terminal, and waits for its end.
pub async fn run(command: &str, file: &Path, ui: &Ui) -> Result<()> {
    let mut cmd = Cmd::new("sh")
        .arg("-c")
        .arg(format!("{command} \"$@\""))
        .arg("editor");
    if is_vim(command) {
        cmd = cmd.args(VIM);
    }
    ui.lend_terminal(true);
    let result = cmd.arg(file).on_terminal().await;
    ui.lend_terminal(false);
    result.map_err(|e| {
        Failure::new(format!(
            "The editor `{command}` failed; nothing was written."
        ))
        .source(e)
        .into()
    })
}

/// Whether the command starts a vim, by its name or by what it is a link to.
fn is_vim(command: &str) -> bool {
    let Some(program) = command.split_whitespace().next() else {
        return false;
    };
    let vim = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().contains("vim"))
    };
    let real = find(program).or_else(|| Some(program.into()));
    vim(Path::new(program))
        || real
            .and_then(|p| p.canonicalize().ok())
            .is_some_and(|p| vim(&p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vims_are_known_by_name() {
        for vim in ["vim", "/usr/bin/nvim -u NONE", "gvim -f", "vim.basic"] {
            assert!(is_vim(vim), "{vim}");
        }
        for other in ["nano", "emacs -nw", "code --wait", ""] {
            assert!(!is_vim(other), "{other}");
        }
    }
}
