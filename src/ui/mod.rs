//! What the user sees and is asked. Parts tell events to a [`Ui`]; they never print themselves.

mod answer;
mod bars;
mod events;
mod nix_line;
mod notify;
mod output;
mod plugin;
mod snippet;
mod stages;
mod style;
mod terminal;
mod text;
mod wrap;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io::{ErrorKind, IsTerminal, Write};
use std::rc::Rc;
use std::time::Duration;

use age::secrecy::SecretString;
use anyhow::{Context, Result};
use serde_json::json;

use crate::error::{Exit, Failure, exit_of, parts, render};
use crate::nix;
use bars::{Bars, Count};
use events::Events;
use stages::{Stage, Stages};

pub use notify::Notify;
pub(crate) use output::out;
pub use output::{lost, print, print_bytes, print_sentences};
pub use plugin::PluginPrompts;
pub use snippet::snippet;
pub use style::{bad, good};
pub use terminal::room;
pub use text::{bytes, counted, cut, hex, indent, visible};
pub use wrap::indented;

/// What nix does as long as it does nothing else.
pub const EVALUATING: &str = "Evaluating the flake";

/// How long something may take before it is told.
const PATIENCE: Duration = Duration::from_millis(400);

/// What a run shows besides its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// On a terminal, how far things are.
    Progress,
    Nothing,
    /// Everything as JSON lines for another program, and no questions.
    Events,
}

/// The user's side of a run: messages on standard error, questions on the terminal.
#[derive(Clone)]
pub struct Ui {
    inner: Rc<Inner>,
}

struct Inner {
    /// Questions may be asked.
    interactive: bool,
    /// `--yes`: confirmations are answered with yes.
    yes: bool,
    verbose: bool,
    bars: Bars,
    stages: Stages,
    /// For another program, in the place of text.
    events: Option<Events>,
    stop: RefCell<Option<(String, Exit)>>,
    /// Another program has the terminal; an interrupt typed there is meant for it.
    lent: Cell<bool>,
}

impl Ui {
    /// `yes` answers confirmations, never other questions.
    pub fn new(yes: bool, verbose: bool, shown: Shown) -> Self {
        let interactive = shown != Shown::Events
            && std::io::stdin().is_terminal()
            && std::io::stderr().is_terminal();
        Self {
            inner: Rc::new(Inner {
                interactive,
                yes,
                verbose,
                bars: Bars::new(interactive && shown == Shown::Progress),
                stages: Stages::default(),
                events: (shown == Shown::Events).then(Events::default),
                stop: RefCell::new(None),
                lent: Cell::new(false),
            }),
        }
    }

    /// One message of its own line.
    pub fn say(&self, message: impl AsRef<str>) {
        self.tell("message", "", message.as_ref());
    }

    /// A numbered step begins.
    pub fn step(&self, number: usize, of: usize, title: &str) {
        match &self.inner.events {
            Some(_) => {
                events::tell(
                    &json!({ "event": "step", "number": number, "of": of, "text": title }),
                );
            }
            None => self.line(&format!("[{number}/{of}] {title}")),
        }
    }

    pub fn warn(&self, message: impl AsRef<str>) {
        self.tell("warning", "Warning: ", message.as_ref());
    }

    /// Shown with `-v` only.
    pub fn detail(&self, message: impl AsRef<str>) {
        if self.inner.verbose {
            self.tell("detail", "  ", message.as_ref());
        }
    }

