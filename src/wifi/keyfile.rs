//! Groups of keys and values, as iwd (`iwd.network(5)`) and NetworkManager (GKeyFile) write them, and their escapes.

use zeroize::Zeroizing;

/// The text of such a file. Blocks of PEM embedded in iwd's files lie in groups of their own.
pub struct Keyfile<'a> {
    text: &'a str,
    /// Which value counts when a key is given twice: iwd (libell) takes the first, `NetworkManager` (glib) the last.
    first: bool,
}

impl<'a> Keyfile<'a> {
    pub fn of_iwd(text: &'a str) -> Self {
        Self { text, first: true }
    }

    pub fn of_network_manager(text: &'a str) -> Self {
        Self { text, first: false }
    }

    /// The value of a key, escapes kept. White space before it does not count, behind it it does.
    pub fn raw(&self, group: &str, key: &str) -> Option<&'a str> {
        let mine = |(g, k, _): &(&str, &str, &str)| *g == group && *k == key;
        let mut values = self.entries().filter(mine).map(|(_, _, value)| value);
        if self.first {
            values.next()
        } else {
            values.last()
        }
    }

    /// The same, unescaped.
    pub fn text(&self, group: &str, key: &str) -> Option<Zeroizing<String>> {
        self.raw(group, key).map(unescape)
    }

    pub fn is_true(&self, group: &str, key: &str) -> bool {
        self.raw(group, key)
            .is_some_and(|value| matches!(value.trim_end(), "true" | "1"))
    }

    /// Every group, key and value, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        let mut group = "";
        self.text.lines().filter_map(move |line| {
            let line = line.trim_start();
            if let Some(name) = group_of(line) {
                group = name;
                return None;
            }
            let (key, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
            Some((group, key.trim_end(), value.trim_start()))
        })
    }

    /// The number of the first line for which iwd refuses the whole file.
    pub fn fault(&self) -> Option<usize> {
        let mut group = "";
        let bad = |line: &'a str| {
            let start = line.trim_start();
            if let Some(name) = group_of(start) {
                group = name;
                return line.contains('\r');
            }
            let nothing = start.is_empty() || start.starts_with('#');
            let value = !group.is_empty() && !start.starts_with('=') && start.contains('=');
            line.contains('\r') || !(nothing || value || group.starts_with("@pem@"))
        };
        self.text.split('\n').position(bad).map(|index| index + 1)
    }
}

fn group_of(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.trim_end().strip_suffix(']')
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
            proptest::prop_assert_eq!(&*Keyfile::of_iwd(&file).text("G", "Key").unwrap(), &text);
        });
    }

    #[test]
    fn of_two_values_iwd_takes_the_first_and_network_manager_the_last() {
        let text = "[A]\nx=1\n# x=2\n[B]\nx=3\n[A]\n x = 4 \n";
        let (iwd, manager) = (Keyfile::of_iwd(text), Keyfile::of_network_manager(text));
        assert_eq!(iwd.raw("A", "x"), Some("1"));
        assert_eq!(manager.raw("A", "x"), Some("4 "));
        assert_eq!(manager.raw("B", "x"), Some("3"));
        assert_eq!(manager.raw("B", "y"), None);
    }

    #[test]
    fn the_line_that_iwd_stumbles_over_is_found() {
        let fault = |text| Keyfile::of_iwd(text).fault();
        let good = "# c\n[A] \n  x = 1\n\n  # c\ny=\n[@pem@ca]\nMII\n";
        assert_eq!(fault(good), None);
        for (text, line) in [
            ("[A]\r\nx=1\r\n", 1),
            ("[A]\nx=1\nnonsense\n", 3),
            ("x=1\n[A]\n", 1),
            ("[A]\n;c\n", 2),
            ("[A]\n=x\n", 2),
            ("[A]x\n", 1),
        ] {
            assert_eq!(fault(text), Some(line), "{text:?}");
        }
    }
}
