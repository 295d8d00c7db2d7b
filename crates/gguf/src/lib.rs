//! Model files: a strict GGUF reader, the manifest of a model with a hash per chunk, which bytes a stage needs.
//! Does not compute, fetch or open anything: it reads the reader it is given, once, front to back.
//!
//! A model file comes from a stranger. [`Header::read`] is the gate: what it lets through has counts, lengths,
//! shapes, offsets and a vocabulary that fit each other and the file, so that no engine behind it needs to
//! doubt them. The same file gets the same verdict natively and on wasm32: sizes are `u64` until they are known
//! to be small.

mod assembly;
mod chunks;
mod config;
mod error;
mod header;
mod layer_range;
mod layout;
pub mod limits;
mod listing;
mod manifest;
mod manifest_builder;
mod manifest_error;
mod metadata;
mod model_id;
mod rope;
mod shapes;
mod source;
mod stage;
mod strings;
pub mod synthetic;
mod tensor;
mod tensor_type;
mod value;
mod vocabulary;
mod weights;
pub mod write;

pub use assembly::Assembly;
pub use chunks::CHUNK_BYTES;
pub use config::{Architecture, Config};
pub use error::{GgufError, Refusal};
pub use header::Header;
pub use layer_range::{LayerRange, LayerRangeError};
pub use listing::{ListedTensor, Listing};
pub use manifest::{About, Manifest};
pub use manifest_builder::ManifestBuilder;
pub use manifest_error::ManifestError;
pub use metadata::Metadata;
pub use model_id::{ModelId, ModelIdError};
pub use rope::{Rope, RopeLayout, RopeScaling};
pub use stage::{Stage, layer_of, stage_ranges};
pub use strings::Strings;
pub use tensor::TensorInfo;
pub use tensor_type::{TensorType, TypeCode};
pub use value::{Array, Value};
pub use weights::check_weights;
