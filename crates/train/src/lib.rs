//! Trains small language models of the Llama family from scratch, and writes them as GGUF files.
//! Does not run them: `engine` does. Never part of the browser half.

mod adamw;
mod bpe;
pub mod card;
mod checkpoint;
pub mod corpus;
pub mod curve;
mod error;
pub mod evaluate;
mod export;
mod fused;
mod model;
mod samples;
mod shape;
mod trainer;

pub use adamw::{AdamW, Schedule};
pub use bpe::{CONTROLS, Vocabulary};
pub use checkpoint::{Checkpoint, State};
pub use error::TrainError;
pub use export::{About, CHAT_TEMPLATE, Precision, gguf, save, tokenizer};
pub use model::Model;
pub use samples::{Batch, Sample, Source, Text, steps};
pub use shape::Shape;
pub use trainer::{Step, Trainer};
