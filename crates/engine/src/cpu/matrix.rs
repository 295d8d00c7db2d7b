//! A weight matrix as it lies in the file, and its products with rows of f32.
//! Does not read files, and never holds a dequantised copy.
//!
//! A row of the result depends on its own input row alone, never on how many rows are computed
//! with it: every (input row, weight row) pair is one dot product in one fixed order.

use candle_core::CpuStorage;
use candle_core::quantized::{GgmlDType, QuantizedType};
use gguf::{TensorInfo, TensorType};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::ops::dot;
use super::quant::{Blocks, Workspace};
use crate::EngineError;

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
    /// The rarer formats.
    Candle(Box<dyn QuantizedType>),
}

impl Matrix {
    /// Takes a tensor's bytes as the file holds them. A tensor of one dimension is one row.
    ///
    /// # Errors
    /// [`EngineError::TensorBytes`] when their number is not what the header promises.
    pub(crate) fn new(info: &TensorInfo, bytes: &[u8]) -> Result<Matrix, EngineError> {
        if bytes.len() as u64 != info.bytes {
            return Err(EngineError::TensorBytes {
                name: info.name.clone(),
                found: bytes.len() as u64,
                needed: info.bytes,
            });
        }
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
            known if Blocks::knows(known) => Weights::Blocks(Blocks::new(known, rows, cols, bytes)),
            other => Weights::Candle(candle_blocks(other, bytes)),
        };
        Ok(Matrix { rows, cols, weights })
    }

    /// Length of a result row.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// out (n, rows) = x (n, cols) · selfᵀ.
    pub(crate) fn multiply(
        &self,
        x: &[f32],
        out: &mut [f32],
        workspace: &mut Workspace,
    ) -> Result<(), EngineError> {
        let n = x.len() / self.cols;
        debug_assert_eq!(out.len(), n * self.rows);
        match &self.weights {
            Weights::F32(weights) => {
                for (index, row) in weights.chunks_exact(self.cols).enumerate() {
                    self.multiply_row(index, row, x, out);
                }
            }
            Weights::F16(weights) => {
                let mut row = vec![0.0; self.cols];
                for (index, half) in weights.chunks_exact(self.cols).enumerate() {
                    half.convert_to_f32_slice(&mut row);
                    self.multiply_row(index, &row, x, out);
                }
            }
            Weights::BF16(weights) => {
                let mut row = vec![0.0; self.cols];
                for (index, half) in weights.chunks_exact(self.cols).enumerate() {
                    half.convert_to_f32_slice(&mut row);
                    self.multiply_row(index, &row, x, out);
                }
            }
            Weights::Blocks(blocks) => blocks.multiply(x, out, workspace),
            Weights::Candle(blocks) => {
                blocks
                    .matmul_t((n, self.cols, self.rows), x, out)
                    .map_err(candle_error)?;
            }
        }
        Ok(())
    }

    /// Writes one row as f32: an embedding, or a norm's weights.
    pub(crate) fn row(&self, index: usize, out: &mut [f32]) -> Result<(), EngineError> {
        let range = index * self.cols..(index + 1) * self.cols;
        match &self.weights {
            Weights::F32(weights) => out.copy_from_slice(&weights[range]),
            Weights::F16(weights) => weights[range].convert_to_f32_slice(out),
            Weights::BF16(weights) => weights[range].convert_to_f32_slice(out),
            Weights::Blocks(blocks) => blocks.row(index, out),
            Weights::Candle(blocks) => match blocks
                .embedding(&[index as u32], self.rows, self.cols)
                .map_err(candle_error)?
            {
                CpuStorage::F32(values) => out.copy_from_slice(&values),
                _ => return Err(EngineError::Backend("a dequantised row is not f32".into())),
            },
        }
        Ok(())
    }

    fn multiply_row(&self, index: usize, row: &[f32], x: &[f32], out: &mut [f32]) {
        for (x, out) in x.chunks_exact(self.cols).zip(out.chunks_exact_mut(self.rows)) {
            out[index] = dot(row, x);
        }
    }
}

/// candle reads blocks in place and panics unless they lie on an even address, which a slice of
/// bytes does not promise.
fn candle_blocks(ty: TensorType, bytes: &[u8]) -> Box<dyn QuantizedType> {
    if bytes.as_ptr() as usize % align_of::<u16>() == 0 {
        return candle_type(ty).from_data(bytes.into());
    }
    let mut even = vec![0u16; bytes.len().div_ceil(2)];
    let copy: &mut [u8] = bytemuck::cast_slice_mut(&mut even);
    copy[..bytes.len()].copy_from_slice(bytes);
    candle_type(ty).from_data(copy[..bytes.len()].into())
}

fn candle_type(ty: TensorType) -> GgmlDType {
    match ty {
        TensorType::F32 => GgmlDType::F32,
        TensorType::F16 => GgmlDType::F16,
        TensorType::BF16 => GgmlDType::BF16,
        TensorType::Q4_0 => GgmlDType::Q4_0,
        TensorType::Q4_1 => GgmlDType::Q4_1,
        TensorType::Q5_0 => GgmlDType::Q5_0,
        TensorType::Q5_1 => GgmlDType::Q5_1,
        TensorType::Q8_0 => GgmlDType::Q8_0,
        TensorType::Q2_K => GgmlDType::Q2K,
        TensorType::Q3_K => GgmlDType::Q3K,
        TensorType::Q4_K => GgmlDType::Q4K,
        TensorType::Q5_K => GgmlDType::Q5K,
        TensorType::Q6_K => GgmlDType::Q6K,
    }
}

fn candle_error(error: candle_core::Error) -> EngineError {
    EngineError::Backend(format!("candle: {error}"))
}
