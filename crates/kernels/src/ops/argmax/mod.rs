//! The likeliest token of rows of logits, so that the logits need not be read back.
//! Does not sample.

pub mod reference;

use std::rc::Rc;

use wgpu::{BindGroup, Buffer};

use super::stride;
use crate::pipeline::Kind;
use crate::template::{Choices, expand};
use crate::{Commands, Gpu, Pipeline};

/// Bytes of a row's result.
pub const RESULT_BYTES: u64 = 8;

const KINDS: [(u32, Kind); 3] = [(0, Kind::Read), (1, Kind::Write), (2, Kind::Uniform)];

/// Places in the order of the infinities: what is neither between nor at them is no number.
const MINUS_INFINITY: u32 = 0x007f_ffff;
const INFINITY: u32 = 0xff80_0000;

/// An argmax, bound to its buffers.
pub struct Argmax {
    pipeline: Rc<Pipeline>,
    bindings: BindGroup,
}

impl Argmax {
    /// Compiles the kernel, if it is new. `logits` holds rows of `vocab`, [`stride`] apart; `out`
    /// takes [`RESULT_BYTES`] for each.
    pub fn new(gpu: &Gpu, logits: &Buffer, out: &Buffer, vocab: u32) -> Argmax {
        let pipeline = gpu.pipeline("argmax", &KINDS, source);
        let shape = gpu.uniform("shape", &[vocab, stride(vocab)]);
        Argmax {
            bindings: gpu.bind(&pipeline, &[(0, logits), (1, out), (2, &shape)]),
            pipeline,
        }
    }

    /// Adds the argmax of `n` rows to the commands.
    pub fn run(&self, commands: &mut Commands<'_>, n: u32) {
        commands.dispatch(&self.pipeline, &self.bindings, [n, 1, 1]);
    }

    /// The token of a result, unless its logit is not a finite number.
    pub fn token([id, place]: [u32; 2]) -> Option<u32> {
        (place > MINUS_INFINITY && place < INFINITY).then_some(id)
    }
}

/// The logit at a place in the order.
pub(super) fn value(place: u32) -> f32 {
    f32::from_bits(if place & 0x8000_0000 == 0 {
        !place
    } else {
        place & 0x7fff_ffff
    })
}

fn source() -> String {
    let choices = Choices::default().list("WIDTHS", [128, 64, 32, 16, 8, 4, 2, 1]);
    include_str!("../order.wgsl").to_owned() + &expand(include_str!("kernel.wgsl"), &choices)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_is_valid_wgsl() {
        crate::ops::tests::validate("argmax", &super::source());
    }
}
