//! Products of rows with a matrix, with the root-mean-square norm before and bias, residual or SwiGLU after.
//! Does not know what the matrix is for.

pub mod reference;

use std::rc::Rc;

use wgpu::{BindGroup, Buffer};

use super::{Rows, stride};
use crate::pipeline::Kind;
use crate::template::{Choices, expand};
use crate::{Commands, Format, Gpu, GpuError, Pipeline, Variants, Weights};

/// Rows of x that a workgroup of the larger variant takes: each weight unpacked serves them all.
const TILE: u32 = 8;

/// What becomes of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It replaces what was there.
    Store,
    /// It is added to what was there.
    Add,
    /// Rows 2i and 2i + 1 are gate and up: silu(gate) · up replaces what was there.
    Glu,
}

/// What goes in and comes out.
pub struct Operands<'a> {
    /// (n, cols), rows [`stride`] apart.
    pub x: &'a Buffer,
    /// (n, rows), rows [`stride`] of `out_width` apart.
    pub out: &'a Buffer,
    /// Values in a row of `out`.
    pub out_width: u32,
    /// Where in a row of `out` the first row of the matrix writes; a multiple of 4.
    pub out_first: u32,
    /// Weights of the norm, padded to [`stride`], and what it adds to the mean square.
    pub norm: Option<(&'a Buffer, f32)>,
    /// As many values as `out` has in a row.
    pub bias: Option<&'a Buffer>,
    /// How many rows.
    pub rows: &'a Rows,
}

/// A product, bound to its buffers.
pub struct Matmul {
    one: Rc<Pipeline>,
    many: Rc<Pipeline>,
    parts: Vec<(BindGroup, u32)>,
}

impl Matmul {
    /// Compiles the kernel, if it is new, and binds the buffers.
    ///
    /// # Errors
    /// [`GpuError::Unsupported`] when the matrix has more rows than can be dispatched.
    pub fn new(gpu: &Gpu, weights: &Weights, operands: &Operands<'_>, end: End) -> Result<Matmul, GpuError> {
        let variant = |tile| Variant {
            format: weights.format,
            lanes: lanes(weights.items),
            tile,
            norm: operands.norm.is_some(),
            bias: operands.bias.is_some(),
            end,
            beyond: gpu.variants(),
        };
        let (one, many) = (variant(1).pipeline(gpu), variant(TILE).pipeline(gpu));
        let rows_per_group = 4 * 64 / lanes(weights.items);
        let eps = operands.norm.map_or(0.0, |(_, eps)| eps);
        let mut parts = Vec::new();
        for part in &weights.parts {
            let groups = part.rows.div_ceil(rows_per_group);
            if groups > gpu.most_groups() {
                return Err(GpuError::Unsupported(format!("{} rows at once", part.rows)));
            }
            let shape = gpu.uniform(
                "shape",
                &[
                    part.rows,
                    weights.items,
                    weights.cols,
                    stride(weights.cols) / 4,
                    stride(operands.out_width),
                    operands.out_first + part.first_row,
                    part.second,
                    eps.to_bits(),
                ],
            );
            let mut buffers = vec![
                (0, &part.buffer),
                (1, &part.buffer),
                (2, operands.x),
                (3, operands.out),
                (4, &shape),
                (5, &operands.rows.buffer),
            ];
            buffers.extend(operands.norm.map(|(norm, _)| (6, norm)));
            buffers.extend(operands.bias.map(|bias| (7, bias)));
            parts.push((gpu.bind(&one, &buffers), groups));
        }
        Ok(Matmul { one, many, parts })
    }

    /// Adds the product for `n` rows to the commands.
    pub fn run(&self, commands: &mut Commands<'_>, n: u32) {
        let (pipeline, tiles) = if n == 1 {
            (&self.one, 1)
        } else {
            (&self.many, n.div_ceil(TILE))
        };
        for (bindings, groups) in &self.parts {
            commands.dispatch(pipeline, bindings, [*groups, tiles, 1]);
        }
    }
}

