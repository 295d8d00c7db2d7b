//! The engine: contiguous layer shards of GGUF models, their tokenizers, templates and sampling.
//! Does not know peers, networks, clocks or threads, and reads no files: a shell hands it bytes.

mod backend;
mod collected;
mod cpu;
mod encoder;
mod error;
mod gpu;
mod rope;
mod sample;
mod shard;
mod stop;
mod template;
mod tokenizer;
mod weights;
mod wire;

pub use backend::BackendKind;
pub use encoder::{
    Encoder, MAX_ENCODER_LAYERS, MAX_ENCODER_TOKENS, MAX_ENCODER_WIDTH, MAX_SAFETENSORS_HEADER_BYTES,
    MAX_SAFETENSORS_TENSORS,
};
pub use error::EngineError;
pub use gpu::GpuCost;
pub use kernels::{Adapter, Choice, Gpu, GpuError};
pub use sample::{PENALTY_WINDOW_TOKENS, Sampling};
pub use shard::{Input, MAX_POSITIONS, MAX_SESSIONS, Output, Shard, Want};
pub use stop::{MAX_STOP_BYTES, MAX_STOPS, StopStrings};
pub use template::{ChatTemplate, MAX_PROMPT_BYTES, MAX_TEMPLATE_BYTES, Message};
pub use tokenizer::{Decoder, MAX_WORD_CHARS, Tokenizer};
pub use weights::{Brought, WeightSource, load_order};
pub use wire::{Q8_BLOCK, WireType};
