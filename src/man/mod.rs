//! The man pages: each says what clap knows of its command; that of spinet itself also has what the reference of the
//! documentation says, so that it is written once.

mod page;
mod reference;
mod roff;

use clap::Command;

/// A page and the name of its file.
pub struct Page {
    pub file: String,
    pub text: String,
}

/// The page of the command itself, then those of all below it.
pub fn pages(mut command: Command) -> Vec<Page> {
    command.build();
    let mut pages = Vec::new();
    add(&command, &mut Vec::new(), &mut pages);
    pages
}

fn add<'a>(command: &'a Command, above: &mut Vec<&'a str>, pages: &mut Vec<Page>) {
    pages.push(Page {
        file: format!("{}.1", page::name(command)),
        text: page::of(command, above),
    });
    above.push(command.get_name());
    for below in page::commands(command) {
        add(below, above, pages);
    }
    above.pop();
}
