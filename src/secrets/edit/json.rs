//! Keys in a JSON file, and a new one beside them.

use std::ops::Range;

use serde_json::Value;

use super::tree::{self, Key};
use crate::secrets::Recipient;

/// Every key that is the value of a member, with its path; its binding is the string itself.
pub fn keys(text: &str) -> Vec<Key> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_str(text) {
        collect(text, &value, &mut Vec::new(), &mut found);
    }
    found.sort_by_key(|key: &Key| key.binding.as_ref().map(|at| at.start));
    found
}

fn collect(text: &str, value: &Value, path: &mut Vec<String>, found: &mut Vec<Key>) {
    let Value::Object(members) = value else {
        return;
    };
    for (name, value) in members {
        path.push(name.clone());
        if let Value::String(line) = value {
            // a key needs no escapes: it stands in the text as it is
            let written = format!("\"{line}\"");
            if let (Some(start), true) = (text.find(&written), line.starts_with("ssh-")) {
                found.extend(
                    Recipient::parse_all(line)
                        .into_iter()
                        .take(1)
                        .map(|recipient| Key {
                            recipient,
                            path: Some(path.clone()),
                            binding: Some(start..start + written.len()),
                        }),
                );
            }
        }
        collect(text, value, path, found);
        path.pop();
    }
}

/// The text to insert after the string at `neighbour`: one more member of the same object, laid out the same way.
pub fn member(text: &str, neighbour: &Range<usize>, name: &str, line: &str) -> String {
    let before = &text[..neighbour.start];
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    let indent = tree::indent_at(text, neighbour.start);
    let own_line = before[line_start..].trim_start().starts_with('"');
    let separator = if own_line {
        format!("{}{indent}", tree::line_end(text))
    } else {
        " ".to_owned()
    };
    format!(",{separator}\"{name}\": \"{}\"", line.trim())
}
