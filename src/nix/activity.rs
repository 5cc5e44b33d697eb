//! What nix is doing, read from what it prints with `--log-format internal-json`: a line `@nix {..}` for each activity's
//! beginning, end and result. The numbers are those of nix' own source (src/libutil/include/nix/util/logging.hh).

use std::collections::HashMap;

use anstream::adapter::strip_str;
use serde::Deserialize;
use serde_json::Value;

/// The beginning of a line that is not for people.
const PREFIX: &str = "@nix ";

/// Kinds of activities.
const COPY_PATH: u64 = 100;
const FILE_TRANSFER: u64 = 101;
const COPY_PATHS: u64 = 103;
const BUILDS: u64 = 104;
const BUILD: u64 = 105;
/// Kinds of results.
const BUILD_LOG_LINE: u64 = 101;
const PROGRESS: u64 = 105;
const SET_EXPECTED: u64 = 106;
const POST_BUILD_LOG_LINE: u64 = 107;

/// What nix tells while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A line of text: a message, or one of a build's log.
    Line(&'a str),
    Progress(&'a Progress),
}

/// How far nix is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Derivations.
    pub built: u64,
    pub to_build: u64,
    /// Store paths.
    pub copied: u64,
    pub to_copy: u64,
    /// Bytes of those paths.
    pub bytes: u64,
    pub bytes_to_copy: u64,
    /// What was begun last: the name of a derivation or store path.
    pub name: String,
    /// What an evaluation waits for: an input of the flake.
    pub download: Option<Download>,
}

/// A file on its way here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Download {
    /// Its URL without the scheme.
    pub from: String,
    pub bytes: u64,
    /// 0 where the server does not tell.
    pub of: u64,
}

/// What was read so far.
#[derive(Debug, Default)]
pub struct Activity {
    running: HashMap<u64, Running>,
    progress: Progress,
    /// Bytes of the paths whose copying is over.
    bytes: u64,
    /// All lines, as nix prints them for people.
    text: String,
}

#[derive(Debug)]
struct Running {
    kind: u64,
    name: String,
    bytes: u64,
}

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Message {
    Start {
        id: u64,
        #[serde(rename = "type")]
        kind: u64,
        #[serde(default)]
        text: String,
        #[serde(default)]
        level: u64,
        #[serde(default)]
        fields: Vec<Value>,
    },
    Stop {
        id: u64,
    },
    Result {
        id: u64,
        #[serde(rename = "type")]
        kind: u64,
        #[serde(default)]
        fields: Vec<Value>,
    },
    Msg {
        msg: String,
    },
    #[serde(other)]
    Other,
}

