//! A strict reader of `.safetensors`: every tensor lies where the header says, inside the file, over no other.
//! Does not compute with them.

use std::collections::BTreeMap;
use std::ops::Range;

use gguf::{TensorInfo, TensorType, check_weights};
use serde_json::Value;

use crate::EngineError;
use crate::cpu::matrix::Matrix;

/// An encoder of 24 layers has a header of 50 kilobytes.
pub const MAX_SAFETENSORS_HEADER_BYTES: u64 = 1 << 20;

/// An encoder of 24 layers has 400.
pub const MAX_SAFETENSORS_TENSORS: usize = 4_096;

/// The tensors of a file.
pub(super) struct SafeTensors<'a> {
    data: &'a [u8],
    tensors: BTreeMap<String, Tensor>,
}

struct Tensor {
    /// None for types that no weight has, such as the table of position numbers that some files carry.
    ty: Option<TensorType>,
    shape: Vec<u64>,
    place: Range<usize>,
}

impl<'a> SafeTensors<'a> {
    pub(super) fn read(file: &'a [u8]) -> Result<SafeTensors<'a>, EngineError> {
        let (len, rest) = file
            .split_first_chunk::<8>()
            .ok_or_else(|| refused("it ends before its header does"))?;
        let len = u64::from_le_bytes(*len);
        if len > MAX_SAFETENSORS_HEADER_BYTES {
            return Err(refused(format!(
                "a header of {len} bytes, at most {MAX_SAFETENSORS_HEADER_BYTES} are read"
            )));
        }
        let (header, data) = rest
            .split_at_checked(len as usize)
            .ok_or_else(|| refused("it ends before its header does"))?;
        let header: BTreeMap<String, Value> =
            serde_json::from_slice(header).map_err(|error| refused(format!("header: {error}")))?;
        if header.len() > MAX_SAFETENSORS_TENSORS {
            return Err(refused(format!(
                "{} tensors, at most {MAX_SAFETENSORS_TENSORS} are read",
                header.len()
            )));
        }
        let tensors: BTreeMap<String, Tensor> = header
            .into_iter()
            .filter(|(name, _)| name != "__metadata__")
            .map(|(name, value)| {
                let tensor = tensor(&value, data.len())
                    .ok_or_else(|| refused(format!("tensor {name:.80} makes no sense")))?;
                // Some are saved with the head that they were trained with.
                Ok((
                    name.strip_prefix("bert.").map_or(name.clone(), str::to_owned),
                    tensor,
                ))
            })
            .collect::<Result<_, EngineError>>()?;
        let mut places: Vec<&Range<usize>> = tensors.values().map(|tensor| &tensor.place).collect();
        places.sort_unstable_by_key(|place| place.start);
        if places.windows(2).any(|pair| pair[1].start < pair[0].end) {
            return Err(refused("two tensors overlap"));
        }
        Ok(SafeTensors { data, tensors })
    }

    /// A matrix of `rows` rows of `cols` weights.
    pub(super) fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix, EngineError> {
        self.load(name, &[rows as u64, cols as u64])
    }

    /// A vector of `len` weights as f32.
    pub(super) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, EngineError> {
        let mut values = vec![0.0; len];
        self.load(name, &[len as u64])?.row(0, &mut values);
        Ok(values)
    }

    fn load(&self, name: &str, needed: &[u64]) -> Result<Matrix, EngineError> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| EngineError::MissingTensor(name.into()))?;
        let (Some(ty), true) = (tensor.ty, tensor.shape == needed) else {
            return Err(EngineError::TensorShape {
                name: name.into(),
                found: tensor.shape.clone(),
                needed: needed.into(),
            });
        };
        let bytes = &self.data[tensor.place.clone()];
        check_weights(ty, bytes).map_err(|damage| EngineError::DamagedTensor {
            name: name.into(),
            damage,
        })?;
        let info = TensorInfo {
            name: name.into(),
            ty,
            // The row length first, as everywhere else in the engine.
            dims: needed.iter().rev().copied().collect(),
            offset_bytes: tensor.place.start as u64,
            bytes: bytes.len() as u64,
        };
        Ok(Matrix::new(&info, bytes))
    }
}

/// A tensor whose place is inside the data, and as long as its shape asks for.
fn tensor(value: &Value, data_bytes: usize) -> Option<Tensor> {
    let ty = match value["dtype"].as_str()? {
        "F32" => Some(TensorType::F32),
        "F16" => Some(TensorType::F16),
        "BF16" => Some(TensorType::BF16),
        _ => None,
    };
    let shape: Vec<u64> = value["shape"]
        .as_array()?
        .iter()
        .map(Value::as_u64)
        .collect::<Option<_>>()?;
    let offsets = value["data_offsets"].as_array()?;
    let [start, end] = offsets.as_slice() else {
        return None;
    };
    let place = usize::try_from(start.as_u64()?).ok()?..usize::try_from(end.as_u64()?).ok()?;
    let fits = place.start <= place.end && place.end <= data_bytes;
    let long = shape
        .iter()
        .try_fold(1_u64, |product, dim| product.checked_mul(*dim))?;
    let bytes = ty.map_or(Some(place.len() as u64), |ty| long.checked_mul(ty.block_bytes()))?;
    (fits && bytes == place.len() as u64).then_some(Tensor { ty, shape, place })
}

fn refused(reason: impl std::fmt::Display) -> EngineError {
    EngineError::Encoder(format!("safetensors: {reason}"))
}