/// Threads that share a row: as many as its items keep busy, at most 32, so that a load of theirs is 512 bytes in
/// a row and four or eight rows fill a workgroup.
fn lanes(items: u32) -> u32 {
    let most = 1 << items.clamp(1, 32).ilog2();
    let even = 1 << items.trailing_zeros().min(5);
    if even >= 8 { even } else { most }
}

#[derive(Clone, Copy)]
pub(crate) struct Variant {
    format: Format,
    lanes: u32,
    tile: u32,
    norm: bool,
    bias: bool,
    end: End,
    /// What the device has beyond the floor.
    beyond: Variants,
}

impl Variant {
    pub(crate) fn name(&self) -> String {
        let end = match self.end {
            End::Store => "store",
            End::Add => "add",
            End::Glu => "glu",
        };
        let flag = |on: bool, name: &'static str| if on { name } else { "" };
        format!(
            "matmul.{}.l{}.t{}.{end}{}{}{}",
            self.format.name(),
            self.lanes,
            self.tile,
            flag(self.norm, ".norm"),
            flag(self.bias, ".bias"),
            self.beyond.suffix(),
        )
    }

    pub(crate) fn source(&self) -> String {
        let Variant {
            format, lanes, tile, ..
        } = *self;
        let choices = self
            .beyond
            .steps(Choices::default(), lanes)
            .list("TILES", 0..tile)
            .list("FOUR", 0..4)
            .flag("LOOP", tile > 1)
            .flag("NORM", self.norm)
            .flag("BIAS", self.bias)
            .flag("ADD", self.end == End::Add)
            .flag("GLU", self.end == End::Glu)
            .flag("SCALES", !format.is_plain())
            .flag("OFFSETS", format.has_offsets());
        // One row of x is what every token waits for: there nothing may be left to a driver's unrolling. The
        // variant of many rows would be eight times as long, and take as much longer to compile.
        let choices = if tile == 1 {
            choices.list("HALVES", 0..2).list("QUADS", 0..4)
        } else {
            choices.variable("HALVES", "half").variable("QUADS", "quad")
        };
        let groups = 64 / lanes;
        format!(
            "{}const TILE = {tile}u;\nconst LANES = {lanes}u;\nconst GROUPS = {groups}u;\n{}{}{}",
            self.beyond.preamble(),
            include_str!("../../formats/common.wgsl"),
            format.wgsl(),
            expand(include_str!("kernel.wgsl"), &choices)
        )
    }

    fn pipeline(&self, gpu: &Gpu) -> Rc<Pipeline> {
        let mut kinds = vec![
            (0, Kind::Read),
            (1, Kind::Read),
            (2, Kind::Read),
            (3, Kind::Write),
            (4, Kind::Uniform),
            (5, Kind::Uniform),
        ];
        kinds.extend(self.norm.then_some((6, Kind::Read)));
        kinds.extend(self.bias.then_some((7, Kind::Read)));
        gpu.pipeline(&self.name(), &kinds, || self.source())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_a_row_evenly_where_they_can() {
        let found: Vec<u32> = [1, 2, 6, 24, 64, 128, 448, 5].map(lanes).into();
        assert_eq!(found, [1, 2, 4, 8, 32, 32, 32, 4]);
    }

    #[test]
    fn every_variant_is_valid_wgsl() {
        for format in Format::ALL {
            for end in [End::Store, End::Add, End::Glu] {
                for (norm, bias, lanes) in [
                    (false, false, 1),
                    (true, false, 32),
                    (true, true, 8),
                    (false, true, 2),
                ] {
                    for (tile, subgroup) in [(1, 0), (1, 4), (1, 32), (TILE, 0), (TILE, 8)] {
                        let variant = Variant {
                            format,
                            lanes,
                            tile,
                            norm,
                            bias,
                            end,
                            beyond: Variants {
                                subgroup,
                                half: false,
                            },
                        };
                        crate::ops::tests::validate(&variant.name(), &variant.source());
                    }
                }
            }
        }
    }
}
