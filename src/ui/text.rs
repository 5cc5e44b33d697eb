//! Text from outside (network names, device names, logs) made safe to print, and sizes for people.

/// Escapes control and bidirectional characters, so that a name cannot move the cursor or reorder a line.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push(' '),
            '\u{200e}'
            | '\u{200f}'
            | '\u{061c}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                shown.extend(c.escape_unicode());
            }
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// A line that ends where there is no more room for it.
pub fn cut(line: &str, columns: Option<usize>) -> String {
    match columns {
        Some(columns) if line.chars().count() > columns => {
            let kept: String = line.chars().take(columns.saturating_sub(1)).collect();
            kept + "…"
        }
        _ => line.to_owned(),
    }
}

/// `1 file`, `2 files`, `2 addresses`.
pub fn counted(number: usize, thing: &str) -> String {
    let plural = match number {
        1 => "",
        _ if thing.ends_with('s') => "es",
        _ => "s",
    };
    format!("{number} {thing}{plural}")
}

/// Every line moved right by two columns.
pub fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// A size in bytes as people read it: powers of 1000, as card makers print them.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if size < 1000 {
        return format!("{size} B");
    }
    let mut tenths = size / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// What a question is about, as a sentence: without how it is answered at a terminal.
pub fn asked(question: &str) -> String {
    let how = [" Type ", " Number"];
    let cut = how.iter().find_map(|how| question.find(how));
    let about = question[..cut.unwrap_or(question.len())].trim_end_matches(':');
    let stop = if about.ends_with(['.', '?']) { "" } else { "." };
    format!("{about}{stop}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_one_or_several() {
        assert_eq!(counted(1, "path"), "1 path");
        assert_eq!(counted(0, "path"), "0 paths");
        assert_eq!(counted(2, "address"), "2 addresses");
    }

    #[test]
    fn names_cannot_move_the_cursor() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(visible("Zur Post ☕"), "Zur Post ☕");
    }

    #[test]
    fn sizes_are_rounded_down_to_a_tenth() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(31_914_983_424), "31.9 GB");
        assert_eq!(bytes(1_500), "1.5 kB");
    }

    #[test]
    fn a_question_nobody_can_answer_is_told_without_how_to() {
        for (question, about) in [
            ("Let orff read it? Type yes:", "Let orff read it?"),
            (
                "All will be lost. Type its name to go on:",
                "All will be lost.",
            ),
            ("Which card? Number:", "Which card?"),
            ("Passphrase of key:", "Passphrase of key."),
        ] {
            assert_eq!(asked(question), about);
        }
    }
}
