//! Every reason to refuse a manifest, or a chunk by it.
//! Does not decide what happens then.

use crate::error::GgufError;
use crate::model_id::ModelId;

/// Why a manifest, or a chunk, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The file it would describe is no model.
    #[error(transparent)]
    File(#[from] GgufError),
    /// Reading the file failed, or it has another length than was said.
    #[error("reading the model failed: {0}")]
    Io(String),
    /// The bytes are no manifest in its one form.
    #[error("not a manifest: {0}")]
    Encoding(String),
    /// A field that cannot be.
    #[error("manifest: {0}")]
    Field(&'static str),
    /// A manifest of another model than was asked for.
    #[error("asked for model {asked}, was given {found}")]
    OtherModel {
        /// Whom was asked for.
        asked: ModelId,
        /// What came.
        found: ModelId,
    },
    /// A chunk that the model does not have.
    #[error("chunk {index} of a model of {count}")]
    NoChunk {
        /// The chunk.
        index: u32,
        /// Chunks there are.
        count: u32,
    },
    /// A chunk of the wrong length.
    #[error("chunk {index} has {found} bytes, not {needed}")]
    ChunkBytes {
        /// The chunk.
        index: u32,
        /// Bytes given.
        found: u64,
        /// Bytes it has.
        needed: u64,
    },
    /// A chunk with other content: damaged on the way, or forged.
    #[error("chunk {index} is not what the manifest says: its hash differs")]
    ChunkHash {
        /// The chunk.
        index: u32,
    },
    /// A header with other content.
    #[error("the header is not what the manifest says: its hash differs")]
    HeaderHash,
}
