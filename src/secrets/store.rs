//! One secret written for the recipients of its rule: new, or in the place of what it was.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::edit::Edit;
use super::rules::Rule;
use super::{Audience, Rules, published, replace};
use crate::error::Failure;
use crate::ui::Ui;

/// What is written where.
pub struct Secret<'a> {
    pub rules: &'a Rules,
    pub name: &'a str,
    pub rule: &'a Rule,
    /// The file as it was read; none when there must be none.
    pub was: Option<&'a [u8]>,
    /// A change of the rules that belongs to it: written together or not at all.
    pub with: Option<&'a Edit>,
}

impl Secret<'_> {
    /// Encrypts the content and puts it in place, making the folder of a new secret. Returns the file.
    pub fn write(&self, content: &[u8], ui: &Ui) -> Result<PathBuf> {
        for recipient in &self.rule.recipients {
            published::refuse(recipient)?;
        }
        let path = self.rules.path_of(self.name);
        if !same(&path, self.was)? {
            return Err(Failure::new(format!(
                "{} was changed by somebody else meanwhile; nothing was written.",
                path.display()
            ))
            .into());
        }
        let audience = Audience::of(&self.rule.recipients, ui.plugin_prompts())?;
        let cipher = audience
            .encrypt(content, &self.rule.recipients, self.rule.armor)
            .with_context(|| format!("while encrypting {}", self.name))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("while making the folder {}", folder.display()))?;
        }
        let mut files = vec![(path.clone(), cipher)];
        files.extend(self.with.iter().flat_map(|edit| edit.contents()));
        replace::all(&self.rules.root, &files, |text| ui.say(text))?;
        Ok(path)
    }
}

fn same(path: &PathBuf, was: Option<&[u8]>) -> Result<bool> {
    match std::fs::read(path) {
        Ok(now) => Ok(was.is_some_and(|was| was == now)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(was.is_none()),
        Err(e) => Err(e).with_context(|| format!("while reading {}", path.display())),
    }
}
