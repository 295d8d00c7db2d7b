//! The reader under libFuzzer: `cargo +nightly fuzz run header` in `crates/gguf`.
//! Does not check more than the replay on the stable compiler, with which it shares what it does to each input.
#![no_main]

#[path = "../once.rs"]
mod once;

libfuzzer_sys::fuzz_target!(|data: &[u8]| once::once(data));
