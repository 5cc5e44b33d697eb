//! The small stories: commands that do one step of the big ones alone.

pub mod card;
pub mod host;
pub mod log;
pub mod secrets;
pub mod shell;
pub mod wifi;
