//! Products of quantised weights with rows of f32.
//! Does not know models; a matrix is rows of blocks as the GGUF format defines them.
//!
//! A row of weights is seen as groups of 16 or 32 that share a scale and an offset:
//! wᵢ = scale·qᵢ + offset, with small whole qᵢ. The input becomes 16-bit whole numbers, 32 to a
//! scale, so that a product is
//!
//! Σ_g scale_g · x_scale_g · (Σᵢ qᵢ·xᵢ) + Σ_g offset_g · x_sum_g
//!
//! whose inner sums are exact integers. 13 bits of input cost no more than 8, because the vector
//! unit multiplies 16-bit lanes anyway, and leave an error of some 1e-8 instead of 3e-5.

mod activations;
mod k_quants;
mod legacy;

use gguf::TensorType;

pub(crate) use activations::Activations;
use activations::Row;
use k_quants::{Q2K, Q3K, Q4K, Q5K, Q6K};
use legacy::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};

use super::ops::dot;
use super::simd::{
    Float, Int, add, add_float, dot as dot_int, float_lanes, load_i16, mul_float, splat, to_float,
};

/// How one format stores 32 or 256 weights.
trait Format {
    /// The bytes of a block, without the scale where that is stored apart.
    type Block: bytemuck::AnyBitPattern;
    /// Runs of 32 weights in a block.
    const CHUNKS: usize;
    /// Scales in a run of 32 weights: 1 or 2.
    const GROUPS: usize;
    /// Whether weights have an offset.
    const OFFSETS: bool;

    /// The scale and offset of each group of a row; `d` holds the row's scales where those are
    /// stored apart.
    fn parameters(d: &[u16], blocks: &[Self::Block], scales: &mut [f32], offsets: &mut [f32]);
    /// The 32 whole numbers of a run as 16-bit lanes: of each 16, the even ones and then the odd.
    fn quants(block: &Self::Block, chunk: usize) -> [Int; 4];
}

/// Runs code with `$f` standing for a format's type. Plain types never come here: a matrix keeps
/// them itself.
macro_rules! in_format {
    ($format:expr, $f:ident => $code:expr) => {
        match $format {
            TensorType::Q4_0 => {
                type $f = Q4_0;
                $code
            }
            TensorType::Q4_1 => {
                type $f = Q4_1;
                $code
            }
            TensorType::Q5_0 => {
                type $f = Q5_0;
                $code
            }
            TensorType::Q5_1 => {
                type $f = Q5_1;
                $code
            }
            TensorType::Q8_0 => {
                type $f = Q8_0;
                $code
            }
            TensorType::Q2_K => {
                type $f = Q2K;
                $code
            }
            TensorType::Q3_K => {
                type $f = Q3K;
                $code
            }
            TensorType::Q4_K => {
                type $f = Q4K;
                $code
            }
            TensorType::Q5_K => {
                type $f = Q5K;
                $code
            }
            _ => {
                type $f = Q6K;
                $code
            }
        }
    };
}

/// A matrix in one of the formats.
pub(crate) struct Blocks {
    format: TensorType,
    rows: usize,
    cols: usize,
    /// Block scales that the file stores between the quants, where taking them apart pays.
    scales: Vec<u16>,
    bytes: Vec<u8>,
}

/// Buffers of a product, reused from one to the next.
#[derive(Default)]
pub(crate) struct Workspace {
    activations: Activations,
    scales: Vec<f32>,
    offsets: Vec<f32>,
    /// A row of half-precision weights as f32.
    pub(super) row: Vec<f32>,
}

/// Input rows that stay in the cache while the weights pass by.
const TILE_ROWS: usize = 16;

impl Blocks {
    /// Takes a matrix as it lies in the file: whole rows of whole blocks.
    pub(crate) fn new(format: TensorType, rows: usize, cols: usize, bytes: &[u8]) -> Blocks {
        let (scales, bytes) = match format {
            TensorType::Q4_0 => legacy::take_apart::<18, 1>(bytes),
            TensorType::Q4_1 => legacy::take_apart::<20, 2>(bytes),
            TensorType::Q5_0 => legacy::take_apart::<22, 1>(bytes),
            TensorType::Q5_1 => legacy::take_apart::<24, 2>(bytes),
            TensorType::Q8_0 => legacy::take_apart::<34, 1>(bytes),
            _ => (Vec::new(), bytes.to_vec()),
        };
        Blocks {
            format,
            rows,
            cols,
            scales,
            bytes,
        }
    }

