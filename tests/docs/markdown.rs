//! As much of Markdown as the docs use: code in blocks and in lines, links, and the anchors of headings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Something to copy and run.
    Block,
    /// Something that is spoken of.
    Inline,
}

pub struct Code {
    pub line: usize,
    pub text: String,
    pub place: Place,
}

pub struct Link {
    pub line: usize,
    pub target: String,
}

/// One file, by its path in the repository.
pub struct Page {
    pub name: String,
    pub code: Vec<Code>,
    pub links: Vec<Link>,
    pub anchors: BTreeSet<String>,
}

impl Page {
    pub fn read(name: String, text: &str) -> Self {
        let mut page = Self {
            name,
            code: Vec::new(),
            links: Vec::new(),
            anchors: BTreeSet::new(),
        };
        let mut fence: Option<bool> = None;
        let mut after_blank = true;
        let mut in_block = false;
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            if let Some(language) = line.trim_start().strip_prefix("```") {
                fence = match fence {
                    Some(_) => None,
                    None => Some(matches!(language.trim(), "" | "sh" | "console")),
                };
                continue;
            }
            if let Some(is_shell) = fence {
                if is_shell {
                    page.block(number, line);
                }
                continue;
            }
            in_block = line.starts_with("    ") && (after_blank || in_block);
            after_blank = line.trim().is_empty();
            if in_block {
                page.block(number, line);
            } else {
                page.prose(number, line);
            }
        }
        page
    }

    fn block(&mut self, line: usize, text: &str) {
        self.code.push(Code {
            line,
            text: text.trim().to_owned(),
            place: Place::Block,
        });
    }

    fn prose(&mut self, line: usize, text: &str) {
        if text.starts_with('#') {
            self.anchors.insert(anchor(text));
        }
        let mut plain = String::new();
        for (index, part) in text.split('`').enumerate() {
            if index % 2 == 0 {
                plain.push_str(part);
            } else {
                self.code.push(Code {
                    line,
                    // a table's own bars are not those of the code in it
                    text: part.replace("\\|", "|"),
                    place: Place::Inline,
                });
            }
        }
        for after in plain.split("](").skip(1) {
            if let Some((target, _)) = after.split_once(')') {
                self.links.push(Link {
                    line,
                    target: target.to_owned(),
                });
            }
        }
    }
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then_some(c),
        })
        .collect()
}

/// Adds the Markdown files in a folder and below it, as paths from the root.
pub fn files(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap())
        .collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}
