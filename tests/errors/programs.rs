//! Programs of this machine that are not there, or say something else than they would.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::folder::Folder;

/// Where PATH has a program.
pub fn real(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|real| real.is_file())
}

/// A program on PATH that answers some calls, the cases of a shell, and is the real one for all others.
pub fn instead_of(folder: &Folder, program: &str, cases: &str) {
    let real = real(program).unwrap_or_else(|| program.into());
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in\n{cases}\nesac\nexec {} \"$@\"\n",
        real.display()
    );
    folder.program(program, &text);
}

/// Every program of this machine's PATH but one.
pub fn all_but(folder: &Folder, program: &str) -> PathBuf {
    let without = folder.beside(&format!("without-{program}"));
    fs::create_dir(&without).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for entry in std::env::split_paths(&path)
        .filter_map(|dir| dir.read_dir().ok())
        .flatten()
        .flatten()
    {
        if entry.file_name() != program {
            // the first of a name counts
            let _ = symlink(entry.path(), without.join(entry.file_name()));
        }
    }
    without
}
