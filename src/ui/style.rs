//! Colours, where they mean something: what went wrong, what is right, where a run is, and what somebody else said. They
//! are left out where nobody sees them (`NO_COLOR`, no terminal).

use anstyle::{AnsiColor, Style};

const BAD: Style = AnsiColor::Red.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const PLACE: Style = Style::new().bold();
const OTHERS: Style = Style::new().dimmed();

/// What ended as it should.
pub fn good(text: &str) -> String {
    paint(GOOD, text)
}

/// What did not.
pub fn bad(text: &str) -> String {
    paint(BAD, text)
}

/// A line of a message, its beginning painted by what it is.
pub fn line(text: &str) -> String {
    for (begin, style) in [("Error:", BAD), ("Warning:", DOUBTFUL), ("Hint:", PLACE)] {
        if let Some(rest) = text.strip_prefix(begin) {
            return paint(style, begin) + rest;
        }
    }
    if let Some(end) = step(text) {
        return paint(PLACE, &text[..end]) + &text[end..];
    }
    if is_of_host(text) {
        return paint(OTHERS, text);
    }
    text.to_owned()
}

/// Whether a line was printed by a host: `bach | activating the configuration...`.
pub fn is_of_host(line: &str) -> bool {
    line.split_once(" | ")
        .is_some_and(|(host, _)| !host.is_empty() && !host.contains(' '))
}

/// Where `[2/5]` ends that a line begins with.
fn step(text: &str) -> Option<usize> {
    let (number, _) = text.strip_prefix('[')?.split_once(']')?;
    let is_number = |c: char| c.is_ascii_digit() || c == '/';
    number.chars().all(is_number).then_some(number.len() + 2)
}

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;

    #[test]
    fn a_line_keeps_its_words() {
        for (text, painted) in [
            ("Error: No host named bahc.", true),
            ("[2/5] Build the image.", true),
            ("bach | activating the configuration...", true),
            ("[Network] is empty", false),
            ("a pipe | in a sentence", false),
        ] {
            assert_eq!(strip_str(&line(text)).to_string(), text);
            assert_eq!(line(text) != text, painted, "{text}");
        }
    }
}
