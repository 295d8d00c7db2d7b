//! What forged and extreme files cost in memory while they are read: 16 MiB and twice their metadata at most.
//! Has one test, since a process has one allocator and whoever else allocates would be counted.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod counting;
mod forged;

use counting::Since;
use forged::CLASSES;
use forged::draft::{Draft, Value, string};
use gguf::Header;
use gguf::limits::{MAX_ARRAY_STRINGS, MAX_KEYS, MAX_VOCAB};
use gguf::synthetic::SplitMix;

/// Bytes at the worst moment of `f`, above those before it.
fn peak<T>(f: impl FnOnce() -> T) -> u64 {
    let since = Since::now();
    drop(f());
    since.most()
}

fn allowed(metadata_bytes: u64) -> u64 {
    (16 << 20) + 2 * metadata_bytes
}

#[test]
fn no_file_costs_more_than_16_mib_and_twice_its_metadata() {
    for class in CLASSES {
        for seed in 0..5 {
            for case in class.given(seed).cases {
                let most = allowed(case.metadata_bytes());
                let found = peak(|| case.judge());
                assert!(
                    found <= most,
                    "{} {seed}: {found} bytes, {most} are allowed",
                    class.name
                );
            }
        }
    }
    for (name, draft) in extremes() {
        let file = draft.file();
        let metadata_bytes = file.front.len() as u64;
        let mut result = None;
        let found = peak(|| result = Some(Header::read_vocabulary(file.reader(), file.file_bytes).map(drop)));
        assert_eq!(result, Some(Ok(())), "{name}");
        let most = allowed(metadata_bytes);
        eprintln!("{name}: {found} bytes for {metadata_bytes} of metadata, {most} are allowed");
        assert!(found <= most, "{name}: {found} bytes, {most} are allowed");
    }
}

/// Files that are accepted, and cost as much as a file can.
fn extremes() -> Vec<(&'static str, Draft)> {
    let vocabulary = || {
        let mut draft = Draft::sound(&mut SplitMix::new(1));
        draft.tensors.clear();
        draft
    };
    let strings = |count: u64, text: &dyn Fn(u64) -> String| {
        let items = (0..count).flat_map(|i| string(text(i).as_bytes())).collect();
        Value::Array(8, count, items)
    };
    let mut empty_strings = vocabulary();
    empty_strings.set("general.tags", strings(MAX_ARRAY_STRINGS, &|_| String::new()));
    let mut short_strings = vocabulary();
    short_strings.set("general.tags", strings(MAX_ARRAY_STRINGS, &|i| format!("{i}")));

    let large_vocabulary = |token: &dyn Fn(u64) -> String| {
        let mut draft = vocabulary();
        let vocab = u64::from(MAX_VOCAB);
        draft.set("tokenizer.ggml.tokens", strings(vocab, token));
        draft.set(
            "tokenizer.ggml.scores",
            Value::Array(6, vocab, vec![0; 4 * vocab as usize]),
        );
        draft.set(
            "tokenizer.ggml.token_type",
            Value::Array(5, vocab, vec![0; 4 * vocab as usize]),
        );
        draft
    };
    let short_tokens = large_vocabulary(&|i| format!("{i:x}"));
    let empty_tokens = large_vocabulary(&|_| String::new());

    // 64 MiB of metadata in bytes, and in keys.
    let mut bytes = vocabulary();
    for key in [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o",
    ] {
        bytes.set(key, Value::Array(0, 4 << 20, vec![7; 4 << 20]));
    }
    let mut keys = vocabulary();
    while (keys.entries.len() as u64) < MAX_KEYS {
        let number = keys.entries.len();
        keys.add(format!("{number:0>10000}").as_bytes(), 4, vec![0; 4]);
    }
    let mut long_string = vocabulary();
    long_string.set("general.description", Value::Text(&"x".repeat(16 << 20)));
    vec![
        ("a million empty strings", empty_strings),
        ("a million short strings", short_strings),
        ("the largest vocabulary", short_tokens),
        ("the largest vocabulary of nothing", empty_tokens),
        ("sixty mebibytes of bytes", bytes),
        ("forty mebibytes of keys", keys),
        ("one string of sixteen mebibytes", long_string),
    ]
}