    /// The hosts that will go through stages of their own, side by side.
    pub fn hosts<'h>(&self, names: impl Iterator<Item = &'h str>) {
        self.inner.stages.expect(names);
    }

    /// A host begins a stage of its own.
    pub fn stage(&self, host: &str, number: usize, of: usize, text: &str) {
        let stage = Stage {
            number,
            of,
            text: text.to_owned(),
        };
        self.inner.stages.begin(host, stage);
        match &self.inner.events {
            Some(_) => {
                events::tell(
                    &json!({ "event": "stage", "host": host, "number": number, "of": of, "text": text }),
                );
            }
            None => self.done(host),
        }
    }

    /// Shows how many of `total` bytes are done, of a host or (without a name) of the run; 0 in all is a spinner. It ends
    /// with [`Ui::done`].
    pub fn progress(&self, host: &str, text: &str, done: u64, total: u64) {
        let count = match total {
            0 => Count::Unknown,
            _ => Count::Bytes { done, total },
        };
        self.count(host, text, count);
    }

    /// Shows how many of several things are done.
    pub fn tally(&self, text: &str, done: u64, total: u64) {
        self.count("", text, Count::Items { done, total });
    }

    /// Shows what is worked on if it takes long enough to be asked about.
    pub async fn during<T>(&self, text: &str, work: impl Future<Output = T>) -> T {
        let told = async {
            tokio::time::sleep(PATIENCE).await;
            if !self.inner.bars.has("") {
                self.progress("", text, 0, 0);
            }
            std::future::pending::<Infallible>().await
        };
        let result = tokio::select! {
            biased;
            result = work => result,
            never = told => match never {},
        };
        self.done("");
        result
    }

    /// The run is over: how, for whoever reads events, else the error alone.
    pub fn end(&self, error: Option<&anyhow::Error>) {
        self.progress_done();
        match (&self.inner.events, error) {
            (Some(_), error) => {
                let exit = error.map_or(0, |error| exit_of(error).code());
                let error = error.map(|error| {
                    let (text, causes, hints) = parts(error);
                    json!({ "text": text, "causes": causes, "hints": hints })
                });
                events::tell(&json!({ "event": "end", "exit": exit, "error": error }));
            }
            (None, Some(error)) => self.line(render(error).trim_end()),
            (None, None) => {}
        }
    }

    /// What nix does, for one host or (without a name) for all; its text with `-v` only. It ends with [`Ui::done`].
    pub fn nix(&self, host: &str, event: nix::Event<'_>) {
        match event {
            nix::Event::Line(line) => {
                self.detail(visible(line));
                if !self.inner.bars.counts(host) {
                    self.count(host, line, Count::Unknown);
                }
            }
            nix::Event::Progress(progress) => {
                if let Some(count) = nix_line::count(progress) {
                    self.count(host, &nix_line::label(progress), count);
                } else if self.inner.bars.counts(host) {
                    self.count(host, EVALUATING, Count::Unknown);
                }
            }
        }
    }

    /// What was going on is over: the host's line tells its stage again; without one it goes.
    pub fn done(&self, host: &str) {
        match self.inner.stages.label(host) {
            Some(label) => self.inner.bars.begin(host, &label),
            None => self.inner.bars.clear(host),
        }
    }

    /// The host is done with its stages, or nothing is to be seen of them for now.
    pub fn leave(&self, host: &str) {
        self.inner.stages.end(host);
        self.inner.bars.clear(host);
    }

    pub fn progress_done(&self) {
        self.inner.bars.clear_all();
    }

    /// Asks for a line of text; `flag` is what answers it without a terminal.
    pub fn ask(&self, question: &str, flag: &str) -> Result<String> {
        self.need_terminal(question, flag)?;
        self.progress_done();
        let question = wrap::wrap(question, terminal::columns()).join("\n");
        eprint!("{question} ");
        std::io::stderr()
            .flush()
            .context("while asking on the terminal")?;
        if let Some(line) = answer::line().context("while reading the answer")? {
            return Ok(line);
        }
        self.line("");
        Err(self.stop().into())
    }

    /// Asks for a passphrase without showing it.
    pub fn passphrase(&self, question: &str, flag: &str) -> Result<SecretString> {
        self.need_terminal(question, flag)?;
        self.progress_done();
        match rpassword::prompt_password(format!("{question} ")) {
            Ok(answer) => Ok(SecretString::from(answer)),
            Err(e) if e.kind() == ErrorKind::Interrupted => Err(self.stop().into()),
            Err(e) => Err(e).context("while reading a passphrase"),
        }
    }

    /// The password that sudo on the hosts wants, if it is `wanted`.
    pub fn sudo_password(&self, wanted: bool) -> Result<Option<Rc<SecretString>>> {
        if !wanted {
            return Ok(None);
        }
        let question = "The password for sudo on the hosts:";
        let password = self.passphrase(question, "a sudo without a password")?;
        Ok(Some(Rc::new(password)))
    }

    /// Asks whether to go on with what the question says; `--yes` answers it.
    pub fn confirm(&self, question: &str) -> Result<bool> {
        if self.inner.yes {
            return Ok(true);
        }
        Ok(self.ask(&format!("{question} Type yes:"), "--yes")? == "yes")
    }

    /// Shows numbered options and asks for some of them; `flag` is what answers it without a terminal.
    pub fn choose(&self, question: &str, options: &[String], flag: &str) -> Result<Vec<usize>> {
        self.need_terminal(question, flag)?;
        for (index, option) in options.iter().enumerate() {
            self.line(&format!("  {}) {option}", index + 1));
        }
        loop {
            let answer = self.ask(question, flag)?;
            let numbers = answer.split([' ', ',']).filter(|word| !word.is_empty());
            let chosen: Option<Vec<usize>> = numbers
                .map(|word| {
                    word.parse()
                        .ok()
                        .filter(|n| (1..=options.len()).contains(n))
                })
                .collect();
            match chosen {
                Some(chosen) if !chosen.is_empty() => {
                    return Ok(chosen.into_iter().map(|n| n - 1).collect());
                }
                _ if answer.is_empty() => {
                    return Err(Failure::new("Nothing was chosen; nothing was changed.").into());
                }
                _ => self.line("Numbers from the list, please; an empty line gives up."),
            }
        }
    }

    /// What age plugins say and ask.
    pub fn plugin_prompts(&self) -> PluginPrompts {
        PluginPrompts {
            interactive: self.inner.interactive,
        }
    }

    /// Questions can be asked.
    pub fn is_interactive(&self) -> bool {
        self.inner.interactive
    }

    /// While another program has the terminal (an editor), an interrupt typed there does not stop this run.
    pub fn lend_terminal(&self, lent: bool) {
        self.progress_done();
        self.inner.lent.set(lent);
    }

    pub fn terminal_is_lent(&self) -> bool {
        self.inner.lent.get()
    }

    /// `--yes` was given.
    pub fn assumes_yes(&self) -> bool {
        self.inner.yes
    }

    /// What a signal arriving from now on leaves behind, and the exit code that tells it.
    pub fn if_stopped(&self, message: impl Into<String>, exit: Exit) {
        *self.inner.stop.borrow_mut() = Some((message.into(), exit));
    }

    /// The error of a run that is stopped by a signal now: what it leaves behind.
    pub fn stop(&self) -> Failure {
        self.progress_done();
        let stop = self.inner.stop.borrow_mut().take();
        let (message, exit) = stop.unwrap_or_else(|| ("Nothing was changed.".into(), Exit::Failed));
        Failure::new(format!("Stopped. {message}")).stopped(exit)
    }

    fn need_terminal(&self, question: &str, flag: &str) -> Result<()> {
        if self.inner.interactive {
            return Ok(());
        }
        Err(Failure::new(format!(
            "There is no terminal to ask: {}",
            text::asked(question)
        ))
        .hint(format!("Answer it with {flag}."))
        .into())
    }

    fn count(&self, host: &str, text: &str, count: Count) {
        if let Some(events) = &self.inner.events {
            events.progress(host, text, count);
        } else {
            let label = self.inner.stages.prefix(host) + text;
            self.inner.bars.set(host, &label, count);
        }
    }

    /// A message of a kind, for people with something before it.
    fn tell(&self, kind: &str, before: &str, message: &str) {
        match &self.inner.events {
            Some(_) => events::text(kind, message),
            None => self.line(&format!("{before}{message}")),
        }
    }

    fn line(&self, text: &str) {
        let mut stderr = anstream::stderr();
        let is_terminal = std::io::stderr().is_terminal();
        let lines = wrap::fit(text, is_terminal.then(terminal::columns));
        let print = || {
            for line in lines {
                // a closed standard error must not end a deploy half-way
                let _ = writeln!(stderr, "{}", style::line(&line));
            }
        };
        self.inner.bars.above(print);
    }
}