    /// out (n, rows) = x (n, cols) · selfᵀ.
    pub(crate) fn multiply(&self, x: &[f32], out: &mut [f32], workspace: &mut Workspace) {
        in_format!(self.format, F => self.multiply_as::<F>(x, out, workspace));
    }

    /// Writes one row as f32.
    pub(crate) fn row(&self, index: usize, out: &mut [f32]) {
        in_format!(self.format, F => self.row_as::<F>(index, out));
    }

    fn multiply_as<F: Format>(&self, x: &[f32], out: &mut [f32], workspace: &mut Workspace) {
        let Workspace {
            activations,
            scales,
            offsets,
            ..
        } = workspace;
        let groups = self.cols / 32 * F::GROUPS;
        scales.resize(groups, 0.0);
        offsets.resize(groups, 0.0);
        activations.quantise(x, self.cols, F::GROUPS);
        for (tile, out) in out.chunks_mut(TILE_ROWS * self.rows).enumerate() {
            let first = tile * TILE_ROWS;
            let rows = out.len() / self.rows;
            for index in 0..self.rows {
                let (d, blocks) = self.row_parts::<F>(index);
                F::parameters(d, blocks, scales, offsets);
                let weights = Weights::<F> {
                    blocks,
                    scales,
                    offsets,
                };
                let mut row = 0;
                while row + 4 <= rows {
                    let x = std::array::from_fn(|i| activations.row(first + row + i));
                    let products = weights.products::<4>(x);
                    for (i, product) in products.into_iter().enumerate() {
                        out[(row + i) * self.rows + index] = product;
                    }
                    row += 4;
                }
                while row < rows {
                    let [product] = weights.products::<1>([activations.row(first + row)]);
                    out[row * self.rows + index] = product;
                    row += 1;
                }
            }
        }
    }

    fn row_as<F: Format>(&self, index: usize, out: &mut [f32]) {
        let groups = self.cols / 32 * F::GROUPS;
        let (mut scales, mut offsets) = (vec![0.0; groups], vec![0.0; groups]);
        let (d, blocks) = self.row_parts::<F>(index);
        F::parameters(d, blocks, &mut scales, &mut offsets);
        let runs = blocks
            .iter()
            .flat_map(|block| (0..F::CHUNKS).map(move |chunk| F::quants(block, chunk)));
        for (at, (out, quants)) in out.chunks_exact_mut(32).zip(runs).enumerate() {
            for (half, (out, pair)) in out
                .chunks_exact_mut(16)
                .zip(quants.as_chunks::<2>().0)
                .enumerate()
            {
                let group = at * F::GROUPS + half * (F::GROUPS - 1);
                let value = |q: i16| f32::from(q) * scales[group] + offsets[group];
                let (even, odd): ([i16; 8], [i16; 8]) = (lanes(pair[0]), lanes(pair[1]));
                for (out, (even, odd)) in out
                    .as_chunks_mut::<2>()
                    .0
                    .iter_mut()
                    .zip(even.into_iter().zip(odd))
                {
                    *out = [value(even), value(odd)];
                }
            }
        }
    }

    fn row_parts<F: Format>(&self, index: usize) -> (&[u16], &[F::Block]) {
        let row_scales = self.scales.len() / self.rows;
        let row_bytes = self.bytes.len() / self.rows;
        let scales = &self.scales[index * row_scales..(index + 1) * row_scales];
        (
            scales,
            bytemuck::cast_slice(&self.bytes[index * row_bytes..(index + 1) * row_bytes]),
        )
    }
}

/// One row of weights with its parameters worked out.
struct Weights<'a, F: Format> {
    blocks: &'a [F::Block],
    scales: &'a [f32],
    offsets: &'a [f32],
}

