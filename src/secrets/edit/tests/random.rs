//! Random rules made of the shapes people write: what an enrolment means holds for all of them.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

const HOSTS: [&str; 3] = ["byrd", "root_bull", "orff"];
const USERS: [&str; 2] = ["ada", "ben"];

/// Where keys are written.
#[derive(Debug, Clone, Copy)]
enum Place {
    Let,
    NestedSet,
    DottedSet,
    Imported,
    With,
    Json,
    PubFiles,
    Inline,
}

/// How a rule says whom it is for.
#[derive(Debug, Clone, Copy)]
enum Style {
    List,
    LongList,
    Concat,
    Group,
    Call,
    Set,
    Inherit,
    Whole,
}

#[derive(Debug, Clone)]
pub struct Shape {
    place: Place,
    rules: Vec<(Style, Vec<&'static str>)>,
    chosen: Vec<usize>,
    crlf: bool,
    final_newline: bool,
}

pub fn shapes() -> impl Strategy<Value = Shape> {
    use Place::{DottedSet, Imported, Inline, Json, Let, NestedSet, PubFiles, With};
    let place = select(vec![
        Let, NestedSet, DottedSet, Imported, With, Json, PubFiles, Inline,
    ]);
    let style = select(vec![
        Style::List,
        Style::LongList,
        Style::Concat,
        Style::Group,
        Style::Call,
        Style::Set,
        Style::Inherit,
        Style::Whole,
    ]);
    let everybody: Vec<&str> = USERS.iter().chain(&HOSTS).copied().collect();
    let rule = (style, subsequence(everybody, 1..=4));
    let rules = prop::collection::vec(rule, 1..=4);
    (place, rules, any::<bool>(), any::<bool>()).prop_flat_map(
        |(place, rules, crlf, final_newline)| {
            let indices: Vec<usize> = (0..rules.len()).collect();
            let count = rules.len();
            subsequence(indices, 1..=count).prop_map(move |chosen| Shape {
                place,
                rules: rules.clone(),
                chosen,
                crlf,
                final_newline,
            })
        },
    )
}

pub fn key(name: &str) -> String {
    let host = name.strip_prefix("root_").unwrap_or(name);
    let comment = if HOSTS.contains(&name) {
        format!("root@{host}")
    } else {
        format!("{name}@desk")
    };
    let blob: String = name.repeat(12).replace('_', "x").chars().take(43).collect();
    format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{blob} {comment}")
}

impl Shape {
    /// How a rule refers to a key.
    fn refer(&self, name: &str) -> String {
        let host = HOSTS.contains(&name);
        match self.place {
            Place::Let | Place::With => name.into(),
            Place::NestedSet | Place::DottedSet if host => format!("systems.{name}"),
            Place::NestedSet | Place::DottedSet => format!("users.{name}"),
            Place::Imported | Place::Json => format!("keys.{name}"),
            Place::PubFiles => format!("(builtins.readFile ./keys/{name}.pub)"),
            Place::Inline => format!("\"{}\"", key(name)),
        }
    }

    fn list(&self, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| self.refer(name)).collect();
        format!("[ {} ]", names.join(" "))
    }

