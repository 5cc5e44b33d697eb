//! The help of spinet as a whole: first the two commands that most people need, then the others by what they are for.

use clap::{Command, CommandFactory};

use super::Cli;

const FIRST: &str = "The two commands that most people need";

/// Headings, and the commands below each.
const GROUPS: [(&str, &[&str]); 5] = [
    (FIRST, &["bootstrap", "deploy"]),
    (
        "To look after hosts",
        &["status", "doctor", "log", "host", "rehearse"],
    ),
    ("For secrets", &["secrets"]),
    ("For cards and wifi", &["card", "wifi"]),
    ("For the shell", &["completions", "man"]),
];

const READ_ON: &str = "`spinet help COMMAND` has the flags of a command, `man spinet` exit codes, variables, files and \
    examples, docs/quickstart.md the way from an empty folder to a running Pi.";

/// The command line with this help.
pub fn command() -> Command {
    let command = Cli::command();
    let style = command.get_styles().get_header();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{style}Options:{style:#}\n{{options}}{{after-help}}",
        groups(&command)
    );
    command.help_template(template).after_help(READ_ON)
}

fn groups(command: &Command) -> String {
    let names = GROUPS.iter().flat_map(|(_, names)| names.iter());
    let width = names.map(|name| name.len()).max().unwrap_or(0);
    let style = command.get_styles().get_header();
    let mut text = String::new();
    for (heading, names) in GROUPS {
        text.push_str(&format!("{style}{heading}:{style:#}\n"));
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {name:<width$}  {about}\n"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_command_stands_in_one_group_and_fits_a_narrow_terminal() {
        let grouped: Vec<_> = GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        let cli = Cli::command();
        let all = cli.get_subcommands().filter(|below| !below.is_hide_set());
        let all: BTreeSet<_> = all.map(Command::get_name).collect();
        assert_eq!(grouped.iter().copied().collect::<BTreeSet<_>>(), all);
        assert_eq!(grouped.len(), all.len());
        let help = command().term_width(60).render_help().to_string();
        assert!(
            help.lines().all(|line| line.chars().count() <= 60),
            "{help}"
        );
        let at = |text: &str| help.find(text).unwrap();
        assert!(at("  bootstrap ") < at("  deploy ") && at("  deploy ") < at("  status "));
        assert!(help.trim_end().ends_with("Pi."), "{help}");
    }
}
