//! The fuzzer's corpus, replayed on the stable compiler: what once was a finding stays one that is fixed.
//! Does not fuzz: `cargo +nightly fuzz run header` does.
#![allow(clippy::unwrap_used)]

mod forged;
#[path = "../fuzz/once.rs"]
mod once;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use forged::draft::Draft;
use forged::{CLASSES, Case};
use gguf::Header;
use gguf::synthetic::SplitMix;

fn folder() -> PathBuf {
    PathBuf::from("fuzz/corpus/header")
}

/// What the corpus begins with: a few sound headers, and the shortest of each kind of forged ones.
fn seeds() -> BTreeMap<String, Vec<u8>> {
    let sound = (0..3).map(|seed| {
        (
            format!("sound-{seed}"),
            Draft::sound(&mut SplitMix::new(seed)).file().front,
        )
    });
    let forged = CLASSES.iter().filter_map(|class| {
        let given = class.given(0);
        let shortest = given.cases.iter().filter_map(|case| match case {
            Case::File(file) => Some(&file.front),
            _ => None,
        });
        let shortest = shortest.min_by_key(|front| front.len())?;
        // Longer ones are found faster by the fuzzer than they are fetched with the repository.
        (shortest.len() <= 4096).then(|| (class.name.replace("::", "-"), shortest.clone()))
    });
    sound.chain(forged).collect()
}

#[test]
fn the_corpus_is_read_without_a_panic() {
    let files: Vec<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() >= 100, "{} files", files.len());
    for file in files {
        once::once(&fs::read(&file).unwrap());
    }
}

#[test]
fn the_corpus_holds_a_seed_of_every_class_and_sound_ones() {
    let seeds = seeds();
    for (name, bytes) in &seeds {
        let kept = fs::read(folder().join(name)).unwrap_or_default();
        assert!(
            kept == *bytes,
            "{name} is another: run the ignored test that writes the corpus"
        );
    }
    let sound = &seeds["sound-0"];
    assert!(Header::list(sound.as_slice(), sound.len() as u64).is_ok());
}

#[test]
#[ignore = "writes the corpus: run it after a change to the classes"]
fn write_the_corpus() {
    for (name, bytes) in seeds() {
        fs::write(folder().join(name), bytes).unwrap();
    }
}
