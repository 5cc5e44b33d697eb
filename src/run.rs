//! From parsed arguments to the story they ask for, and from its end to an exit code.

use anyhow::{Context, Result};
use clap::FromArgMatches;
use clap_complete::CompleteEnv;
use std::process::ExitCode;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{self, Cli, Command, Global};
use crate::error::exit_of;
use crate::ui::{Shown, Ui, lost};
use crate::{bootstrap, commands, deploy, doctor, privileged, rehearse, status};

/// The command line as it is, for what must agree with it: the documentation.
pub fn command() -> clap::Command {
    cli::command()
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    CompleteEnv::with_factory(cli::command).complete();
    let matches = cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Command::Privileged(grant) = cli.command {
        return privileged::run_child(grant);
    }
    let ui = Ui::new(cli.global.yes, cli.global.verbose, shown(&cli.global));
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(until_stopped(&cli, &ui)),
        Err(e) => Err(anyhow::Error::new(e).context("while starting")),
    };
    let result = result.and_then(|()| lost().map_or(Ok(()), |lost| Err(lost.into())));
    let error = result.as_ref().err();
    ui.end(error);
    let what = format!("spinet {}", cli.command.word());
    let outcome = error.map_or_else(|| "done".to_owned(), ToString::to_string);
    cli.global.notify.tell(&what, &outcome, began.elapsed());
    error.map_or(ExitCode::SUCCESS, |error| exit_of(error).code().into())
}

fn shown(global: &Global) -> Shown {
    match (global.events, global.no_progress) {
        (true, _) => Shown::Events,
        (false, true) => Shown::Nothing,
        (false, false) => Shown::Progress,
    }
}

/// Dropping the story runs its clean-ups: children are killed, connections closed, temporary files removed.
async fn until_stopped(cli: &Cli, ui: &Ui) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("while listening for signals")?;
    let mut hangup = signal(SignalKind::hangup()).context("while listening for signals")?;
    let interrupted = async {
        loop {
            let typed = tokio::signal::ctrl_c().await;
            if typed.is_err() || !ui.terminal_is_lent() {
                break;
            }
        }
    };
    tokio::select! {
        result = dispatch(cli, ui) => return result,
        () = interrupted => {
            if cli.command.ends_when_interrupted() {
                return Ok(());
            }
        }
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Err(ui.stop().into())
}

async fn dispatch(cli: &Cli, ui: &Ui) -> Result<()> {
    let global = &cli.global;
    match &cli.command {
        Command::Bootstrap(args) => bootstrap::run(args, global, ui).await,
        Command::Deploy(args) => deploy::run(args, global, ui).await,
        Command::Status(args) => status::run(args, global, ui).await,
        Command::Doctor(args) => doctor::run(args, global, ui).await,
        Command::Rehearse(args) => rehearse::run(args, global, ui).await,
        Command::Log(args) => commands::log::run(args, global, ui).await,
        Command::Secrets(command) => commands::secrets::run(command, global, ui).await,
        Command::Host(command) => commands::host::run(command, global, ui).await,
        Command::Wifi(command) => commands::wifi::run(command, global, ui).await,
        Command::Card(command) => commands::card::run(command, global, ui).await,
        Command::Completions { shell } => {
            commands::shell::completions(*shell);
            Ok(())
        }
        Command::Man { folder } => commands::shell::man(folder.as_deref()),
        Command::Privileged(_) => Ok(()),
    }
}
