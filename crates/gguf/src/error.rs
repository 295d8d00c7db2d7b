//! Why a file is refused, with the thing named.
//! It never carries bytes of the file beyond a short name.

/// Every way in which a model file or a manifest can be unsound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GgufError {
    /// The reader ended before the header did: a caller with a prefix fetches more.
    #[error("the file ends inside its header")]
    Truncated,
    #[error("reading the file failed: {0}")]
    Io(String),
    #[error("this is no GGUF file")]
    Magic,
    #[error("GGUF version {0} is not supported (2 and 3 are)")]
    Version(u32),
    #[error("{what} is {is}, at most {most} is allowed")]
    TooMany { what: &'static str, is: u64, most: u64 },
    #[error("metadata key {0:?} is not allowed")]
    Key(String),
    #[error("metadata key {0} stands there twice")]
    DuplicateKey(String),
    #[error("metadata value type {0} does not exist")]
    ValueType(u32),
    #[error("{0} is not valid text")]
    Text(&'static str),
    #[error("alignment {0} is not a power of two from 1 to 4096")]
    Alignment(u64),
    #[error("tensor {name}: {why}")]
    Tensor { name: String, why: String },
    #[error("metadata {key}: {why}")]
    Metadata { key: String, why: String },
    #[error("architecture {0:?} is not supported")]
    Architecture(String),
    #[error("layers {first} to {end} are no range")]
    Range { first: u32, end: u32 },
    #[error("the manifest is unsound: {0}")]
    Manifest(String),
    #[error("chunk {0} is not what the manifest promises")]
    Chunk(u32),
}
