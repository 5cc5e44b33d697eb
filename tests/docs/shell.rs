//! As much of a shell's grammar as commands in the docs use, and the placeholders in them.

/// The commands of one line, each as its words. A pipe, a list and a process substitution hold several.
pub fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        if let Some(open) = quote {
            if c == open {
                quote = None;
            } else {
                word.get_or_insert_default().push(c);
            }
            continue;
        }
        match c {
            '\'' | '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            '#' if word.is_none() => break,
            ' ' | '\t' => words.extend(word.take()),
            '|' | '&' | ';' | '(' | ')' | '<' | '>' => {
                words.extend(word.take());
                commands.push(std::mem::take(&mut words));
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    commands.push(words);
    commands.retain(|words| !words.is_empty());
    commands
}

/// A word as it could be typed: brackets around what is optional, and dots for more of it, are for the reader.
pub fn value(word: &str) -> Option<String> {
    let bare = word.replace(['[', ']'], "");
    let bare = bare.trim_end_matches("..");
    let typed = match bare {
        "" => return None,
        "N" => "1",
        "SECONDS" => "60",
        "XX" => "DE",
        "COMMAND" => "status",
        "WHEN" => "auto",
        "SHELL" => "bash",
        "KIND" => "hex",
        _ => bare,
    };
    Some(typed.to_owned())
}
