//! The reader of age headers on any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spinet::fuzz::header(bytes));
