#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fastkiq_core::fuzz::run("definitions", bytes));
