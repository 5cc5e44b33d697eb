//! spinet: arguments in, exit code out.
mod card;
mod cli;
mod error;
mod fleet;
mod host;
mod nix;
mod process;
mod secrets;
mod state;
mod ui;
mod wifi;

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
