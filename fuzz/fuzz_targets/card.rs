//! The readers of boot records and ext4 metadata on any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spinet::fuzz::card(bytes));
