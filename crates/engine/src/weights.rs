//! Where weights come from, and the checks between a source and the engine.
//! Does not fetch or verify: a source is a file, a store of checked chunks, or bytes in memory.

use std::collections::BTreeMap;
use std::future::ready;
use std::pin::Pin;

use gguf::{Header, Stage, TensorInfo};

use crate::EngineError;
use crate::cpu::matrix::Matrix;

/// What a source answers when it is ready.
pub type Brought<'a> = Pin<Box<dyn Future<Output = Result<(), EngineError>> + 'a>>;

/// Gives the bytes of one tensor at a time, as they lie in the file.
pub trait WeightSource {
    /// Says which tensors are asked for next, each of them once at most, and waits until they can be had. Those of
    /// before are not asked for again: a source need never hold more than a part of [`load_order`].
    ///
    /// # Errors
    /// [`EngineError::Weights`] with the source's own reason.
    fn bring<'a>(&'a mut self, tensors: &'a [&'a TensorInfo]) -> Brought<'a> {
        let _ = tensors;
        Box::pin(ready(Ok(())))
    }

    /// The bytes `info.offset_bytes .. info.offset_bytes + info.bytes` of the file.
    ///
    /// # Errors
    /// [`EngineError::Weights`] with the source's own reason.
    fn tensor(&mut self, info: &TensorInfo) -> Result<Vec<u8>, EngineError>;
}

/// The tensors of a stage, part by part, as a shard asks for them: the embedding, the head, and each layer. The largest
/// come first: the room that was needed to take them over is used again by the layers.
pub fn load_order<'a>(header: &'a Header, stage: &Stage) -> Vec<Vec<&'a TensorInfo>> {
    let tied_head = header.tensor("output.weight").is_none();
    let needed = |info: &&TensorInfo| stage.needs(&info.name, tied_head);
    let layers = stage.layers.layers().len();
    let mut parts = vec![Vec::new(); layers + 2];
    for info in header.tensors().iter().filter(needed) {
        let part = match gguf::layer_of(&info.name) {
            Some(layer) => 2 + layer.saturating_sub(stage.layers.first()) as usize,
            None if info.name.starts_with("output") => 1,
            None => 0,
        };
        parts[part].push(info);
    }
    parts
}

/// The parts of a stage that are still to be brought.
pub(crate) struct Parts<'a>(std::vec::IntoIter<Vec<&'a TensorInfo>>);

impl<'a> Parts<'a> {
    pub(crate) fn of(header: &'a Header, stage: &Stage) -> Parts<'a> {
        Parts(load_order(header, stage).into_iter())
    }

    /// The next part, to be asked for.
    pub(crate) async fn bring(&mut self, source: &mut dyn WeightSource) -> Result<(), EngineError> {
        match self.0.next() {
            Some(part) => source.bring(&part).await,
            None => Ok(()),
        }
    }
}

/// A whole GGUF file in memory.
impl WeightSource for &[u8] {
    fn tensor(&mut self, info: &TensorInfo) -> Result<Vec<u8>, EngineError> {
        let range = usize::try_from(info.offset_bytes).ok().zip(
            info.offset_bytes
                .checked_add(info.bytes)
                .and_then(|end| usize::try_from(end).ok()),
        );
        let bytes = range.and_then(|(start, end)| self.get(start..end));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| EngineError::Weights {
            name: info.name.clone(),
            reason: format!("the {} bytes in memory end before it", self.len()),
        })
    }
}

/// Tensors by name.
impl WeightSource for BTreeMap<String, Vec<u8>> {
    fn tensor(&mut self, info: &TensorInfo) -> Result<Vec<u8>, EngineError> {
        self.get(&info.name).cloned().ok_or_else(|| EngineError::Weights {
            name: info.name.clone(),
            reason: "it was not handed over".into(),
        })
    }
}

/// Loads a matrix of `rows` rows of `cols` weights.
pub(crate) fn matrix(
    header: &Header,
    source: &mut dyn WeightSource,
    name: &str,
    cols: usize,
    rows: usize,
) -> Result<Matrix, EngineError> {
    load(header, source, name, &[cols as u64, rows as u64])
}

/// Loads a vector of `len` weights as f32.
pub(crate) fn vector(
    header: &Header,
    source: &mut dyn WeightSource,
    name: &str,
    len: usize,
) -> Result<Vec<f32>, EngineError> {
    let mut values = vec![0.0; len];
    load(header, source, name, &[len as u64])?.row(0, &mut values);
    Ok(values)
}

/// The same for a vector that a model may leave out.
pub(crate) fn optional_vector(
    header: &Header,
    source: &mut dyn WeightSource,
    name: &str,
    len: usize,
) -> Result<Option<Vec<f32>>, EngineError> {
    header
        .tensor(name)
        .map(|_| vector(header, source, name, len))
        .transpose()
}

/// The bytes of a tensor of that shape, checked: whoever computes with them, on whatever device, has finite numbers,
/// and as many as the header promises.
///
/// # Errors
/// Tensors that are missing, misshapen, unreadable, of another length or damaged.
pub(crate) fn tensor<'a>(
    header: &'a Header,
    source: &mut dyn WeightSource,
    name: &str,
    needed: &[u64],
) -> Result<(&'a TensorInfo, Vec<u8>), EngineError> {
    let info = header
        .tensor(name)
        .ok_or_else(|| EngineError::MissingTensor(name.into()))?;
    // Trailing dimensions of 1 say nothing.
    let significant = info
        .dims
        .iter()
        .rposition(|d| *d != 1)
        .map_or(1, |last| last + 1)
        .max(needed.len());
    if info.dims.get(..significant) != Some(needed) {
        return Err(EngineError::TensorShape {
            name: name.into(),
            found: info.dims.clone(),
            needed: needed.into(),
        });
    }
    let bytes = source.tensor(info)?;
    if bytes.len() as u64 != info.bytes {
        return Err(EngineError::TensorBytes {
            name: name.into(),
            found: bytes.len() as u64,
            needed: info.bytes,
        });
    }
    gguf::check_weights(info.ty, &bytes).map_err(|damage| EngineError::DamagedTensor {
        name: name.into(),
        damage,
    })?;
    Ok((info, bytes))
}

fn load(
    header: &Header,
    source: &mut dyn WeightSource,
    name: &str,
    needed: &[u64],
) -> Result<Matrix, EngineError> {
    let (info, bytes) = tensor(header, source, name, needed)?;
    Ok(Matrix::new(info, &bytes))
}
