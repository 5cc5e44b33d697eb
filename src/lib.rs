//! Two commands for NixOS on a Raspberry Pi. The library is there for the program, its benchmarks, its fuzz targets and the
//! test of its documentation.

// results go through src/ui/output.rs, which outlives a closed pipe
#![warn(clippy::print_stdout)]

mod bootstrap;
mod card;
mod cli;
mod clock;
mod commands;
mod complete;
mod deploy;
mod doctor;
mod enroll;
mod error;
mod fleet;
#[cfg(fuzzing)]
pub mod fuzz;
mod git;
mod history;
mod host;
mod man;
mod nix;
mod parallel;
mod privileged;
mod process;
mod rehearse;
mod run;
mod secrets;
mod state;
mod status;
mod tools;
mod ui;
mod wifi;

pub use run::{command, run};
