//! What a GPU computes for the engine: quantised products, rotary embedding, attention, argmax, in WGSL.
//! Does not know models, layers, files or peers; it never waits but to open a device and to read back.
//!
//! Every kernel sums in an order that depends on its own row alone, never on how many rows are computed
//! together, and writes each product-and-sum as one `fma`: a compiler has nothing left to contract in one
//! variant and not in another. Metal's fast maths may still reorder: [`self_test`] says what a device does.

mod buffer;
mod commands;
mod error;
mod formats;
mod gpu;
pub mod ops;
mod pipeline;
mod self_test;
mod template;
mod variants;
mod weights;

pub use buffer::{floats, words};
pub use commands::Commands;
pub use error::GpuError;
pub use formats::Format;
pub use gpu::{Adapter, Choice, Gpu, Verdict};
pub use pipeline::Pipeline;
pub use self_test::{SelfTest, self_test};
pub use variants::Variants;
pub use weights::Weights;
/// A buffer on the GPU.
pub use wgpu::Buffer;
