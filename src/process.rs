//! The only place that starts a process. A command is data first: it can be printed, compared in tests,
//! and holds no secret, because secrets travel only over its standard input.

mod background;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use zeroize::Zeroizing;

use crate::error::Failure;

pub use background::Background;

/// How many of a failing command's last lines are shown.
const TAIL: usize = 20;

/// A command that is not yet running.
#[derive(Clone)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    /// None takes a variable away.
    env: Vec<(OsString, Option<OsString>)>,
    dir: Option<PathBuf>,
    stdin: Input,
    timeout: Option<Duration>,
    /// What to do when the program is not there.
    missing: Option<&'static str>,
    /// What of its standard error tells why it failed.
    reason_in: fn(&str) -> String,
}

#[derive(Clone)]
enum Input {
    Nothing,
    Bytes(Zeroizing<Vec<u8>>),
}

/// What a finished command left behind.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: Zeroizing<Vec<u8>>,
    pub stderr: String,
}

impl Cmd {
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            stdin: Input::Nothing,
            timeout: None,
            missing: None,
            reason_in: str::to_owned,
        }
    }

    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Never a secret: other processes of the user can read an environment.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((key.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Keeps a variable of this process from the command.
    #[must_use]
    pub fn without_env(mut self, key: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), None));
        self
    }

    #[must_use]
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// The one way for a secret into another process; wiped when the command is dropped.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Input::Bytes(Zeroizing::new(bytes.into()));
        self
    }

    /// Kills the command after `limit`.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// The remedy to show when the program is not installed.
    #[must_use]
    pub fn or_install(mut self, remedy: &'static str) -> Self {
        self.missing = Some(remedy);
        self
    }

    /// What of its standard error tells why it failed, where that is not all.
    #[must_use]
    pub fn reason(mut self, reason_in: fn(&str) -> String) -> Self {
        self.reason_in = reason_in;
        self
    }

    /// Runs to the end, whatever the exit status.
    pub async fn output(&self) -> Result<Output> {
        self.output_with(|_| ()).await
    }

    /// Like [`Cmd::output`], handing every line of standard error over as it comes.
    pub async fn output_with(&self, on_line: impl FnMut(&str)) -> Result<Output> {
        match self.timeout {
            None => self.collect(on_line).await,
            Some(limit) => tokio::time::timeout(limit, self.collect(on_line))
                .await
                .map_err(|_| {
                    Failure::new(format!(
                        "`{self}` did not end within {} s.",
                        limit.as_secs()
                    ))
                })?,
        }
    }

    /// Runs the command and fails unless it succeeds.
    pub async fn run(&self) -> Result<Output> {
        let output = self.output().await?;
        if output.status.success() {
            Ok(output)
        } else {
            Err(self.failed(&output))
        }
    }

    /// Runs the command and returns its standard output as text, without the final newline.
    pub async fn text(&self) -> Result<String> {
        let output = self.run().await?;
        let text = std::str::from_utf8(&output.stdout)
            .with_context(|| format!("`{self}` printed something that is not UTF-8."))?;
        Ok(text.trim_end_matches('\n').to_owned())
    }

    /// The error for an exit status that is not accepted: arguments and last lines.
    pub fn failed(&self, output: &Output) -> anyhow::Error {
        let mut message = format!("`{self}` failed ({}).", output.status);
        let reason = (self.reason_in)(&output.stderr);
        let lines: Vec<_> = reason.lines().collect();
        for line in &lines[lines.len().saturating_sub(TAIL)..] {
            message.push_str("\n  ");
            message.push_str(&crate::ui::visible(line));
        }
        Failure::new(message).into()
    }

    /// Starts the command with pipes on standard input and output; standard error stays the user's.
    /// The child is killed when its handle is dropped.
    pub fn spawn_piped(&self) -> Result<tokio::process::Child> {
        let mut command = self.prepare();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().map_err(|e| self.not_started(e))
    }

    /// Runs the command on the user's terminal: an editor. Fails unless it succeeds.
    pub async fn on_terminal(&self) -> Result<()> {
        let mut command = self.prepare();
        command.stdin(Stdio::inherit());
        let status = command.status().await.map_err(|e| self.not_started(e))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("`{self}` failed ({status}).")).into())
    }

    /// Starts the command for its effect alone, waits for it, and does not care how it went: for clean-ups.
    pub fn fire(&self) {
        let _ = std::process::Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }

    fn prepare(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).kill_on_drop(true);
        for (key, value) in &self.env {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    async fn collect(&self, mut on_line: impl FnMut(&str)) -> Result<Output> {
        let mut command = self.prepare();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(match self.stdin {
            Input::Nothing => Stdio::null(),
            Input::Bytes(_) => Stdio::piped(),
        });
        let mut child = command.spawn().map_err(|e| self.not_started(e))?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let (Some(mut pipe), Input::Bytes(bytes)) = (stdin, &self.stdin) {
                // a program that ends without reading all of its input tells why by itself
                let _ = pipe.write_all(bytes).await;
                let _ = pipe.shutdown().await;
            }
        };
        let read = async {
            let mut bytes = Zeroizing::new(Vec::new());
            if let Some(mut pipe) = stdout {
                tokio::io::AsyncReadExt::read_to_end(&mut pipe, &mut bytes).await?;
            }
            std::io::Result::Ok(bytes)
        };
        let listen = async {
            let mut text = String::new();
            if let Some(pipe) = stderr {
                let mut lines = BufReader::new(pipe);
                let mut line = Vec::new();
                while lines.read_until(b'\n', &mut line).await? > 0 {
                    let shown = String::from_utf8_lossy(&line);
                    on_line(shown.trim_end_matches('\n'));
                    text.push_str(&shown);
                    line.clear();
                }
            }
            std::io::Result::Ok(text)
        };
        let ((), stdout, stderr) = tokio::join!(feed, read, listen);
        let status = child
            .wait()
            .await
            .with_context(|| format!("while waiting for `{self}`"))?;
        Ok(Output {
            status,
            stdout: stdout.with_context(|| format!("while reading from `{self}`"))?,
            stderr: stderr.with_context(|| format!("while reading from `{self}`"))?,
        })
    }

    fn not_started(&self, error: std::io::Error) -> anyhow::Error {
        let program = self.program.to_string_lossy();
        let failure = Failure::new(format!("`{program}` could not be started."));
        match (error.kind(), self.missing) {
            (std::io::ErrorKind::NotFound, Some(remedy)) => failure.hint(remedy),
            _ => failure,
        }
        .source(error)
        .into()
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote(&self.program.to_string_lossy()))?;
        for arg in &self.args {
            write!(f, " {}", quote(&arg.to_string_lossy()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One word as a POSIX shell reads it back.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,#".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('#') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The program of that name on PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|path| {
            rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() && path.is_file()
        })
}

