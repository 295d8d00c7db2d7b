//! Rotary embedding of queries and keys, and the append to the cache.
//! Does not compute angles: cosines and sines come from the engine, the same for every back end.

pub mod reference;

use std::rc::Rc;

use wgpu::{BindGroup, Buffer};

use super::{Rows, stride};
use crate::pipeline::Kind;
use crate::template::{Choices, expand};
use crate::{Commands, Gpu, Pipeline, Variants};

/// The heads of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// Query heads.
    pub query: u32,
    /// Key and value heads; divides `query`.
    pub kv: u32,
    /// Values per head: a multiple of 4, at most 256.
    pub dim: u32,
    /// Positions in the cache.
    pub capacity: u32,
}

/// What is turned, by what, into which cache.
pub struct Operands<'a> {
    /// (n, query + 2 · kv heads, dim), rows [`stride`] apart.
    pub qkv: &'a Buffer,
    /// (kv, dim / 4, capacity, 4), in the precision of caches
    pub keys: &'a Buffer,
    /// (kv, capacity, dim)
    pub values: &'a Buffer,
    /// (capacity, pairs, 2): cosine, sine
    pub turns: &'a Buffer,
    /// Pairs that are turned.
    pub pairs: u32,
    /// Whether pairs are half a head apart instead of neighbours.
    pub neox: bool,
    /// Norms of queries and keys by head, and what they add to the mean square.
    pub norms: Option<(&'a Buffer, &'a Buffer, f32)>,
    /// How many rows, from which position on.
    pub rows: &'a Rows,
}

/// The rotation of one layer in one session.
pub struct Rope {
    pipeline: Rc<Pipeline>,
    bindings: BindGroup,
    heads: u32,
}

impl Rope {
    /// Compiles the kernel, if it is new, and binds the buffers.
    pub fn new(gpu: &Gpu, heads: Heads, operands: &Operands<'_>) -> Rope {
        let norm = operands.norms.is_some();
        let layout = if operands.neox { "neox" } else { "neighbours" };
        let mut variants = gpu.variants();
        if !norm {
            // Nothing is added up.
            variants.subgroup = 0;
        }
        let norm_name = if norm { ".norm" } else { "" };
        let name = format!("rope.{layout}{norm_name}{}", variants.cache_suffix());
        let mut kinds = vec![
            (0, Kind::Write),
            (1, Kind::Write),
            (2, Kind::Write),
            (3, Kind::Read),
            (4, Kind::Uniform),
            (5, Kind::Uniform),
        ];
        if norm {
            kinds.extend([(6, Kind::Read), (7, Kind::Read)]);
        }
        let pipeline = gpu.pipeline(&name, &kinds, || source(operands.neox, norm, variants));
        let all = heads.query + 2 * heads.kv;
        let shape = gpu.uniform(
            "shape",
            &[
                heads.query,
                heads.kv,
                heads.dim,
                operands.pairs,
                stride(all * heads.dim),
                heads.capacity,
                operands.norms.map_or(0.0, |(_, _, eps)| eps).to_bits(),
            ],
        );
        let mut buffers = vec![
            (0, operands.qkv),
            (1, operands.keys),
            (2, operands.values),
            (3, operands.turns),
            (4, &shape),
            (5, &operands.rows.buffer),
        ];
        if let Some((query, key, _)) = operands.norms {
            buffers.extend([(6, query), (7, key)]);
        }
        Rope {
            bindings: gpu.bind(&pipeline, &buffers),
            heads: all,
            pipeline,
        }
    }

    /// Adds the rotation of `n` rows to the commands.
    pub fn run(&self, commands: &mut Commands<'_>, n: u32) {
        commands.dispatch(&self.pipeline, &self.bindings, [self.heads, n, 1]);
    }
}

fn source(neox: bool, norm: bool, variants: Variants) -> String {
    let choices = variants
        .steps(Choices::default(), 64)
        .flag("NEOX", neox)
        .flag("NORM", norm);
    variants.cache_preamble() + &expand(include_str!("kernel.wgsl"), &choices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_is_valid_wgsl() {
        for (neox, norm) in [(false, false), (false, true), (true, false), (true, true)] {
            for (subgroup, half) in [(0, false), (8, false), (0, true), (64, true)] {
                let variants = Variants { subgroup, half };
                crate::ops::tests::validate("rope", &source(neox, norm, variants));
            }
        }
    }
}