    /// The files, the rules first.
    fn files(&self) -> Vec<(String, String)> {
        let everybody = || USERS.iter().chain(&HOSTS);
        let mut text = "# who can read what\n".to_owned();
        let mut files = Vec::new();
        let set = |text: &mut String, indent: &str, names: &[&str]| {
            for name in names {
                let _ = writeln!(text, "{indent}{name} = \"{}\"; # {name}", key(name));
            }
        };
        if matches!(self.place, Place::With) {
            text.push_str("with import ./keys.nix;\n");
        }
        text.push_str("let\n");
        match self.place {
            Place::Let => set(&mut text, "  ", &[&USERS[..], &HOSTS].concat()),
            Place::NestedSet => {
                for (name, names) in [("users", &USERS[..]), ("systems", &HOSTS)] {
                    let _ = writeln!(text, "  {name} = {{");
                    set(&mut text, "    ", names);
                    text.push_str("  };\n");
                }
            }
            Place::DottedSet => {
                for (set, names) in [("users", &USERS[..]), ("systems", &HOSTS)] {
                    for name in names {
                        let _ = writeln!(text, "  {set}.{name} = \"{}\";", key(name));
                    }
                }
            }
            Place::Imported | Place::With => {
                let mut keys = "{\n".to_owned();
                set(&mut keys, "  ", &[&USERS[..], &HOSTS].concat());
                files.push(("keys.nix".to_owned(), keys + "}\n"));
                if matches!(self.place, Place::Imported) {
                    text.push_str("  keys = import ./keys.nix;\n");
                }
            }
            Place::Json => {
                let members = everybody().map(|name| format!("  \"{name}\": \"{}\"", key(name)));
                let members = members.collect::<Vec<_>>().join(",\n");
                files.push(("keys.json".to_owned(), format!("{{\n{members}\n}}\n")));
                text.push_str("  keys = builtins.fromJSON (builtins.readFile ./keys.json);\n");
            }
            Place::PubFiles => {
                for name in everybody() {
                    files.push((format!("keys/{name}.pub"), format!("{}\n", key(name))));
                }
            }
            Place::Inline => {}
        }
        let _ = writeln!(text, "  machines = {};", self.list(&HOSTS[..2]));
        text.push_str("  rule = keys: { publicKeys = keys; };\n");
        for (index, (style, names)) in self.rules.iter().enumerate() {
            if matches!(style, Style::Inherit) {
                let _ = writeln!(
                    text,
                    "  from{index} = {{ publicKeys = {}; }};",
                    self.list(names)
                );
            }
        }
        text.push_str("in\n{\n");
        for (index, (style, names)) in self.rules.iter().enumerate() {
            let list = self.list(names);
            let rule = match style {
                Style::List => format!(".publicKeys = {list};"),
                Style::LongList => {
                    let names: String = names.iter().fold(String::new(), |mut all, name| {
                        let _ = write!(all, "\n    {} # {name}", self.refer(name));
                        all
                    });
                    format!(".publicKeys = [{names}\n  ];")
                }
                Style::Concat => format!(".publicKeys = machines ++ {list};"),
                Style::Group => ".publicKeys = machines;".into(),
                Style::Call => format!(".publicKeys = builtins.concatLists [ {list} machines ];"),
                Style::Set => format!(" = {{ publicKeys = {list}; armor = true; }};"),
                Style::Inherit => format!(" = {{ inherit (from{index}) publicKeys; }};"),
                Style::Whole => format!(" = rule {list};"),
            };
            let _ = writeln!(text, "  \"s{index}.age\"{rule}");
        }
        text.push('}');
        if self.final_newline {
            text.push('\n');
        }
        files.insert(0, ("secrets.nix".into(), text));
        if self.crlf {
            for (_, text) in &mut files {
                *text = text.replace('\n', "\r\n");
            }
        }
        files
    }

    pub fn secrets(&self) -> Vec<String> {
        self.chosen.iter().map(|i| format!("s{i}.age")).collect()
    }
}

/// The keys of every rule.
pub type Sets = BTreeMap<String, BTreeSet<String>>;

