//! clap types
