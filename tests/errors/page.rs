//! One page of the catalogue: runs, and what the user saw of each, as text that is the same on every machine.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::folder::Folder;
use crate::terminal::Terminal;

/// What a page holds so far.
pub struct Page {
    name: &'static str,
    about: &'static str,
    text: String,
    /// What differs from run to run, and what stands for it; applied in this order.
    named: Vec<(String, String)>,
}

impl Page {
    pub fn new(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            text: String::new(),
            named: Vec::new(),
        }
    }

    /// A page of runs in this folder: its places and keys get names.
    pub fn of(name: &'static str, about: &'static str, folder: &Folder) -> Self {
        let mut page = Self::new(name, about);
        page.stands_for(&folder.path(""), "/home/anna/pi/");
        page.stands_for(&folder.home(""), "/home/anna/");
        page.stands_for(folder.memory(), "/run/user/1000");
        page.stands_for(&folder.beside(""), "/home/");
        for who in crate::folder::PEOPLE {
            let public = folder.public(who);
            let key = public.split(' ').nth(1).unwrap().to_owned();
            page.replace(&key, &format!("AAAA..{who}"));
            page.replace(&folder.fingerprint(who), &format!("SHA256:..{who}"));
        }
        page
    }

    /// In the page, a place is called so.
    pub fn stands_for(&mut self, place: &Path, name: &str) {
        let place = place.display().to_string();
        let bare = (place.trim_end_matches('/'), name.trim_end_matches('/'));
        self.replace(&place, name);
        self.replace(bare.0, bare.1);
        // git and the state folder write a path in ways of their own
        self.replace(&bare.0.replace('/', "%"), &bare.1.replace('/', "%"));
    }

    pub fn replace(&mut self, text: &str, by: &str) {
        self.named.push((text.to_owned(), by.to_owned()));
    }

    /// Runs spinet, which must not succeed. The title tells what is the matter.
    #[track_caller]
    pub fn fails(&mut self, title: &str, spinet: &mut Command) {
        let output = spinet.output().unwrap();
        assert!(!output.status.success(), "{title}: {output:?}");
        self.add(title, spinet, &output);
    }

    /// The same behind the words of a command that runs it somewhere else, or as somebody else.
    #[track_caller]
    pub fn fails_behind(&mut self, title: &str, words: &[&str], spinet: &Command) {
        let output = behind(words, spinet).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success(), "{title}: {output:?}");
        self.add(title, spinet, &output);
    }

    /// Runs spinet, which goes on but has something to say.
    #[track_caller]
    pub fn warns(&mut self, title: &str, spinet: &mut Command) {
        let output = spinet.output().unwrap();
        assert!(output.status.success(), "{title}: {output:?}");
        self.add(title, spinet, &output);
    }

    /// Runs spinet at a terminal, where these questions are answered; it must not succeed.
    #[track_caller]
    pub fn fails_at_terminal(&mut self, title: &str, spinet: &Command, answers: &[(&str, &str)]) {
        self.fails_while(title, spinet, |terminal| {
            for (question, answer) in answers {
                terminal.wait_for(question).answer(answer);
            }
        });
    }

    /// Runs spinet at a terminal, where this happens meanwhile; it must not succeed.
    #[track_caller]
    pub fn fails_while(
        &mut self,
        title: &str,
        spinet: &Command,
        happens: impl FnOnce(&mut Terminal),
    ) {
        self.fails_while_behind(title, &[], spinet, happens);
    }

    /// The same behind the words of a command that runs it somewhere else.
    #[track_caller]
    pub fn fails_while_behind(
        &mut self,
        title: &str,
        words: &[&str],
        spinet: &Command,
        happens: impl FnOnce(&mut Terminal),
    ) {
        // no line is broken, because what stands for places and keys is shorter than they are
        let wide = ["sh", "-c", "stty cols 500; exec \"$@\"", "sh"];
        let mut wide = behind(&[&wide, words].concat(), spinet);
        let mut terminal = Terminal::start(wide.env("NO_COLOR", "1"));
        happens(&mut terminal);
        let (code, screen) = terminal.end();
        assert!(code.is_some_and(|code| code > 0), "{title}: {screen}");
        self.write(title, spinet, "", &screen.replace('\r', ""), code);
    }

    /// Adds what a run showed: standard error as it is, standard output marked with `| `.
    fn add(&mut self, title: &str, spinet: &Command, output: &Output) {
        let shown = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        self.write(title, spinet, &shown, &said, output.status.code());
    }

    fn write(&mut self, title: &str, spinet: &Command, shown: &str, said: &str, code: Option<i32>) {
        let words: Vec<String> = spinet
            .get_args()
            .map(|word| quote(&word.to_string_lossy()))
            .collect();
        let mut text = format!("\n# {title}\n$ spinet {}\n", words.join(" "));
        for line in shown.lines() {
            writeln!(text, "| {line}").unwrap();
        }
        assert!(!said.contains("panicked"), "{title}: {said}");
        text.push_str(said);
        if !said.is_empty() && !said.ends_with('\n') {
            text.push('\n');
        }
        let code = code.expect("no signal ends it");
        writeln!(text, "exit {code}").unwrap();
        self.text.push_str(&self.plain(&text));
    }

    fn plain(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.named {
            text = text.replace(from, to);
        }
        let hash = |c: char| c.is_ascii_alphanumeric();
        let text = masked(&text, "/nix/store/", 32, hash);
        let text = masked(&text, "/spinet-edit-", 6, hash);
        let text = masked(&text, "/spinet-kept-", 6, hash);
        let text = masked(&text, "/1000/spinet-", 6, hash);
        let text = masked(&text, "/spinet-rehearsal.", 6, hash);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n") + "\n"
    }

    /// Holds the page against tests/errors/NAME.txt; `SPINET_BLESS=1` writes that anew.
    #[track_caller]
    pub fn compare(self) {
        let path = folder().join(self.name).with_extension("txt");
        let now = format!("{}\n{}", self.about, self.text);
        if std::env::var_os("SPINET_BLESS").is_some() {
            fs::write(&path, &now).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        if kept == now {
            return;
        }
        let diff = similar::TextDiff::from_lines(&kept, &now);
        panic!(
            "{} is not what is shown now; SPINET_BLESS=1 writes it anew:\n{}",
            path.display(),
            diff.unified_diff()
                .context_radius(3)
                .header("kept", "shown")
        );
    }
}

/// Where the pages are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors")
}

/// The words that run a command after a script, in a namespace where that may mount; it ends with `exec "$@"`.
pub fn mounting(script: &str) -> [&str; 8] {
    let root = "--map-root-user";
    [
        "unshare", "--user", root, "--mount", "sh", "-c", script, "sh",
    ]
}

/// The command as the last words of another one, with its environment and folder.
pub fn behind(words: &[&str], command: &Command) -> Command {
    let mut whole = Command::new(words[0]);
    whole
        .args(&words[1..])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(name, value),
            None => whole.env_remove(name),
        };
    }
    whole
}

/// A word as one types it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The text with what follows each `begin`, if it is `length` long and made of such characters, as `..`.
fn masked(text: &str, begin: &str, length: usize, of: impl Fn(char) -> bool) -> String {
    let mut parts = text.split(begin);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(begin);
        match part.get(..length) {
            Some(hash) if hash.chars().all(&of) => {
                out.push_str("..");
                out.push_str(&part[length..]);
            }
            _ => out.push_str(part),
        }
    }
    out
}
