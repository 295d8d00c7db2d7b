//! Real files are accepted whole, and no prefix of one is.
//! Without the test data beside the repository there is nothing to read, and this says so.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::PathBuf;

use gguf::{Header, Manifest};

fn shared(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("MANYHANDS_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let file = root.join(path);
    std::fs::read(&file).inspect_err(|_| eprintln!("skipped: {} is not there", file.display())).ok()
}

#[test]
fn the_three_story_tellers_are_accepted() {
    for name in ["f32", "q8_0", "q4_0"] {
        let Some(bytes) = shared(&format!("models/stories260K-{name}.gguf")) else { return };
        let header = Header::read(bytes.as_slice(), bytes.len() as u64).unwrap();
        let config = header.config().unwrap();
        assert_eq!((config.n_layers, config.d_model, config.vocab), (5, 64, 512));
        let manifest = Manifest::build(bytes.as_slice(), bytes.len() as u64, &header, Default::default()).unwrap();
        assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
        assert!(manifest.check_chunk(0, &bytes[..bytes.len().min(1 << 20)]).is_ok());
        assert!(manifest.check_chunk(0, b"something else").is_err());
    }
}

#[test]
fn vocabularies_without_weights_are_read_as_such() {
    for name in ["bert-bge", "deepseek-llm", "gpt-2", "llama-spm"] {
        let Some(bytes) = shared(&format!("vectors/vocab-{name}.gguf")) else { return };
        let header = Header::read_vocabulary(bytes.as_slice(), bytes.len() as u64).unwrap();
        assert!(header.metadata().strings("tokenizer.ggml.tokens").unwrap().len() > 1000);
        assert!(Header::read(bytes.as_slice(), bytes.len() as u64).is_err());
    }
}
