//! Rows of an embedding, unpacked by token id.
//! Does not check ids: the engine refuses those outside the vocabulary.

pub mod reference;

use std::rc::Rc;

use wgpu::{BindGroup, Buffer};

use super::{Rows, stride};
use crate::pipeline::Kind;
use crate::template::{Choices, expand};
use crate::{Commands, Format, Gpu, Pipeline, Weights};

const KINDS: [(u32, Kind); 6] = [
    (0, Kind::Read),
    (1, Kind::Read),
    (2, Kind::Read),
    (3, Kind::Write),
    (4, Kind::Uniform),
    (5, Kind::Uniform),
];

/// A gather, bound to its buffers.
pub struct Embed {
    pipeline: Rc<Pipeline>,
    parts: Vec<BindGroup>,
    groups: u32,
}

impl Embed {
    /// `tokens` holds ids, `out` (n, cols) rows [`stride`] apart.
    pub fn new(gpu: &Gpu, weights: &Weights, tokens: &Buffer, out: &Buffer, rows: &Rows) -> Embed {
        let format = weights.format;
        let name = format!("embed.{}", format.name());
        let pipeline = gpu.pipeline(&name, &KINDS, || source(format));
        let bind = |part: &crate::weights::Part| {
            let shape = gpu.uniform(
                "shape",
                &[
                    part.rows,
                    part.first_row,
                    weights.items,
                    stride(weights.cols) / 4,
                    part.second,
                ],
            );
            gpu.bind(
                &pipeline,
                &[
                    (0, &part.buffer),
                    (1, &part.buffer),
                    (2, tokens),
                    (3, out),
                    (4, &shape),
                    (5, &rows.buffer),
                ],
            )
        };
        Embed {
            parts: weights.parts.iter().map(bind).collect(),
            groups: weights.items.div_ceil(64),
            pipeline,
        }
    }

    /// Adds the gather of `n` rows to the commands.
    pub fn run(&self, commands: &mut Commands<'_>, n: u32) {
        for bindings in &self.parts {
            commands.dispatch(&self.pipeline, bindings, [self.groups, n, 1]);
        }
    }
}

fn source(format: Format) -> String {
    let choices = Choices::default()
        .list("FOUR", 0..4)
        .list("HALVES", 0..2)
        .flag("SCALES", !format.is_plain());
    format!(
        "{}{}{}",
        include_str!("../../formats/common.wgsl"),
        format.wgsl(),
        expand(include_str!("kernel.wgsl"), &choices)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_is_valid_wgsl() {
        for format in Format::ALL {
            crate::ops::tests::validate(format.name(), &source(format));
        }
    }
}
