//! The documentation against what it is about: every command in it is one that spinet takes, every option one of the
//! modules, every link leads somewhere, and nothing is left out.
#![allow(clippy::unwrap_used, reason = "tests")]

mod markdown;
mod shell;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Command;
use clap::error::ErrorKind;

use markdown::{Page, Place};

/// The apps of a fleet, and the package whose program has all commands.
const APPS: [&str; 5] = ["bootstrap", "deploy", "secrets", "rehearse", "spinet"];

#[test]
fn every_command_in_the_docs_is_one_that_spinet_takes() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for code in &page.code {
            for words in shell::commands(&code.text) {
                match check(&words, code.place) {
                    None => {}
                    Some(Ok(())) => seen += 1,
                    Some(Err(why)) => wrong.push(format!(
                        "{}:{}: {}\n{why}",
                        page.name,
                        code.line,
                        words.join(" ")
                    )),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 150, "only {seen} commands were found");
}

#[test]
fn every_link_in_the_docs_leads_to_a_file_and_a_heading() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for link in &page.links {
            seen += 1;
            if let Err(why) = follow(&page, &link.target) {
                wrong.push(format!("{}:{}: {why}", page.name, link.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 50, "only {seen} links were found");
}

#[test]
fn the_index_of_the_docs_names_every_page() {
    let index = page("docs/README.md");
    let linked: BTreeSet<PathBuf> = index
        .links
        .iter()
        .filter_map(|link| target(&index, &link.target).0.canonicalize().ok())
        .collect();
    let missing: Vec<String> = pages()
        .into_iter()
        .filter(|page| page.name.starts_with("docs/") && page.name != "docs/README.md")
        .filter(|page| !linked.contains(&root().join(&page.name).canonicalize().unwrap()))
        .map(|page| page.name)
        .collect();
    assert!(missing.is_empty(), "not linked: {}", missing.join(", "));
}

#[test]
fn the_reference_names_every_command_and_the_flags_of_all() {
    let command = spinet::command();
    let reference = page("docs/reference.md");
    let named: BTreeSet<String> = reference
        .code
        .iter()
        .flat_map(|code| shell::commands(&code.text))
        .map(|words| words.join(" "))
        .collect();
    let flags = command.get_arguments().filter_map(|flag| flag.get_long());
    let missing: Vec<String> = leaves(&command, "spinet")
        .into_iter()
        .chain(flags.map(|flag| format!("--{flag}")))
        .filter(|leaf| !named.iter().any(|text| is_or_begins(text, leaf)))
        .collect();
    assert!(missing.is_empty(), "not named: {}", missing.join(", "));
}

#[test]
fn every_option_in_the_docs_is_one_of_the_modules() {
    let text = read("docs/options.md");
    let options: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for mention in mentioned_options(&read(&page.name)) {
            seen += 1;
            if !options.iter().any(|option| is_within(&mention, option)) {
                wrong.push(format!("{}: {mention}", page.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "only {seen} options were found");
}

#[test]
fn a_misspelt_flag_link_or_option_is_found() {
    let checked = |text: &str, place| {
        let commands = shell::commands(text);
        let found: Vec<_> = commands.iter().filter_map(|w| check(w, place)).collect();
        assert!(!found.is_empty(), "{text} is no command");
        found.into_iter().all(|result| result.is_ok())
    };
    let block = |text: &str| checked(text, Place::Block);
    assert!(block(
        "nix run .#bootstrap -- bach --card /dev/sda   # a card"
    ));
    assert!(!block("nix run .#bootstrap -- bach --crad /dev/sda"));
    assert!(!block("nix run .#bootstrap"));
    assert!(!block("nix run .#bootstrapp -- bach"));
    assert!(!block("nix run .#deploy --plan"));
    assert!(block("cd x && spinet deploy 'b*' @kitchen | cat"));
    assert!(!block("cd x && spinet deploy --confirm --undo | cat"));
    assert!(!block("spinet statuss"));
    assert!(!block("spinet rehearse --faults many"));
    assert!(block("spinet rehearse [HOST] --faults N --seed N"));
    assert!(block("man spinet-host-wait"));
    assert!(!block("man spinet-host-weight"));
    let mention = |text: &str| checked(text, Place::Inline);
    assert!(mention("spinet bootstrap"));
    assert!(mention("spinet host wait|scan"));
    assert!(!mention("spinet hosts"));

    let readme = page("README.md");
    assert!(follow(&readme, "docs/card.md#how-fast").is_ok());
    assert!(follow(&readme, "docs/crad.md").is_err());
    assert!(follow(&readme, "docs/card.md#how-slow").is_err());

    let named = "spinet.wifi.networks.<name>.secret";
    assert!(is_within("spinet.wifi.networks.home.secret", named));
    assert!(is_within("spinet.wifi.networks", named));
    assert!(!is_within("spinet.wifi.network.home.secret", named));
}

/// None where the words are about something else than spinet.
fn check(words: &[String], place: Place) -> Option<Result<(), String>> {
    let arguments = match spinet_arguments(words)? {
        Ok(arguments) => arguments,
        Err(why) => return Some(Err(why)),
    };
    let line = std::iter::once("spinet".to_owned()).chain(arguments);
    let Err(error) = spinet::command().try_get_matches_from(line) else {
        return Some(Ok(()));
    };
    let fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        // prose may speak of a command without its arguments
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => place == Place::Inline,
        _ => false,
    };
    Some(if fine { Ok(()) } else { Err(error.to_string()) })
}

/// What is handed to spinet by these words, with values in the place of placeholders.
fn spinet_arguments(words: &[String]) -> Option<Result<Vec<String>, String>> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let arguments = match words.as_slice() {
        ["spinet", rest @ ..] => rest.to_vec(),
        ["man", page, ..] => {
            let rest = page.strip_prefix("spinet")?.trim_start_matches('-');
            let mut path: Vec<&str> = rest.split('-').filter(|part| !part.is_empty()).collect();
            path.push("--help");
            path
        }
        ["nix", "run", installable, rest @ ..] => {
            let (flake, app) = installable.split_once('#')?;
            if flake != "." && !flake.ends_with("/spinet") {
                return None;
            }
            if !APPS.contains(&app) {
                return Some(Err(format!("There is no app {app}.")));
            }
            let arguments = match rest {
                [] => &[],
                ["--", arguments @ ..] => arguments,
                _ => return Some(Err("-- is missing before the arguments.".into())),
            };
            let own = (app != "spinet").then_some(app);
            own.into_iter().chain(arguments.iter().copied()).collect()
        }
        _ => return None,
    };
    let values = arguments.into_iter().filter_map(shell::value);
    Some(Ok(values.collect()))
}

/// Fails unless the target is elsewhere on the net, or a file of the repository with that heading.
fn follow(page: &Page, link: &str) -> Result<(), String> {
    if link.starts_with("https://") {
        return Ok(());
    }
    let (file, anchor) = target(page, link);
    let file = file
        .canonicalize()
        .map_err(|_| format!("{link} leads to nothing."))?;
    if !file.starts_with(root()) {
        return Err(format!("{link} leads out of the repository."));
    }
    let Some(anchor) = anchor else {
        return Ok(());
    };
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{link}: {e}"))?;
    if Page::read(String::new(), &text).anchors.contains(&anchor) {
        Ok(())
    } else {
        Err(format!("{link} leads to no heading."))
    }
}

/// The file a link means, and the heading in it.
fn target(page: &Page, link: &str) -> (PathBuf, Option<String>) {
    let (path, anchor) = match link.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor.to_owned())),
        None => (link, None),
    };
    let own = root().join(&page.name);
    let file = match own.parent() {
        Some(folder) if !path.is_empty() => folder.join(path),
        _ => own,
    };
    (file, anchor)
}

/// The options of spinet's modules in a text, as far as they are spelt out.
fn mentioned_options(text: &str) -> Vec<String> {
    let of_option = |c: char| c.is_ascii_alphanumeric() || "._-<>".contains(c);
    ["spinet.deploy.", "spinet.raspberryPi.", "spinet.wifi."]
        .into_iter()
        .flat_map(|group| text.match_indices(group))
        .map(|(start, _)| {
            let name = text[start..].split(|c| !of_option(c)).next();
            name.unwrap_or_default().trim_end_matches('.').to_owned()
        })
        .collect()
}

/// The option, a set it is in, or a value in it.
fn is_within(mention: &str, option: &str) -> bool {
    let mut pairs = mention.split('.').zip(option.split('.'));
    pairs.all(|(said, is)| said == is || is == "<name>")
}

/// Every visible command that has no commands below it, as one types it.
fn leaves(command: &Command, path: &str) -> Vec<String> {
    let below: Vec<&Command> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
        .collect();
    if below.is_empty() {
        return vec![path.to_owned()];
    }
    below
        .into_iter()
        .flat_map(|sub| leaves(sub, &format!("{path} {}", sub.get_name())))
        .collect()
}

fn is_or_begins(text: &str, command: &str) -> bool {
    text.strip_prefix(command)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

fn page(name: &str) -> Page {
    Page::read(name.to_owned(), &read(name))
}

/// All that is written for people, but not the changelog: that tells of former times too.
fn pages() -> Vec<Page> {
    let mut files: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
        .map(PathBuf::from)
        .into();
    for folder in ["docs", "templates", "tests/standin"] {
        markdown::files(root(), Path::new(folder), &mut files);
    }
    files
        .iter()
        .map(|file| page(&file.to_string_lossy()))
        .collect()
}
