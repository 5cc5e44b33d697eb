//! Groups of keys and values, as iwd (`iwd.network(5)`) and NetworkManager (GKeyFile) write them, and their escapes.

use zeroize::Zeroizing;

/// The text of such a file. Blocks of PEM embedded in iwd's files lie in groups of their own.
pub struct Keyfile<'a>(pub &'a str);

impl<'a> Keyfile<'a> {
    /// The last value given for a key, without the white space around it, escapes kept.
    pub fn raw(&self, group: &str, key: &str) -> Option<&'a str> {
        let mine = |(g, k, _): &(&str, &str, &str)| *g == group && *k == key;
        self.entries()
            .filter(mine)
            .last()
            .map(|(_, _, value)| value)
    }

    /// The same, unescaped.
    pub fn text(&self, group: &str, key: &str) -> Option<Zeroizing<String>> {
        self.raw(group, key).map(unescape)
    }

    pub fn is_true(&self, group: &str, key: &str) -> bool {
        self.raw(group, key)
            .is_some_and(|value| value == "true" || value == "1")
    }

    /// Every group, key and value, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        let mut group = "";
        self.0.lines().filter_map(move |line| {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                group = name;
                return None;
            }
            let (key, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
            Some((group, key.trim_end(), value.trim_start()))
        })
    }
}

/// `\\s \\t \\r \\n \\\\`; anything else behind a backslash stays as it is.
pub fn unescape(value: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(value.len()));
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('s') => text.push(' '),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('n') => text.push('\n'),
            Some('\\') => text.push('\\'),
            other => {
                text.push('\\');
                text.extend(other);
            }
        }
    }
    text
}

/// The other way, for a value that keeps the spaces at its ends.
pub fn escape(text: &str) -> Zeroizing<String> {
    let inner = text.trim_matches(' ');
    let ends = text.len() - text.trim_start_matches(' ').len();
    let mut value = Zeroizing::new(String::with_capacity(text.len() * 2));
    for (at, c) in text.char_indices() {
        match c {
            ' ' if at < ends || at >= ends + inner.len() => value.push_str("\\s"),
            '\t' => value.push_str("\\t"),
            '\r' => value.push_str("\\r"),
            '\n' => value.push_str("\\n"),
            '\\' => value.push_str("\\\\"),
            c => value.push(c),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_survives() {
        proptest::proptest!(|(text in "[ \\t\\\\=#\\[a-zé\\n\\r]{0,20}")| {
            let file = format!("[G]\nKey={}\n", *escape(&text));
            proptest::prop_assert_eq!(&*Keyfile(&file).text("G", "Key").unwrap(), &text);
        });
    }

    #[test]
    fn the_last_value_of_the_right_group_counts() {
        let file = Keyfile("[A]\nx=1\n# x=2\n[B]\nx=3\n[A]\n x = 4 \n");
        assert_eq!(file.raw("A", "x"), Some("4"));
        assert_eq!(file.raw("B", "x"), Some("3"));
        assert_eq!(file.raw("B", "y"), None);
    }
}
