//! The readers of wifi profiles on any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| spinet::fuzz::wifi(bytes));
