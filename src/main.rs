//! spinet: arguments in, exit code out.
mod card;
mod cli;
mod error;
mod process;
mod secrets;
mod ui;

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
