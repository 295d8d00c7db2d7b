//! A weight matrix as it lies in the file, and its products with rows of f32.
//! Does not read files, and holds no dequantised copy.
//!
//! A row of the result depends on its own input row alone, never on how many rows are computed
//! with it: every (input row, weight row) pair is one dot product in one fixed order.

use gguf::{TensorInfo, TensorType};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::ops::dot;
use super::quant::{Blocks, Workspace};

/// `rows` × `cols` weights; `cols` is the length of the vectors it multiplies.
pub(crate) struct Matrix {
    rows: usize,
    cols: usize,
    weights: Weights,
}

enum Weights {
    F32(Vec<f32>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
    Blocks(Blocks),
}

impl Matrix {
    /// Takes a tensor's bytes as the file holds them, as many as `info` says. A tensor of one dimension is one row.
    pub(crate) fn new(info: &TensorInfo, bytes: &[u8]) -> Matrix {
        debug_assert_eq!(bytes.len() as u64, info.bytes);
        let cols = info.dims.first().copied().unwrap_or(1) as usize;
        let rows = info.dims.iter().skip(1).product::<u64>() as usize;
        let weights = match info.ty {
            TensorType::F32 => Weights::F32(
                bytes
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|b| f32::from_le_bytes(*b))
                    .collect(),
            ),
            TensorType::F16 => Weights::F16(
                bytes
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|b| f16::from_le_bytes(*b))
                    .collect(),
            ),
            TensorType::BF16 => Weights::BF16(
                bytes
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|b| bf16::from_le_bytes(*b))
                    .collect(),
            ),
            quantised => Weights::Blocks(Blocks::new(quantised, rows, cols, bytes)),
        };
        Matrix { rows, cols, weights }
    }

    /// Length of a result row.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Length of the vectors it multiplies.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// out (n, rows) = x (n, cols) · selfᵀ.
    pub(crate) fn multiply(&self, x: &[f32], out: &mut [f32], workspace: &mut Workspace) {
        debug_assert_eq!(out.len() / self.rows, x.len() / self.cols);
        match &self.weights {
            Weights::F32(weights) => {
                for (index, row) in weights.chunks_exact(self.cols).enumerate() {
                    self.multiply_row(index, row, x, out);
                }
            }
            Weights::F16(weights) => self.multiply_halves(weights, x, out, &mut workspace.row),
            Weights::BF16(weights) => self.multiply_halves(weights, x, out, &mut workspace.row),
            Weights::Blocks(blocks) => blocks.multiply(x, out, workspace),
        }
    }

    /// Writes one row as f32: an embedding, or a norm's weights.
    pub(crate) fn row(&self, index: usize, out: &mut [f32]) {
        let range = index * self.cols..(index + 1) * self.cols;
        match &self.weights {
            Weights::F32(weights) => out.copy_from_slice(&weights[range]),
            Weights::F16(weights) => weights[range].convert_to_f32_slice(out),
            Weights::BF16(weights) => weights[range].convert_to_f32_slice(out),
            Weights::Blocks(blocks) => blocks.row(index, out),
        }
    }

    /// Makes each row of weights f32 once for all rows of x.
    fn multiply_halves<T>(&self, weights: &[T], x: &[f32], out: &mut [f32], row: &mut Vec<f32>)
    where
        [T]: HalfFloatSliceExt,
    {
        row.resize(self.cols, 0.0);
        for (index, halves) in weights.chunks_exact(self.cols).enumerate() {
            halves.convert_to_f32_slice(row);
            self.multiply_row(index, row, x, out);
        }
    }

    fn multiply_row(&self, index: usize, row: &[f32], x: &[f32], out: &mut [f32]) {
        for (x, out) in x.chunks_exact(self.cols).zip(out.chunks_exact_mut(self.rows)) {
            out[index] = dot(row, x);
        }
    }
}