/// Where a system program is: on PATH, where this build was told (`SPINET_TOOLS`: sudo drops the wrapper's PATH),
/// or in the folders that a user's PATH may lack. Its bare name when nowhere.
pub fn tool(program: &str) -> PathBuf {
    let built_in = option_env!("SPINET_TOOLS")
        .unwrap_or_default()
        .split(':')
        .filter(|dir| !dir.is_empty());
    let dirs = built_in.chain(["/run/current-system/sw/bin", "/usr/sbin", "/sbin"]);
    find(program)
        .or_else(|| {
            dirs.map(|dir| Path::new(dir).join(program))
                .find(|path| path.is_file())
        })
        .unwrap_or_else(|| program.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(f: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(f)
    }

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        assert_eq!(quote("root@bach.local"), "root@bach.local");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote("a b"), "'a b'");
    }

    #[test]
    fn input_reaches_the_program_and_never_its_printed_form() {
        let cmd = Cmd::new("cat").input("psk");
        assert_eq!(block_on(cmd.text()).unwrap(), "psk");
        assert_eq!(format!("{cmd:?}"), "cat");
    }

    #[test]
    fn a_failing_command_shows_its_arguments_and_last_lines() {
        let cmd = Cmd::new("sh").args(["-c", "seq 30 >&2; exit 3"]);
        let shown = block_on(cmd.run()).unwrap_err().to_string();
        assert!(
            shown.starts_with("`sh -c 'seq 30 >&2; exit 3'` failed (exit status: 3)."),
            "{shown}"
        );
        assert!(
            shown.contains("\n  11\n") && !shown.contains("\n  10\n"),
            "{shown}"
        );
    }

    #[test]
    fn a_failed_command_shows_its_reason() {
        let cmd = Cmd::new("sh").args(["-c", "seq 30 >&2; exit 3"]);
        let cmd = cmd.reason(|said| said.lines().take(1).collect());
        let error = block_on(cmd.run()).unwrap_err();
        assert!(error.to_string().ends_with(").\n  1"));
    }

    #[test]
    fn a_missing_program_names_its_remedy() {
        let cmd = Cmd::new("no-such-program").or_install("Install it.");
        let error = block_on(cmd.run()).unwrap_err();
        assert!(crate::error::render(&error).contains("Hint: Install it."));
    }

    #[test]
    fn a_hanging_command_is_killed() {
        let cmd = Cmd::new("sleep")
            .arg("60")
            .timeout(Duration::from_millis(50));
        assert!(block_on(cmd.run()).is_err());
    }
}
