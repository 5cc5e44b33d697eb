//! Results, on standard output. Whoever reads no further is no reason to fail; a result that could not be written is, and
//! the run says so at its end.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, ErrorKind, StdoutLock, Write};

use super::{terminal, wrap};
use crate::error::Failure;

thread_local! {
    static LOST: RefCell<Option<io::Error>> = const { RefCell::new(None) };
}

/// `println!`, for results.
macro_rules! out {
    ($($text:tt)*) => { $crate::ui::print(format_args!($($text)*)) };
}
pub(crate) use out;

/// One line, or several.
pub fn print(text: fmt::Arguments<'_>) {
    write(|output| writeln!(output, "{text}"));
}

/// Bytes, as they are. Says whether they arrived.
pub fn print_bytes(bytes: &[u8]) -> bool {
    write(|output| output.write_all(bytes))
}

fn write(result: impl Fn(&mut StdoutLock<'_>) -> io::Result<()>) -> bool {
    let mut output = io::stdout().lock();
    match result(&mut output).and_then(|()| output.flush()) {
        Ok(()) => return true,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => LOST.set(Some(error)),
    }
    false
}

/// Sentences; a terminal gets them broken between words.
pub fn print_sentences(text: &str) {
    let columns = terminal::room().map(|(columns, _)| columns);
    out!("{}", wrap::fit(text, columns).join("\n"));
}

/// The error of a run whose result is not where it should be.
pub fn lost() -> Option<Failure> {
    let error = LOST.take()?;
    Some(
        Failure::new("The result could not be written to standard output.")
            .hint("What the run did is done; only its report is incomplete.")
            .source(error),
    )
}
