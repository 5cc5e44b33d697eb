//! spinet: arguments in, exit code out.

mod bootstrap;
mod card;
mod cli;
mod commands;
mod deploy;
mod enroll;
mod error;
mod fleet;
mod git;
mod host;
mod nix;
mod parallel;
mod privileged;
mod process;
mod run;
mod secrets;
mod state;
mod ui;
mod wifi;

fn main() -> std::process::ExitCode {
    run::run()
}
