//! One secret written for the recipients of its rule: new, or in the place of what it was.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::edit::Edit;
use super::replace::{self, Replacement};
use super::rules::Rule;
use super::{Audience, Rules, published};
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
        let audience = Audience::of(&self.rule.recipients, ui.plugin_prompts())?;
        let cipher = audience
            .encrypt(content, &self.rule.recipients, self.rule.armor)
            .with_context(|| format!("while encrypting {}", self.name))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("while making the folder {}", folder.display()))?;
        }
        let mut files = vec![Replacement {
            path: path.clone(),
            before: self.was.map(<[u8]>::to_vec),
            after: cipher,
        }];
        files.extend(self.with.iter().flat_map(|edit| edit.replacements()));
        replace::all(&self.rules.root, &files, |text| ui.say(text))?;
        Ok(path)
    }
}
