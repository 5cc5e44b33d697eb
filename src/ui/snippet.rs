//! A place in a text file, shown as compilers do.

use std::ops::Range;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// `text` of the file at `path` around the bytes of `range`, with `label` pointing at it. No colours: it is part of an
/// error message, which may end in a log.
pub fn snippet(path: &Path, text: &str, range: Range<usize>, title: &str, label: &str) -> String {
    let shown = path.display().to_string();
    let source = Snippet::source(text)
        .path(shown)
        .annotation(AnnotationKind::Primary.span(range).label(label));
    let report = &[Level::NOTE.primary_title(title).element(source)];
    Renderer::plain().render(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_shown_with_its_line() {
        let text = "{\n  \"a.age\" = mkRule \"x\";\n}\n";
        let start = text.find("mkRule").unwrap();
        let shown = snippet(
            Path::new("secrets.nix"),
            text,
            start..start + 10,
            "made by a function",
            "here",
        );
        assert!(
            shown.contains("secrets.nix:2:13") && shown.contains("^^^^^^^^^^ here"),
            "{shown}"
        );
    }
}
