//! Whose history it is: that of the flake around a place, or of the work tree of secrets that belong to no flake.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::fleet::{around, none_around};
use crate::git;
use crate::secrets::Rules;

/// The folder whose history a user means who stands in `here`.
pub async fn of_folder(here: &Path) -> Result<PathBuf> {
    let here = here
        .canonicalize()
        .with_context(|| format!("while looking for {}", here.display()))?;
    if let Some(flake) = around(&here) {
        return Ok(flake.to_owned());
    }
    let rules = Rules::find(&here, None)
        .ok()
        .and_then(|rules| rules.canonicalize().ok());
    let Some(folder) = rules.as_deref().and_then(Path::parent) else {
        return Err(none_around("flake.nix and no secrets.nix", &here).into());
    };
    let root = git::work_tree(folder).await;
    Ok(root.unwrap_or_else(|| folder.to_owned()))
}

/// The folder whose history a change of rules belongs to: that of the flake around them, else their work tree `root`.
pub fn of_rules(file: &Path, root: &Path) -> PathBuf {
    let inside = around(file).filter(|dir| dir.starts_with(root));
    inside.unwrap_or(root).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_belong_to_the_flake_around_them() {
        let dir = tempfile::tempdir().unwrap();
        let (root, flake) = (dir.path(), dir.path().join("homes"));
        let rules = flake.join("secrets/secrets.nix");
        std::fs::create_dir_all(rules.parent().unwrap()).unwrap();
        assert_eq!(of_rules(&rules, root), root);
        std::fs::write(flake.join("flake.nix"), "").unwrap();
        assert_eq!(of_rules(&rules, root), flake);
        let secrets = flake.join("secrets");
        assert_eq!(of_rules(&rules, &secrets), secrets);
    }
}
