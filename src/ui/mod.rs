//! What the user sees and is asked. Parts tell events to a [`Ui`]; they never print themselves.

mod answer;
mod bars;
mod events;
mod notify;
mod plugin;
mod snippet;
mod text;

use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::rc::Rc;

use age::secrecy::SecretString;
use anyhow::{Context, Result};
use serde_json::json;

use crate::error::{Exit, Failure, exit_of, parts, render};
use crate::nix;
use bars::{Bars, Count};
use events::Events;

pub use notify::Notify;
pub use plugin::PluginPrompts;
pub use snippet::snippet;
pub use text::{bytes, hex, indent, visible};

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
                events: (shown == Shown::Events).then(Events::default),
                stop: RefCell::new(None),
                lent: Cell::new(false),
            }),
        }
    }

    /// One message of its own line.
    pub fn say(&self, message: impl AsRef<str>) {
        match &self.inner.events {
            Some(_) => events::text("message", message.as_ref()),
            None => self.line(message.as_ref()),
        }
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
        match &self.inner.events {
            Some(_) => events::text("warning", message.as_ref()),
            None => self.line(&format!("Warning: {}", message.as_ref())),
        }
    }

    /// Shown with `-v` only.
    pub fn detail(&self, message: impl AsRef<str>) {
        if !self.inner.verbose {
            return;
        }
        match &self.inner.events {
            Some(_) => events::text("detail", message.as_ref()),
            None => self.line(&format!("  {}", message.as_ref())),
        }
    }

    /// Shows how many of `total` bytes are done; 0 in all is a spinner. It ends with [`Ui::progress_done`].
    pub fn progress(&self, label: &str, done: u64, total: u64) {
        let count = match total {
            0 => Count::Unknown,
            _ => Count::Bytes { done, total },
        };
        self.count("", label, label, count);
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

    /// What nix does, for one host or (without a name) for all; its text with `-v` only. The line ends with [`Ui::done`].
    pub fn nix(&self, host: &str, event: &nix::Event) {
        let (text, count) = match event {
            nix::Event::Line(line) => {
                self.detail(visible(line));
                if self.inner.bars.counts(host) {
                    return;
                }
                (line.clone(), Count::Unknown)
            }
            nix::Event::Progress(progress) => {
                let count = nix_count(progress);
                if count == Count::Unknown {
                    return;
                }
                (nix_label(progress), count)
            }
        };
        let prefix = if host.is_empty() { "" } else { ": " };
        self.count(host, &text, &format!("{host}{prefix}{text}"), count);
    }

    /// The host's line goes.
    pub fn done(&self, host: &str) {
        self.inner.bars.clear(host);
    }

    pub fn progress_done(&self) {
        self.inner.bars.clear_all();
    }

    /// Asks for a line of text; `flag` is what answers it without a terminal.
    pub fn ask(&self, question: &str, flag: &str) -> Result<String> {
        self.need_terminal(question, flag)?;
        self.progress_done();
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
        let answer = rpassword::prompt_password(format!("{question} "))
            .context("while reading a passphrase")?;
        Ok(SecretString::from(answer))
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
        Failure::new(format!("Stopped. {message}")).exit(exit)
    }

    fn need_terminal(&self, question: &str, flag: &str) -> Result<()> {
        if self.inner.interactive {
            return Ok(());
        }
        Err(
            Failure::new(format!("There is no terminal to ask: {question}"))
                .hint(format!("Answer it with {flag}."))
                .into(),
        )
    }

    fn count(&self, host: &str, text: &str, label: &str, count: Count) {
        match &self.inner.events {
            Some(events) => events.progress(host, text, count),
            None => self.inner.bars.set(host, label, count),
        }
    }

    fn line(&self, text: &str) {
        let print = || {
            // a closed standard error must not end a deploy half-way
            let _ = writeln!(std::io::stderr(), "{text}");
        };
        self.inner.bars.above(print);
    }
}

fn nix_count(progress: &nix::Progress) -> Count {
    let done = progress.built + progress.copied;
    let total = progress.to_build + progress.to_copy;
    if progress.built == progress.to_build && progress.bytes_to_copy > 0 {
        Count::Bytes {
            done: progress.bytes,
            total: progress.bytes_to_copy,
        }
    } else if total > 0 {
        Count::Items { done, total }
    } else {
        Count::Unknown
    }
}

/// `building 3 of 7, copying 12 of 40: linux-6.12.30`
fn nix_label(progress: &nix::Progress) -> String {
    let part = |word, done: u64, total: u64| {
        (done < total).then(|| format!("{word} {} of {total}", done + 1))
    };
    let parts: Vec<String> = [
        part("building", progress.built, progress.to_build),
        part("copying", progress.copied, progress.to_copy),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut label = parts.join(", ");
    if !progress.name.is_empty() {
        label.push_str(": ");
        label.push_str(&progress.name);
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nix_does_is_told_in_few_words() {
        let mut progress = nix::Progress {
            to_build: 7,
            built: 2,
            to_copy: 40,
            copied: 11,
            bytes: 5,
            bytes_to_copy: 9,
            name: "linux-6.12.30".into(),
        };
        let label = nix_label(&progress);
        assert_eq!(label, "building 3 of 7, copying 12 of 40: linux-6.12.30");
        let items = Count::Items {
            done: 13,
            total: 47,
        };
        assert_eq!(nix_count(&progress), items);
        progress.built = 7;
        assert_eq!(nix_label(&progress), "copying 12 of 40: linux-6.12.30");
        assert_eq!(nix_count(&progress), Count::Bytes { done: 5, total: 9 });
        assert_eq!(nix_count(&nix::Progress::default()), Count::Unknown);
    }
}
