//! One target under libFuzzer: `cargo +nightly fuzz run --fuzz-dir tests/fuzz record`.
//! It checks nothing that the replay on the stable compiler does not: what is done to each input is in `once.rs`.
#![no_main]

#[path = "../once.rs"]
#[allow(dead_code)]
mod once;

libfuzzer_sys::fuzz_target!(|data: &[u8]| once::record(data));
