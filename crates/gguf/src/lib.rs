//! Model files: a strict GGUF reader, stages, manifests.
//! It opens nothing: bytes come from whatever reader the caller has.

mod config;
mod error;
mod header;
mod manifest;
mod metadata;
mod stage;
mod tensor;

pub use config::{Architecture, Config, Rope, RopeLayout, RopeScaling};
pub use error::GgufError;
pub use header::Header;
pub use manifest::{About, Manifest, ModelId};
pub use metadata::{Metadata, Value};
pub use stage::{LayerRange, Stage, stage_ranges};
pub use tensor::{TensorInfo, TensorType};
