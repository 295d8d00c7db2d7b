//! The likeliest tokens of rows of logits, so that a sampler needs a few of them and not the vocabulary.
//! Does not sample, and does not sort: the sampler orders what it gets.

pub mod reference;

use std::rc::Rc;

use wgpu::{BindGroup, Buffer};

use super::argmax::value;
use super::stride;
use crate::pipeline::Kind;
use crate::template::{Choices, expand};
use crate::{Commands, Gpu, Pipeline};

/// The most tokens of a row: a sampler's top-k with what its penalty may push out of it.
pub const MAX_K: u32 = 128;

/// Bytes of a row's result.
pub const RESULT_BYTES: u64 = 8 * MAX_K as u64;

const KINDS: [(u32, Kind); 3] = [(0, Kind::Read), (1, Kind::Write), (2, Kind::Uniform)];

/// A top-k, bound to its buffers.
pub struct TopK {
    pipeline: Rc<Pipeline>,
    bindings: BindGroup,
    shape: Buffer,
    vocab: u32,
}

impl TopK {
    /// Compiles the kernel, if it is new. `logits` holds rows of `vocab`, [`stride`] apart; `out`
    /// takes [`RESULT_BYTES`] for each.
    pub fn new(gpu: &Gpu, logits: &Buffer, out: &Buffer, vocab: u32) -> TopK {
        let pipeline = gpu.pipeline("topk", &KINDS, source);
        let shape = gpu.uniform("shape", &[vocab, stride(vocab), 1, MAX_K]);
        TopK {
            bindings: gpu.bind(&pipeline, &[(0, logits), (1, out), (2, &shape)]),
            pipeline,
            shape,
            vocab,
        }
    }

    /// Adds the choice of `k` tokens (at most [`MAX_K`] and the vocabulary) in each of `n` rows to the
    /// commands; returns how many each will have.
    pub fn run(&self, gpu: &Gpu, commands: &mut Commands<'_>, n: u32, k: u32) -> u32 {
        let k = k.clamp(1, MAX_K).min(self.vocab);
        gpu.write(&self.shape, 8, &k.to_le_bytes());
        commands.dispatch(&self.pipeline, &self.bindings, [n, 1, 1]);
        k
    }

    /// A token and its logit.
    pub fn token([id, place]: [u32; 2]) -> (u32, f32) {
        (id, value(place))
    }
}

fn source() -> String {
    let choices = Choices::default().list("SHIFTS", [24, 16, 8, 0]);
    include_str!("../order.wgsl").to_owned() + &expand(include_str!("kernel.wgsl"), &choices)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_is_valid_wgsl() {
        crate::ops::tests::validate("topk", &super::source());
    }
}
