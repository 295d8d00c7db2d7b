//! Which part of which model: ids and stages.
//! It reads no model file.

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};

/// Hash of a manifest's unsigned core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub [u8; 32]);

/// Layers `first..end`, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerRange {
    first: u32,
    end: u32,
}

/// Contiguous layers and, at the ends, the embedding and the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stage {
    pub embed: bool,
    pub layers: LayerRange,
    pub head: bool,
}

impl LayerRange {
    pub fn new(first: u32, end: u32) -> Result<LayerRange, &'static str> {
        if first < end {
            Ok(LayerRange { first, end })
        } else {
            Err("empty range of layers")
        }
    }
    pub fn first(&self) -> u32 {
        self.first
    }
    pub fn end(&self) -> u32 {
        self.end
    }
    pub fn len(&self) -> u32 {
        self.end - self.first
    }
}

impl Stage {
    pub fn of(layers: LayerRange, n_layers: u32) -> Stage {
        Stage {
            embed: layers.first == 0,
            layers,
            head: layers.end == n_layers,
        }
    }
}
impl<C> Encode<C> for ModelId {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}
impl<'b, C> Decode<'b, C> for ModelId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        d.bytes()?
            .try_into()
            .map(ModelId)
            .map_err(|_| DecodeError::message("model id of the wrong length"))
    }
}
