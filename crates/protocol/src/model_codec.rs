//! Model ids, ranges of layers and stages as CBOR, for `#[cbor(with = …)]`.
//! What they mean is gguf's.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};

use gguf::{LayerRange, ModelId, Stage};

/// More layers than any model has; keeps sums of layer counts far from overflow.
pub(crate) const MAX_LAYERS: u32 = 4_096;

/// 32 bytes.
pub(crate) mod id {
    use super::*;

    pub(crate) fn encode<C, W: Write>(
        id: &ModelId,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&id.0)?.ok()
    }

    pub(crate) fn decode<'b, C>(d: &mut Decoder<'b>, _: &mut C) -> Result<ModelId, DecodeError> {
        let bytes = d
            .bytes()?
            .try_into()
            .map_err(|_| DecodeError::message("a model id has 32 bytes"))?;
        Ok(ModelId(bytes))
    }
}

/// `[embed, first, end, head]`.
pub(crate) mod stage {
    use super::*;

    pub(crate) fn encode<C, W: Write>(
        stage: &Stage,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(4)?.bool(stage.embed)?;
        e.u32(stage.layers.first())?
            .u32(stage.layers.end())?
            .bool(stage.head)?
            .ok()
    }

    pub(crate) fn decode<'b, C>(d: &mut Decoder<'b>, _: &mut C) -> Result<Stage, DecodeError> {
        if d.array()? != Some(4) {
            return Err(DecodeError::message("a stage has four fields"));
        }
        Ok(Stage {
            embed: d.bool()?,
            layers: range(d)?,
            head: d.bool()?,
        })
    }
}

/// `[first, end]`.
pub(crate) mod layers {
    use super::*;

    pub(crate) fn encode<C, W: Write>(
        layers: &LayerRange,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(2)?.u32(layers.first())?.u32(layers.end())?.ok()
    }

    pub(crate) fn decode<'b, C>(d: &mut Decoder<'b>, _: &mut C) -> Result<LayerRange, DecodeError> {
        if d.array()? != Some(2) {
            return Err(DecodeError::message("a range of layers has two ends"));
        }
        range(d)
    }
}

fn range(d: &mut Decoder<'_>) -> Result<LayerRange, DecodeError> {
    let (first, end) = (d.u32()?, d.u32()?);
    if end > MAX_LAYERS {
        return Err(DecodeError::message(format!("layer {end}, at most {MAX_LAYERS}")));
    }
    LayerRange::new(first, end).map_err(|e| DecodeError::message(e.to_string()))
}