impl<F: Format> Weights<'_, F> {
    /// The products with `R` rows at once. Each sums in the same order whatever `R` is.
    #[inline(always)]
    fn products<const R: usize>(&self, x: [Row<'_>; R]) -> [f32; R] {
        let mut sums: [Float; R] = [splat(0.0); R];
        for (index, (block, scales)) in self
            .blocks
            .iter()
            .zip(self.scales.chunks_exact(F::CHUNKS * F::GROUPS))
            .enumerate()
        {
            let first = index * F::CHUNKS;
            let x: [(&[[i16; 32]], &[f32]); R] = std::array::from_fn(|r| {
                (
                    &x[r].quants[first..first + F::CHUNKS],
                    &x[r].scales[first..first + F::CHUNKS],
                )
            });
            // The length is known, so no index below needs a check.
            let scales = &scales[..F::CHUNKS * F::GROUPS];
            // Written out, so that every shift and address in `quants` is a constant.
            run::<F, R>(block, 0, scales, &x, &mut sums);
            if F::CHUNKS == 8 {
                run::<F, R>(block, 1, scales, &x, &mut sums);
                run::<F, R>(block, 2, scales, &x, &mut sums);
                run::<F, R>(block, 3, scales, &x, &mut sums);
                run::<F, R>(block, 4, scales, &x, &mut sums);
                run::<F, R>(block, 5, scales, &x, &mut sums);
                run::<F, R>(block, 6, scales, &x, &mut sums);
                run::<F, R>(block, 7, scales, &x, &mut sums);
            }
        }
        std::array::from_fn(|r| {
            let [a, b, c, d] = float_lanes(sums[r]);
            let offset = if F::OFFSETS {
                dot(self.offsets, x[r].sums)
            } else {
                0.0
            };
            (a + c) + (b + d) + offset
        })
    }
}

/// Adds the products of 32 weights with `R` rows.
#[inline(always)]
fn run<F: Format, const R: usize>(
    block: &F::Block,
    chunk: usize,
    scales: &[f32],
    x: &[(&[[i16; 32]], &[f32]); R],
    sums: &mut [Float; R],
) {
    let weights = F::quants(block, chunk);
    for r in 0..R {
        let ([a, b, c, d], x_scale) = (products_of(weights, &x[r].0[chunk]), x[r].1[chunk]);
        if F::GROUPS == 1 {
            let whole = to_float(add(add(a, b), add(c, d)));
            sums[r] = add_float(sums[r], mul_float(whole, splat(scales[chunk] * x_scale)));
        } else {
            let first = mul_float(to_float(add(a, b)), splat(scales[2 * chunk] * x_scale));
            let second = mul_float(to_float(add(c, d)), splat(scales[2 * chunk + 1] * x_scale));
            sums[r] = add_float(sums[r], add_float(first, second));
        }
    }
}

#[inline(always)]
fn products_of(weights: [Int; 4], x: &[i16; 32]) -> [Int; 4] {
    let x = x.as_chunks::<8>().0;
    std::array::from_fn(|i| dot_int(weights[i], load_i16(&x[i])))
}

/// The eight 16-bit lanes, by products with unit vectors: off the hot path, so no operation more.
fn lanes(a: Int) -> [i16; 8] {
    std::array::from_fn(|i| {
        let mut unit = [0i16; 8];
        unit[i] = 1;
        let [a, b, c, d] = float_lanes(to_float(dot_int(a, load_i16(&unit))));
        (a + b + c + d) as i16
    })
}

/// f16 bits as f32; what are no numbers become large ones, which the model's own check then finds.
///
/// Subnormal scales are common, and arithmetic on f32 subnormals costs a hundred cycles: so theirs
/// are made from normal numbers, (1 + m)·2⁻¹⁴ − 2⁻¹⁴.
#[inline(always)]
fn from_f16(bits: u16) -> f32 {
    const SMALLEST_NORMAL: u32 = (127 - 14) << 23;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let normal = f32::from_bits(magnitude + ((127 - 15) << 23));
    let subnormal = f32::from_bits(magnitude + SMALLEST_NORMAL) - f32::from_bits(SMALLEST_NORMAL);
    let value = if bits & 0x7c00 == 0 { subnormal } else { normal };
    f32::from_bits(value.to_bits() | u32::from(bits & 0x8000) << 16)
}

#[cfg(test)]
mod tests;
