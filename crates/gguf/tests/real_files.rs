//! Files made by others: whole models and vocabularies, where they are present.
//! Does not compute with them.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;

use gguf::{About, GgufError, Header, Manifest};

/// The GGUF files of a folder of shared test data; none, with the reason printed, where it is absent.
fn files(folder: &str) -> Vec<PathBuf> {
    let beside = PathBuf::from("../../../shared");
    let shared = std::env::var_os("MANYHANDS_SHARED").map_or(beside, PathBuf::from);
    let Ok(entries) = fs::read_dir(shared.join(folder)) else {
        eprintln!("skipped: no {folder} in {}", shared.display());
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "gguf"))
        .collect()
}

#[test]
fn published_models_are_accepted_and_their_manifest_checks_them() {
    for path in files("models") {
        let bytes = fs::read(&path).unwrap();
        let header = Header::read(bytes.as_slice(), bytes.len() as u64).unwrap();
        let config = header.config().unwrap();
        assert_eq!(
            (config.n_layers, config.d_model, config.n_kv_heads, config.vocab),
            (5, 64, 4, 512)
        );
        assert!(config.tied_head);
        let manifest = Manifest::build(bytes.as_slice(), bytes.len() as u64, About::default()).unwrap();
        assert_eq!(
            (manifest.about().name.as_str(), manifest.about().layers),
            ("stories260K", 5)
        );
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
        for index in 0..manifest.chunk_count() {
            let range = manifest.chunk_range(index).unwrap();
            let chunk = &bytes[range.start as usize..range.end as usize];
            assert_eq!(manifest.check_chunk(index, chunk), Ok(()));
        }
        assert_eq!(
            manifest.check_header(&bytes[..header.header_bytes() as usize]),
            Ok(())
        );
    }
}

#[test]
fn published_vocabularies_are_readable_but_are_no_models() {
    for path in files("vectors") {
        let bytes = fs::metadata(&path).unwrap().len();
        let open = || BufReader::new(File::open(&path).unwrap());
        let header = Header::read_vocabulary(open(), bytes).unwrap();
        assert!(
            header
                .metadata()
                .strings("tokenizer.ggml.tokens")
                .unwrap()
                .unwrap()
                .len()
                > 30_000
        );
        assert_eq!(header.config(), Err(GgufError::VocabularyOnly));
        assert_eq!(Header::list(open(), bytes).unwrap().metadata, *header.metadata());
        assert!(Header::read(open(), bytes).is_err());
    }
}
