//! What the user sees and is asked. Parts tell events to a [`Ui`]; they never print themselves.

mod answer;
mod plugin;
mod snippet;
mod text;

use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::rc::Rc;
use std::time::Duration;

use age::secrecy::SecretString;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{Exit, Failure};

pub use plugin::PluginPrompts;
pub use snippet::snippet;
pub use text::{bytes, hex, indent, visible};

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
    bar: RefCell<Option<ProgressBar>>,
    stop: RefCell<Option<(String, Exit)>>,
    /// Another program has the terminal; an interrupt typed there is meant for it.
    lent: Cell<bool>,
}

impl Ui {
    /// `yes` answers confirmations, never other questions.
    pub fn new(yes: bool, verbose: bool) -> Self {
        let interactive = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        Self {
            inner: Rc::new(Inner {
                interactive,
                yes,
                verbose,
                bar: RefCell::new(None),
                stop: RefCell::new(None),
                lent: Cell::new(false),
            }),
        }
    }

    /// One message of its own line.
    pub fn say(&self, message: impl AsRef<str>) {
        self.line(message.as_ref());
    }

    /// A numbered step begins.
    pub fn step(&self, number: usize, of: usize, title: &str) {
        self.line(&format!("[{number}/{of}] {title}"));
    }

    pub fn warn(&self, message: impl AsRef<str>) {
        self.line(&format!("Warning: {}", message.as_ref()));
    }

    /// Shown with `-v` only.
    pub fn detail(&self, message: impl AsRef<str>) {
        if self.inner.verbose {
            self.line(&format!("  {}", message.as_ref()));
        }
    }

    /// Moves the progress bar; `total` 0 is a spinner. The bar ends with [`Ui::progress_done`].
    pub fn progress(&self, label: &str, done: u64, total: u64) {
        if !self.inner.interactive {
            return;
        }
        let mut slot = self.inner.bar.borrow_mut();
        // the next thing that is counted has a rate and a time left of its own
        let begins_anew = |bar: &ProgressBar| total > 0 && bar.position() > done;
        if let Some(old) = slot.take_if(|bar| begins_anew(bar)) {
            old.finish_and_clear();
        }
        let bar = slot.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template = if total > 0 {
                "  {msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left"
            } else {
                "  {spinner} {wide_msg} {elapsed}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        bar.set_message(visible(label));
        if total > 0 {
            bar.set_length(total);
        }
        bar.set_position(done);
    }

    /// A line nix printed while building: the spinner's text, or a line of its own with `-v`.
    pub fn build_line(&self, line: &str) {
        self.detail(visible(line));
        self.progress(line, 0, 0);
    }

    pub fn progress_done(&self) {
        if let Some(bar) = self.inner.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
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

    fn line(&self, text: &str) {
        let print = || {
            // a closed standard error must not end a deploy half-way
            let _ = writeln!(std::io::stderr(), "{text}");
        };
        match &*self.inner.bar.borrow() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}
