//! man(7), as much of it as the pages need.

/// The text of a page in the making.
#[derive(Default)]
pub struct Roff(String);

impl Roff {
    /// A line that asks for something: a macro with its arguments.
    pub fn request(&mut self, name: &str, arguments: &[&str]) {
        self.0.push('.');
        self.0.push_str(name);
        for argument in arguments {
            self.0.push_str(&format!(" \"{}\"", escape(argument)));
        }
        self.0.push('\n');
    }

    pub fn section(&mut self, title: &str) {
        self.request("SH", &[&title.to_uppercase()]);
    }

    /// A line of ready text: [`escape`]d, with [`bold`] and [`italic`] in it.
    pub fn line(&mut self, text: &str) {
        if text.starts_with(['.', '\'']) {
            self.0.push_str("\\&");
        }
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// What is explained, and the explanation below it.
    pub fn item(&mut self, tag: &str, text: &str) {
        self.0.push_str(".TP\n");
        self.line(tag);
        self.line(text);
    }

    pub fn finish(self) -> String {
        self.0
    }
}

/// Text as it is.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\(rs"),
            '-' => escaped.push_str("\\-"),
            '"' => escaped.push_str("\\(dq"),
            '\'' => escaped.push_str("\\(aq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            '\n' => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

pub fn bold(text: &str) -> String {
    format!("\\fB{}\\fP", escape(text))
}

pub fn italic(text: &str) -> String {
    format!("\\fI{}\\fP", escape(text))
}

/// Text in which code stands in backticks, and is bold then.
pub fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(number, part)| match number % 2 {
            0 => escape(part),
            _ => bold(part),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_asks_for_nothing() {
        assert_eq!(escape(r#"--a \n "b" ~/c"#), r"\-\-a \(rsn \(dqb\(dq \(ti/c");
        let mut roff = Roff::default();
        roff.line(".SH");
        roff.section("Exit status");
        assert_eq!(roff.finish(), "\\&.SH\n.SH \"EXIT STATUS\"\n");
        assert_eq!(prose("run `a -b` now"), "run \\fBa \\-b\\fP now");
    }
}
