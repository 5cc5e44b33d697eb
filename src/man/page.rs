//! The page of one command.

use clap::builder::StyledStr;
use clap::{Arg, Command};

use super::reference;
use super::roff::{Roff, bold, escape, italic, prose};

/// `spinet-host-wait`
pub fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

/// Those below it that have pages.
pub fn commands(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|below| !below.is_hide_set() && below.get_name() != "help")
}

/// The page's text. `above`: the commands it belongs to, the outermost first.
pub fn of(command: &Command, above: &[&str]) -> String {
    let mut roff = Roff::default();
    let release = concat!("spinet ", env!("CARGO_PKG_VERSION"));
    roff.request("TH", &[name(command), "1", "", release, "spinet"]);
    let about = command.get_about().map(text).unwrap_or_default();
    roff.section("Name");
    roff.line(&format!("{} \\- {}", escape(name(command)), prose(&about)));
    roff.section("Synopsis");
    synopsis(command, &mut roff);
    roff.section("Description");
    let long = command.get_long_about().map(text).unwrap_or(about);
    for (number, paragraph) in long.split("\n\n").enumerate() {
        if number > 0 {
            roff.request("PP", &[]);
        }
        roff.line(&prose(&sentence(paragraph)));
    }
    if commands(command).next().is_some() {
        roff.section("Commands");
        for below in commands(command) {
            let about = below.get_about().map(text).unwrap_or_default();
            roff.item(&reference_to(name(below)), &prose(&sentence(&about)));
        }
    }
    arguments(command, &mut roff);
    if above.is_empty() {
        reference::sections(&mut roff);
    }
    see_also(command, above, &mut roff);
    roff.finish()
}

/// The usage that the help shows, the command itself bold.
fn synopsis(command: &Command, roff: &mut Roff) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let own = command.get_bin_name().unwrap_or(command.get_name());
    for (number, form) in usage.lines().map(str::trim).enumerate() {
        if number > 0 {
            roff.request("br", &[]);
        }
        let rest = form.strip_prefix(own).unwrap_or_default();
        roff.line(&format!("{}{}", bold(own), escape(rest)));
    }
}

/// Arguments and options, each under the heading that it has in the help.
fn arguments(command: &Command, roff: &mut Roff) {
    let shown = || command.get_arguments().filter(|arg| !arg.is_hide_set());
    let heading = |arg: &Arg| match arg.get_help_heading() {
        Some(heading) => heading.to_owned(),
        None if arg.is_positional() => "Arguments".to_owned(),
        None => "Options".to_owned(),
    };
    let mut headings = vec!["Arguments".to_owned(), "Options".to_owned()];
    for arg in shown() {
        let heading = heading(arg);
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for title in headings {
        let mut below = shown().filter(|arg| heading(arg) == title).peekable();
        if below.peek().is_some() {
            roff.section(&title);
        }
        for arg in below {
            argument(arg, roff);
        }
    }
}

fn argument(arg: &Arg, roff: &mut Roff) {
    let long = arg.get_long().map(|long| format!("--{long}"));
    let short = arg.get_short().map(|short| format!("-{short}"));
    let flags = short.iter().chain(&long).map(|flag| bold(flag));
    let mut tag = flags.collect::<Vec<_>>().join(", ");
    let values = arg.get_num_args().unwrap_or_default();
    if arg.is_positional() || values.takes_values() {
        let names = arg.get_value_names().unwrap_or_default();
        let names: Vec<_> = names.iter().map(|name| italic(name)).collect();
        let mut names = names.join(" ");
        if values.min_values() == 0 && arg.is_require_equals_set() {
            names = format!("[={names}]");
        } else if !arg.is_positional() {
            names.insert(0, ' ');
        }
        tag.push_str(&names);
    }
    let help = arg.get_long_help().or(arg.get_help());
    let mut help = prose(&sentence(&help.map(text).unwrap_or_default()));
    let defaults = arg.get_default_values();
    if values.takes_values() && !defaults.is_empty() {
        let defaults: Vec<_> = defaults
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        help.push_str(&escape(&format!(" [default: {}]", defaults.join(" "))));
    }
    roff.item(&tag, &help);
    if !values.takes_values() {
        return;
    }
    let possible = arg.get_possible_values();
    let possible: Vec<_> = possible
        .iter()
        .filter(|value| !value.is_hide_set())
        .collect();
    if possible.is_empty() {
        return;
    }
    roff.request("RS", &[]);
    for value in possible {
        let help = value.get_help().map(text).unwrap_or_default();
        if help.is_empty() {
            roff.request("TP", &[]);
            roff.line(&bold(value.get_name()));
        } else {
            roff.item(&bold(value.get_name()), &prose(&sentence(&help)));
        }
    }
    roff.request("RE", &[]);
}

/// The pages above and below it; those of others from the first.
fn see_also(command: &Command, above: &[&str], roff: &mut Roff) {
    roff.section("See also");
    let outer = (1..=above.len()).map(|end| above[..end].join("-"));
    let mut pages: Vec<_> = outer.map(|name| reference_to(&name)).collect();
    pages.extend(commands(command).map(|below| reference_to(name(below))));
    if above.is_empty() {
        pages.extend(["nix", "ssh"].map(reference_to));
    }
    roff.line(&pages.join(", "));
}

/// `spinet-deploy(1)`
fn reference_to(page: &str) -> String {
    format!("{}(1)", bold(page))
}

fn text(styled: &StyledStr) -> String {
    styled.to_string()
}

/// With its full stop, which the help leaves out; before a default in brackets.
fn sentence(text: &str) -> String {
    let text = text.trim();
    match text.rfind(" [default: ") {
        Some(at) if text.ends_with(']') => {
            format!("{}{}", sentence(&text[..at]), &text[at..])
        }
        _ if text.is_empty() || text.ends_with(['.', '?', ':']) => text.to_owned(),
        _ => format!("{text}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helps_become_sentences() {
        assert_eq!(sentence("A thing"), "A thing.");
        assert_eq!(sentence("A thing."), "A thing.");
        assert_eq!(sentence("A thing [default: b]"), "A thing. [default: b]");
    }
}
