//! Which part of a model: contiguous layers, and the ends.
//! It names bytes; it does not fetch them.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::{GgufError, Header};

/// Layers `first..end`, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerRange {
    first: u32,
    end: u32,
}

impl LayerRange {
    pub fn new(first: u32, end: u32) -> Result<LayerRange, GgufError> {
        if first < end { Ok(LayerRange { first, end }) } else { Err(GgufError::Range { first, end }) }
    }

    pub fn first(&self) -> u32 {
        self.first
    }

    pub fn end(&self) -> u32 {
        self.end
    }

    /// Layers in it; never 0.
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> u32 {
        self.end - self.first
    }

    pub fn contains(&self, layer: u32) -> bool {
        (self.first..self.end).contains(&layer)
    }

    pub fn overlaps(&self, other: &LayerRange) -> bool {
        self.first < other.end && other.first < self.end
    }
}

impl fmt::Display for LayerRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.end)
    }
}

impl FromStr for LayerRange {
    type Err = GgufError;

    fn from_str(text: &str) -> Result<LayerRange, GgufError> {
        let bad = GgufError::Range { first: 0, end: 0 };
        let (first, end) = text.split_once('-').ok_or_else(|| bad.clone())?;
        LayerRange::new(first.parse().map_err(|_| bad.clone())?, end.parse().map_err(|_| bad)?)
    }
}

/// Contiguous layers and, at the ends, the embedding and the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stage {
    pub embed: bool,
    pub layers: LayerRange,
    pub head: bool,
}

impl Stage {
    /// The first layers come with the embedding, the last with the head.
    pub fn of(layers: LayerRange, n_layers: u32) -> Stage {
        Stage { embed: layers.first == 0, layers, head: layers.end >= n_layers }
    }
}

/// Where in the file the weights of a stage lie, in order.
pub fn stage_ranges(header: &Header, stage: &Stage) -> Vec<Range<u64>> {
    let tied = header.tensor("output.weight").is_none();
    let mut ranges: Vec<Range<u64>> = header
        .tensors()
        .iter()
        .filter(|tensor| match tensor.name.strip_prefix("blk.") {
            Some(rest) => {
                let layer = rest.split('.').next().and_then(|n| n.parse().ok());
                layer.is_some_and(|layer| stage.layers.contains(layer))
            }
            None => match tensor.name.as_str() {
                "token_embd.weight" => stage.embed || (stage.head && tied),
                "output.weight" | "output_norm.weight" => stage.head,
                _ => true,
            },
        })
        .map(|tensor| tensor.offset_bytes..tensor.offset_bytes + tensor.bytes)
        .collect();
    ranges.sort_by_key(|range| range.start);
    ranges
}