impl Activity {
    /// Takes one line of nix' standard error.
    pub fn read(&mut self, line: &str, mut on_event: impl FnMut(Event<'_>)) {
        let Some(json) = line.strip_prefix(PREFIX) else {
            // of a program that nix started: ssh
            return self.say(line, on_event);
        };
        // a line that is no message is of another nix than those known
        if let Ok(message) = serde_json::from_str(json)
            && self.take(message, &mut on_event)
        {
            on_event(Event::Progress(&self.progress));
        }
    }

    /// All lines that were for people.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Whether nix is further on.
    fn take(&mut self, message: Message, on_event: impl FnMut(Event<'_>)) -> bool {
        match message {
            Message::Start {
                id,
                kind,
                text,
                level,
                fields,
            } => {
                let of = fields.first().and_then(Value::as_str).unwrap_or_default();
                let name = if kind == FILE_TRANSFER {
                    of.split_once("://").map_or(of, |(_, rest)| rest).to_owned()
                } else {
                    name_of(of)
                };
                let matters = matches!(kind, BUILD | COPY_PATH);
                if matters {
                    self.progress.name.clone_from(&name);
                }
                let bytes = 0;
                self.running.insert(id, Running { kind, name, bytes });
                // the levels above are for those who look into nix itself
                if !text.is_empty() && level <= 3 {
                    self.say(&text, on_event);
                }
                matters
            }
            Message::Stop { id } => {
                let ended = self.running.remove(&id);
                self.bytes += ended.as_ref().map_or(0, |ended| ended.bytes);
                ended.is_some_and(|ended| ended.kind == FILE_TRANSFER)
                    && self.progress.download.take().is_some()
            }
            Message::Result { id, kind, fields } => self.result(id, kind, &fields, on_event),
            Message::Msg { msg } => {
                self.say(&msg, on_event);
                false
            }
            Message::Other => false,
        }
    }

    fn result(
        &mut self,
        id: u64,
        kind: u64,
        fields: &[Value],
        on_event: impl FnMut(Event<'_>),
    ) -> bool {
        let Some(of) = self.running.get_mut(&id) else {
            return false;
        };
        let number = |index: usize| fields.get(index).and_then(Value::as_u64).unwrap_or(0);
        match (kind, of.kind) {
            (BUILD_LOG_LINE | POST_BUILD_LOG_LINE, _) => {
                let line = fields.first().and_then(Value::as_str).unwrap_or_default();
                let line = format!("{}> {line}", of.name);
                self.say(&line, on_event);
                return false;
            }
            (PROGRESS, BUILDS) => {
                (self.progress.built, self.progress.to_build) = (number(0), number(1));
            }
            (PROGRESS, COPY_PATHS) => {
                (self.progress.copied, self.progress.to_copy) = (number(0), number(1));
            }
            (PROGRESS, COPY_PATH) => {
                of.bytes = number(0);
                let now = self.running.values().map(|each| each.bytes).sum::<u64>();
                self.progress.bytes = self.bytes + now;
            }
            // those of substituters are in the bytes of paths
            (PROGRESS, FILE_TRANSFER) if self.progress.to_copy == 0 => {
                self.progress.download = Some(Download {
                    from: of.name.clone(),
                    bytes: number(0),
                    of: number(1),
                });
            }
            (SET_EXPECTED, _) if number(0) == COPY_PATH => {
                self.progress.bytes_to_copy = number(1);
            }
            _ => return false,
        }
        true
    }

    fn say(&mut self, text: &str, mut on_event: impl FnMut(Event<'_>)) {
        let text = strip_str(text).to_string();
        self.text.push_str(&text);
        self.text.push('\n');
        text.lines().for_each(|line| on_event(Event::Line(line)));
    }
}

/// `linux-6.12.30` of a store path or derivation.
fn name_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.split_once('-').map_or(name, |(_, name)| name);
    name.strip_suffix(".drv").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many lines of text there were, how far nix was last, and all text.
    fn read(lines: &[&str]) -> (usize, Progress, String) {
        let mut activity = Activity::default();
        let (mut said, mut last) = (0, Progress::default());
        for line in lines {
            activity.read(line, |event| match event {
                Event::Line(_) => said += 1,
                Event::Progress(progress) => last = progress.clone(),
            });
        }
        (said, last, activity.into_text())
    }

    #[test]
    fn builds_are_counted_and_their_logs_named() {
        // printed by nix 2.26
        let (_, progress, text) = read(&[
            r#"@nix {"action":"start","id":434,"level":0,"parent":0,"text":"","type":104}"#,
            r#"@nix {"action":"result","fields":[0,3,0,0],"id":434,"type":105}"#,
            r#"@nix {"action":"start","fields":["/nix/store/bxpwxls3sivk3z9r2j38mjpsymfd81ki-two.drv","",1,1],"id":438,"level":3,"parent":0,"text":"building '/nix/store/bxpwxls3sivk3z9r2j38mjpsymfd81ki-two.drv'","type":105}"#,
            r#"@nix {"action":"result","fields":["no"],"id":438,"type":101}"#,
            r#"@nix {"action":"result","fields":[1,3,1,0],"id":434,"type":105}"#,
            r#"@nix {"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m builder for '\u001b[35;1m/nix/store/bxpwxls3sivk3z9r2j38mjpsymfd81ki-two.drv\u001b[0m' failed with exit code 3"}"#,
        ]);
        assert_eq!((progress.built, progress.to_build), (1, 3));
        assert_eq!(progress.name, "two");
        assert!(text.contains("two> no\n"), "{text}");
        let error = "error: builder for '/nix/store/bxpwxls3sivk3z9r2j38mjpsymfd81ki-two.drv' failed with exit code 3\n";
        assert!(text.ends_with(error), "{text}");
    }

    #[test]
    fn bytes_add_up_over_paths() {
        let (_, progress, _) = read(&[
            r#"@nix {"action":"start","id":1,"level":0,"text":"","type":103}"#,
            r#"@nix {"action":"result","fields":[100,500],"id":1,"type":106}"#,
            r#"@nix {"action":"start","id":2,"level":3,"text":"copying path 'a'","type":100,"fields":["/nix/store/bxpwxls3sivk3z9r2j38mjpsymfd81ki-a","",""]}"#,
            r#"@nix {"action":"result","fields":[200,200,0,0],"id":2,"type":105}"#,
            r#"@nix {"action":"stop","id":2}"#,
            r#"@nix {"action":"result","fields":[1,2,0,0],"id":1,"type":105}"#,
            r#"@nix {"action":"start","id":3,"level":3,"text":"copying path 'b'","type":100,"fields":["/nix/store/bxpwxls3sivk3z9r2j38mjpsymfd81ki-b","",""]}"#,
            r#"@nix {"action":"result","fields":[50,300,0,0],"id":3,"type":105}"#,
        ]);
        assert_eq!((progress.bytes, progress.bytes_to_copy), (250, 500));
        assert_eq!((progress.copied, progress.to_copy), (1, 2));
        assert_eq!(progress.name, "b");
    }

    #[test]
    fn an_input_of_the_flake_is_told_while_it_is_downloaded() {
        // printed by nix 2.26
        let start = r#"@nix {"action":"start","fields":["https://github.com/NixOS/nixpkgs.tar.gz"],"id":2,"level":4,"parent":0,"text":"downloading 'https://github.com/NixOS/nixpkgs.tar.gz'","type":101}"#;
        let result = r#"@nix {"action":"result","fields":[163840,30004956,0,0],"id":2,"type":105}"#;
        let (_, progress, _) = read(&[start, result]);
        let download = Download {
            from: "github.com/NixOS/nixpkgs.tar.gz".into(),
            bytes: 163_840,
            of: 30_004_956,
        };
        assert_eq!(progress.download, Some(download));
        let (_, progress, _) = read(&[start, result, r#"@nix {"action":"stop","id":2}"#]);
        assert_eq!(progress.download, None);
    }

    #[test]
    fn other_programs_speak_for_themselves_and_unknown_messages_do_not_matter() {
        let (said, _, text) = read(&[
            "ssh: connect to host 10.0.0.2 port 22: No route to host",
            r#"@nix {"action":"new"}"#,
            "@nix nonsense",
        ]);
        assert_eq!(said, 1);
        assert!(text.starts_with("ssh: connect"), "{text}");
    }
}
