//! How large the terminal is that messages go to, and the one that results go to.

use rustix::termios::tcgetwinsize;

/// Of a terminal that does not tell.
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

pub fn columns() -> usize {
    size(|(columns, _)| columns, COLUMNS)
}

pub fn rows() -> usize {
    size(|(_, rows)| rows, ROWS)
}

fn size(which: impl Fn((u16, u16)) -> u16, otherwise: u16) -> usize {
    let size = tcgetwinsize(std::io::stderr()).map(|size| which((size.ws_col, size.ws_row)));
    size.ok()
        .filter(|size| *size > 0)
        .unwrap_or(otherwise)
        .into()
}

/// Columns and rows for results; none where they go elsewhere.
pub fn room() -> Option<(usize, usize)> {
    let size = tcgetwinsize(std::io::stdout()).ok()?;
    let (columns, rows) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (columns > 0 && rows > 0).then_some((columns, rows))
}
