//! What is done with one input of the fuzzer, also when the corpus is replayed.
//! Does not make inputs.

use gguf::limits::MAX_FILE_BYTES;
use gguf::{GgufError, Header};

/// Reads a header in every way there is, as the front of a file that is just long enough for it.
#[allow(unreachable_pub)] // a fuzz target is a crate of its own, the replay a module
pub fn once(data: &[u8]) {
    let mut file_bytes = data.len() as u64;
    // A header alone says how long its file must be, tensor by tensor.
    for _ in 0..64 {
        match Header::read(data, file_bytes) {
            Err(GgufError::BeyondFile { end, .. }) if end > file_bytes && end <= MAX_FILE_BYTES => {
                file_bytes = end
            }
            Ok(header) => {
                check(&header);
                break;
            }
            Err(_) => break,
        }
    }
    let _ = Header::read_vocabulary(data, data.len() as u64);
    // Whoever has but the front of a file is told how much more to bring, never to panic.
    if let Err(GgufError::NeedMore { bytes }) = Header::list(data, MAX_FILE_BYTES) {
        assert!(bytes > data.len() as u64 && bytes <= MAX_FILE_BYTES);
    }
}

/// What the engine relies on.
fn check(header: &Header) {
    let mut end = header.data_offset_bytes();
    for tensor in header.tensors() {
        assert!(tensor.offset_bytes >= end && tensor.end_bytes() <= header.file_bytes());
        assert_eq!(header.tensor(&tensor.name), Some(tensor));
        end = tensor.end_bytes();
    }
    let config = header.config().unwrap_or_else(|error| panic!("{error}"));
    assert!(config.n_layers > 0 && config.n_heads.is_multiple_of(config.n_kv_heads) && config.vocab > 0);
}
