//! Attention over the cache, split into tiles of positions, and the join of the tiles.
//! Does not append to the cache.

pub mod reference;

use std::rc::Rc;

use wgpu::{BindGroup, Buffer};

use super::rope::Heads;
use super::{Rows, stride};
use crate::pipeline::Kind;
use crate::template::{Choices, expand};
use crate::{Commands, Gpu, GpuError, Pipeline, Variants};

/// Positions of a tile.
pub const TILE: u32 = 256;

/// Values per head that a workgroup has threads for.
pub const MAX_HEAD_DIM: u32 = 256;

/// Rows times tiles that are computed together: it bounds the partials.
pub const MAX_ROW_TILES: u32 = 1024;

const KINDS: [(u32, Kind); 7] = [
    (0, Kind::Read),
    (1, Kind::Read),
    (2, Kind::Read),
    (3, Kind::Write),
    (4, Kind::Write),
    (5, Kind::Uniform),
    (6, Kind::Uniform),
];
const REDUCE_KINDS: [(u32, Kind); 4] = [
    (0, Kind::Read),
    (1, Kind::Write),
    (2, Kind::Uniform),
    (3, Kind::Uniform),
];

/// What is attended to.
pub struct Operands<'a> {
    /// (n, at least query heads, dim), rows [`stride`] of `query_width` apart.
    pub queries: &'a Buffer,
    /// Values in a row of `queries`.
    pub query_width: u32,
    /// (kv, dim / 4, capacity, 4), in the precision of caches
    pub keys: &'a Buffer,
    /// (kv, capacity, dim)
    pub values: &'a Buffer,
    /// (n, query heads, dim), rows [`stride`] apart.
    pub out: &'a Buffer,
    /// Scratch of [`Attention::partial_bytes`].
    pub partials: &'a Buffer,
    /// How many rows, from which position on.
    pub rows: &'a Rows,
}

/// The attention of one layer in one session.
pub struct Attention {
    tile: (Rc<Pipeline>, BindGroup),
    reduce: (Rc<Pipeline>, BindGroup),
    heads: u32,
}

impl Attention {
    /// Bytes of scratch that heads of this shape need for rows and tiles up to [`MAX_ROW_TILES`].
    pub fn partial_bytes(heads: Heads) -> u64 {
        u64::from(MAX_ROW_TILES) * u64::from(heads.query) * (4 * u64::from(heads.dim) + 16)
    }

    /// How many rows may be computed together where the cache holds `capacity` positions.
    pub fn rows_at_once(capacity: u32) -> u32 {
        (MAX_ROW_TILES / capacity.div_ceil(TILE).max(1)).max(1)
    }

    /// Compiles the kernels, if they are new, and binds the buffers.
    ///
    /// # Errors
    /// [`GpuError::Unsupported`] for heads whose size is no multiple of 4 or above [`MAX_HEAD_DIM`].
    pub fn new(gpu: &Gpu, heads: Heads, operands: &Operands<'_>) -> Result<Attention, GpuError> {
        if !heads.dim.is_multiple_of(4) || heads.dim > MAX_HEAD_DIM || heads.dim == 0 {
            return Err(GpuError::Unsupported(format!("heads of {} values", heads.dim)));
        }
        let variants = gpu.variants();
        let name = format!("attention.{}{}", heads.dim, variants.cache_suffix());
        let tile = gpu.pipeline(&name, &KINDS, || source(heads.dim, variants));
        let reduce = gpu.pipeline(&format!("attention_reduce.{}", heads.dim), &REDUCE_KINDS, || {
            reduce_source(heads.dim)
        });
        let shape = gpu.uniform(
            "shape",
            &[
                heads.query,
                heads.query / heads.kv.max(1),
                heads.capacity,
                stride(operands.query_width) / 4,
                stride(heads.query * heads.dim) / 4,
                heads.capacity.div_ceil(TILE),
                (1.0 / (heads.dim as f32).sqrt()).to_bits(),
            ],
        );
        let rows = &operands.rows.buffer;
        let bound = gpu.bind(
            &tile,
            &[
                (0, operands.queries),
                (1, operands.keys),
                (2, operands.values),
                (3, operands.out),
                (4, operands.partials),
                (5, &shape),
                (6, rows),
            ],
        );
        let joined = gpu.bind(
            &reduce,
            &[(0, operands.partials), (1, operands.out), (2, &shape), (3, rows)],
        );
        Ok(Attention {
            tile: (tile, bound),
            reduce: (reduce, joined),
            heads: heads.query,
        })
    }

    /// Adds the attention of `n` rows from position `first` on to the commands.
    pub fn run(&self, commands: &mut Commands<'_>, n: u32, first: u32) {
        let tiles = (first + n).div_ceil(TILE);
        commands.dispatch(&self.tile.0, &self.tile.1, [self.heads, n, tiles]);
        if tiles > 1 {
            commands.dispatch(&self.reduce.0, &self.reduce.1, [self.heads, n, 1]);
        }
    }
}

fn constants(dim: u32) -> String {
    let quads = dim / 4;
    let sets = 64 / quads;
    format!("const QUADS = {quads}u;\nconst SETS = {sets}u;\nconst TILE = {TILE}u;\n")
}

fn source(dim: u32, variants: Variants) -> String {
    let choices = variants.steps(Choices::default(), 64);
    variants.cache_preamble() + &constants(dim) + &expand(include_str!("kernel.wgsl"), &choices)
}

fn reduce_source(dim: u32) -> String {
    constants(dim) + include_str!("reduce.wgsl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_is_valid_wgsl() {
        for dim in [4, 8, 64, 80, 96, 128, 256] {
            for (subgroup, half) in [(0, false), (0, true), (4, false), (32, true), (64, false)] {
                crate::ops::tests::validate("attention", &source(dim, Variants { subgroup, half }));
            }
            crate::ops::tests::validate("attention_reduce", &reduce_source(dim));
        }
    }
}
