//! Sentences broken between words for the terminal they are shown on. Commands stay in one piece, to be copied.

use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter};

/// Below this nothing is gained.
const NARROW: usize = 40;

/// A line as the lines that fit into so many columns. Code, paths, diffs and what a host printed are left to the terminal.
pub fn wrap(line: &str, columns: usize) -> Vec<String> {
    let text = line.trim_start_matches(' ');
    let margin = line.len() - text.len();
    let is_prose = text.starts_with(|c: char| c.is_alphanumeric() || "[`".contains(c));
    if columns < NARROW || margin > 6 || !is_prose || super::style::is_of_host(line) {
        return vec![line.to_owned()];
    }
    let hanging = " ".repeat(margin + hanging(text));
    broken(line, options(columns).subsequent_indent(&hanging))
}

/// A sentence on as many lines as it takes, all moved right.
pub fn indented(sentence: &str, indent: &str, columns: Option<usize>) -> Vec<String> {
    let options = options(columns.unwrap_or(usize::MAX));
    broken(
        sentence,
        options.initial_indent(indent).subsequent_indent(indent),
    )
}

fn options<'a>(columns: usize) -> Options<'a> {
    Options::new(columns)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation)
        .word_separator(WordSeparator::Custom(words))
}

fn broken(line: &str, options: Options<'_>) -> Vec<String> {
    let lines = textwrap::wrap(line, options).into_iter();
    lines.map(std::borrow::Cow::into_owned).collect()
}

/// Lines of text as they are shown where there are so many columns, or any number.
pub fn fit(text: &str, columns: Option<usize>) -> Vec<String> {
    match (text, columns) {
        ("", _) => vec![String::new()],
        (text, Some(columns)) => text.lines().flat_map(|line| wrap(line, columns)).collect(),
        (text, None) => text.lines().map(str::to_owned).collect(),
    }
}

/// How far the lines after the first one stand to the right of it.
fn hanging(text: &str) -> usize {
    match text.split_once(' ') {
        Some((first @ ("Error:" | "Warning:" | "Hint:"), _)) => first.len() + 1,
        // of a host, or a step
        Some((first, _)) if first.ends_with(':') => 2,
        Some((first, _)) if first.ends_with('.') && first.len() < 4 => first.len() + 1,
        // of a table
        Some((first, rest)) if rest.starts_with(' ') => {
            first.len() + 1 + (rest.len() - rest.trim_start().len())
        }
        Some((first, _)) if first.starts_with('[') && first.ends_with(']') => first.len() + 1,
        _ => 0,
    }
}

/// Splits at spaces outside of backticks.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut after_space) = (0, false, false);
    for (at, c) in line.char_indices() {
        if after_space && c != ' ' && !quoted && at > start {
            words.push(Word::from(&line[start..at]));
            start = at;
        }
        quoted ^= c == '`';
        after_space = c == ' ' && !quoted;
    }
    words.push(Word::from(&line[start..]));
    Box::new(words.into_iter())
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn sentences_break_between_words_and_commands_do_not() {
        let hint =
            "Hint: Wait for its end, or decide it with `spinet deploy bach --confirm` or `--undo`.";
        assert_eq!(
            wrap(hint, 60),
            [
                "Hint: Wait for its end, or decide it with",
                "      `spinet deploy bach --confirm` or `--undo`."
            ]
        );
        let step = "[2/5] Build bach's image with `nix build .#bach-image` on this machine.";
        assert_eq!(
            wrap(step, 60),
            [
                "[2/5] Build bach's image with `nix build .#bach-image` on",
                "      this machine."
            ]
        );
    }

    #[test]
    fn what_is_no_sentence_is_left_alone() {
        let long = "word ".repeat(30);
        for line in [
            format!("        {long}"),
            format!("+ {long}"),
            format!("bach | {long}"),
            format!("/nix/store/{long}"),
        ] {
            assert_eq!(wrap(&line, 60), [line]);
        }
        assert_eq!(wrap(&long, 30).len(), 1, "too narrow");
    }
}
