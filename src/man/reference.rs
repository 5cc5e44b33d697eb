//! What the reference says of spinet as a whole: exit codes, environment, files and examples, from its Markdown.

use super::roff::{Roff, bold, prose};

const REFERENCE: &str = include_str!("../../docs/reference.md");

/// Headings of the reference, and what man pages call such sections, in the usual order.
const SECTIONS: [(&str, &str); 4] = [
    ("Exit codes", "Exit status"),
    ("Environment", "Environment"),
    ("Files", "Files"),
    ("Examples", "Examples"),
];

pub fn sections(roff: &mut Roff) {
    for (heading, title) in SECTIONS {
        roff.section(title);
        for (number, block) in blocks(REFERENCE, heading).iter().enumerate() {
            show(block, number == 0, roff);
        }
    }
}

/// The paragraphs and tables below a heading, up to the next.
fn blocks<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let title = format!("\n## {heading}\n");
    let Some((_, below)) = text.split_once(&title) else {
        return Vec::new();
    };
    let end = below.find("\n## ").unwrap_or(below.len());
    let blocks = below[..end].split("\n\n").map(str::trim);
    blocks.filter(|block| !block.is_empty()).collect()
}

fn show(block: &str, first: bool, roff: &mut Roff) {
    if block.starts_with('|') {
        for (tag, text) in rows(block) {
            roff.item(&tags(&tag), &prose(&plain(text)));
        }
        return;
    }
    if !first {
        roff.request("PP", &[]);
    }
    roff.line(&prose(&plain(block)));
}

/// The two columns of a table, without its head and the line below that.
fn rows(table: &str) -> impl Iterator<Item = (String, &str)> {
    table.lines().skip(2).filter_map(|line| {
        let inner = line.strip_prefix('|')?.strip_suffix('|')?;
        let (tag, text) = inner.split_once(" | ")?;
        Some((plain(tag.trim()), text.trim()))
    })
}

/// What is explained is bold, whether it is code or not.
fn tags(tag: &str) -> String {
    bold(&tag.replace('`', ""))
}

/// Without the targets of links.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        match link
            .split_once("](")
            .and_then(|(name, target)| Some((name, target.split_once(')')?)))
        {
            Some((name, (_, after))) if !name.contains(']') => {
                plain.push_str(name);
                rest = after;
            }
            _ => {
                plain.push('[');
                rest = link;
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_in_the_reference_and_has_a_table() {
        for (heading, _) in SECTIONS {
            let blocks = blocks(REFERENCE, heading);
            let tables = blocks.iter().filter(|block| block.starts_with('|'));
            let mut items = 0;
            for table in tables {
                // one in another form would lose rows
                assert_eq!(table.lines().count(), rows(table).count() + 2, "{table}");
                items += rows(table).count();
            }
            assert!(items >= 5, "{heading}: {blocks:?}");
        }
    }

    #[test]
    fn links_become_their_names() {
        let text = "see [card.md](card.md#x) or [events](#events), `[USER@]HOST`";
        assert_eq!(plain(text), "see card.md or events, `[USER@]HOST`");
    }
}
