//! The editor of rules on any text.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| spinet::fuzz::rules(text));
