//! Tensors of a file on their way to the device.
//! Does not know layers: it is told names and shapes.

use gguf::{Header, TensorType};
use kernels::ops::stride;
use kernels::{Buffer, Format, Gpu, Weights};

use crate::EngineError;
use crate::weights::{WeightSource, tensor, vector};

/// A model's tensors, a device, and what is between them.
pub(super) struct Upload<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) header: &'a Header,
    pub(super) source: &'a mut dyn WeightSource,
}

/// A matrix's bytes as the file holds them.
pub(super) struct Tensor {
    pub(super) format: Format,
    pub(super) bytes: Vec<u8>,
}

impl Upload<'_> {
    /// The bytes of a matrix of `rows` rows of `cols` weights.
    pub(super) fn tensor(&mut self, name: &str, cols: u32, rows: u32) -> Result<Tensor, EngineError> {
        let (info, bytes) = tensor(self.header, self.source, name, &[cols.into(), rows.into()])?;
        Ok(Tensor {
            format: format(info.ty),
            bytes,
        })
    }

    /// The same, on the device.
    pub(super) fn matrix(&mut self, name: &str, cols: u32, rows: u32) -> Result<Weights, EngineError> {
        let Tensor { format, bytes } = self.tensor(name, cols, rows)?;
        Ok(Weights::stacked(
            self.gpu,
            "weights",
            format,
            cols as usize,
            &[&bytes],
        )?)
    }

    /// A vector on the device, filled up with zeros to whole items.
    pub(super) fn vector(&mut self, name: &str, len: u32) -> Result<Buffer, EngineError> {
        let values = vector(self.header, self.source, name, len as usize)?;
        self.values(values)
    }

    /// Values on the device, filled up with zeros to whole items.
    pub(super) fn values(&self, mut values: Vec<f32>) -> Result<Buffer, EngineError> {
        values.resize(stride(values.len() as u32) as usize, 0.0);
        Ok(self.gpu.storage_with("a vector of weights", &values)?)
    }
}

/// What the kernels call a type.
pub(super) fn format(ty: TensorType) -> Format {
    match ty {
        TensorType::F32 => Format::F32,
        TensorType::F16 => Format::F16,
        TensorType::BF16 => Format::BF16,
        TensorType::Q4_0 => Format::Q4_0,
        TensorType::Q4_1 => Format::Q4_1,
        TensorType::Q5_0 => Format::Q5_0,
        TensorType::Q5_1 => Format::Q5_1,
        TensorType::Q8_0 => Format::Q8_0,
        TensorType::Q2_K => Format::Q2_K,
        TensorType::Q3_K => Format::Q3_K,
        TensorType::Q4_K => Format::Q4_K,
        TensorType::Q5_K => Format::Q5_K,
        TensorType::Q6_K => Format::Q6_K,
    }
}