pub struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    pub fn of(shape: &Shape) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("keys")).unwrap();
        for (name, text) in shape.files() {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        Self { dir }
    }

    fn rules(&self) -> Rules {
        let file = self.dir.path().join("secrets.nix");
        block_on(Rules::load(&file, self.dir.path())).unwrap()
    }

    pub fn sets(&self) -> Sets {
        super::super::expected_now(&self.rules())
    }

    /// Whether something was written.
    pub fn enroll(&self, name: &str, key: &str, old_key: Option<&str>, secrets: &[String]) -> bool {
        self.enroll_after(&[], name, key, old_key, secrets)
    }

    /// With keys that were put beside the old one before.
    pub fn enroll_after(
        &self,
        added: &[&str],
        name: &str,
        key: &str,
        old_key: Option<&str>,
        secrets: &[String],
    ) -> bool {
        let added: Vec<String> = added.iter().map(ToString::to_string).collect();
        let wanted = Enrollment {
            name,
            key,
            old_key,
            added: &added,
            secrets,
            choose: &nobody,
        };
        let edit = block_on(super::super::enroll(&self.rules(), &wanted)).unwrap();
        write(&edit);
        !edit.is_empty()
    }

    /// Puts a new key beside the one of `byrd`.
    pub fn admit(
        &self,
        key: &str,
        old_key: Option<&str>,
        added: &[&str],
        secrets: &[String],
    ) -> bool {
        let added: Vec<String> = added.iter().map(ToString::to_string).collect();
        let wanted = Enrollment {
            name: "byrd",
            key,
            old_key,
            added: &added,
            secrets,
            choose: &nobody,
        };
        let edit = block_on(super::super::beside(&self.rules(), &wanted)).unwrap();
        write(&edit);
        !edit.is_empty()
    }

    pub fn texts(&self) -> Vec<(PathBuf, String)> {
        let sources = Sources::read(&self.dir.path().join("secrets.nix"), self.dir.path()).unwrap();
        let texts = sources
            .files()
            .map(|(path, text)| (path.clone(), text.to_owned()));
        texts.collect()
    }
}

pub fn bare(key: &str) -> String {
    Recipient::parse_all(key)[0].key().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").map_or(24, |n| n.parse().unwrap()),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn exactly_the_chosen_secrets_get_the_new_key(shape in shapes()) {
        if crate::process::find("nix-instantiate").is_none() {
            return Ok(());
        }
        let folder = Folder::of(&shape);
        let mut expected = folder.sets();
        for name in shape.secrets() {
            expected.get_mut(&name).unwrap().insert(bare(NEW));
        }
        prop_assert!(folder.enroll("bach", NEW, None, &shape.secrets()));
        prop_assert_eq!(folder.sets(), expected);
        prop_assert!(!folder.enroll("bach", NEW, None, &shape.secrets()), "a second time");
        if shape.crlf {
            for (path, text) in folder.texts() {
                let mixed = text.matches('\n').count() != text.matches("\r\n").count();
                prop_assert!(!mixed, "{} has mixed line ends", path.display());
            }
        }
    }

    #[test]
    fn a_key_replaced_and_replaced_back_restores_every_byte(shape in shapes()) {
        if crate::process::find("nix-instantiate").is_none() {
            return Ok(());
        }
        let folder = Folder::of(&shape);
        let (before, texts) = (folder.sets(), folder.texts());
        let (old, new) = (bare(&key("byrd")), bare(NEW));
        prop_assert!(folder.enroll("byrd", &new, Some(&old), &[]));
        let replaced = |keys: &BTreeSet<String>| {
            let swap = |key: &String| if *key == old { new.clone() } else { key.clone() };
            keys.iter().map(swap).collect::<BTreeSet<String>>()
        };
        let expected: Sets = before.iter().map(|(name, keys)| (name.clone(), replaced(keys))).collect();
        prop_assert_eq!(folder.sets(), expected);
        folder.enroll("byrd", &old, Some(&new), &[]);
        prop_assert_eq!(folder.sets(), before);
        prop_assert_eq!(folder.texts(), texts);
    }
}

/// What the fuzz target starts from; also a regression test for what it found.
#[test]
fn every_change_of_the_corpus_is_parsed_again() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/rules");
    for entry in corpus.read_dir().into_iter().flatten() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        try_all(Path::new("/nonexistent/secrets.nix"), &text);
    }
}
