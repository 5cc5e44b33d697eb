//! Where the picture goes: once to a pipe, in place of the one before to a terminal.

use std::io::IsTerminal;

use super::{Picture, json, long, table};
use crate::ui::{print_bytes, room};

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line a host.
    Table,
    /// A line a fact.
    Long,
    Json,
}

/// The user's side of the picture. Dropping it gives the terminal back.
pub struct Screen {
    form: Form,
    /// The picture is shown again and again.
    watch: bool,
    /// It is a terminal, and the picture not JSON.
    live: bool,
    /// How many lines stand on the terminal.
    drawn: Option<usize>,
}

impl Screen {
    pub fn new(form: Form, watch: bool) -> Self {
        Self {
            form,
            watch,
            live: form != Form::Json && std::io::stdout().is_terminal(),
            drawn: None,
        }
    }

    /// The picture has no place for messages.
    pub fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    /// Something was shown.
    pub fn is_drawn(&self) -> bool {
        self.drawn.is_some()
    }

    /// It is time to show the picture. Where it cannot be changed any more it has to be whole.
    pub fn is_due(&self, picture: &Picture) -> bool {
        let whole = picture.is_fresh() && !picture.wanted.is_awaited;
        match (self.live, self.watch) {
            (true, true) => true,
            (true, false) => whole || picture.is_fresh() && self.can_be_replaced(picture),
            (false, _) => whole,
        }
    }

    /// Lines that wrap or have left the terminal stay as they are.
    fn can_be_replaced(&self, picture: &Picture) -> bool {
        self.form == Form::Table
            && room().is_some_and(|(columns, lines)| {
                table::text(picture, Some(columns), false).lines().count() < lines
            })
    }

    /// Says whether anybody sees it.
    pub fn show(&mut self, picture: &Picture) -> bool {
        let size = if self.live { room() } else { None };
        let text = match self.form {
            Form::Json => format!("{}\n", json::value(picture)),
            Form::Long => long::text(picture),
            Form::Table => table::text(picture, size.map(|(columns, _)| columns), false),
        };
        let shown = match (self.live, self.watch, size) {
            (true, true, Some((columns, lines))) => {
                let text = if self.form == Form::Table && text.lines().count() > lines {
                    table::text(picture, Some(columns), true)
                } else {
                    text
                };
                self.whole(&text, lines)
            }
            (true, false, _) => self.replacement(&text),
            _ => text,
        };
        print_bytes(shown.as_bytes())
    }

    /// The text in the place of the one before.
    fn replacement(&mut self, text: &str) -> String {
        let up = match self.drawn.replace(text.lines().count()) {
            None | Some(0) => return text.to_owned(),
            Some(lines) => lines,
        };
        // line by line over the old ones: what is cleared first flickers
        format!("\x1b[{up}F{}\x1b[J", text.replace('\n', "\x1b[K\n"))
    }

    /// The text on a screen of its own, as far as it fits.
    fn whole(&mut self, text: &str, lines: usize) -> String {
        let begin = if self.drawn.is_none() {
            "\x1b[?1049h\x1b[?25l"
        } else {
            ""
        };
        let all = text.lines().count();
        let mut kept: Vec<_> = text.lines().take(lines).map(str::to_owned).collect();
        if all > lines
            && let Some(last) = kept.last_mut()
        {
            *last = format!("({} more lines)", all - lines + 1);
        }
        self.drawn = Some(kept.len());
        let kept: Vec<_> = kept.iter().map(|line| format!("{line}\x1b[K")).collect();
        format!("{begin}\x1b[H{}\x1b[J", kept.join("\r\n"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.live && self.watch && self.is_drawn() {
            print_bytes(b"\x1b[?25h\x1b[?1049l");
        }
    }
}
