//! A part of a model that one device runs, and the bytes of the file that it needs.
//! Does not fetch them.

use std::ops::Range;

use crate::header::Header;
use crate::layer_range::LayerRange;

/// Consecutive layers, with the embedding before them and the head behind them or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stage {
    /// Takes token ids.
    pub embed: bool,
    /// The layers it runs.
    pub layers: LayerRange,
    /// Gives logits.
    pub head: bool,
}

impl Stage {
    /// The stage of `layers` in a model of `n_layers`: the first embeds, the last has the head.
    pub fn of(layers: LayerRange, n_layers: u32) -> Stage {
        Stage {
            embed: layers.first() == 0,
            layers,
            head: layers.end() == n_layers,
        }
    }

    /// Whether this stage needs the tensor of that name. `tied_head`: the embedding is the head, too.
    pub fn needs(&self, tensor: &str, tied_head: bool) -> bool {
        match tensor {
            "token_embd.weight" => self.embed || (self.head && tied_head),
            "output.weight" | "output_norm.weight" => self.head,
            "rope_freqs.weight" => true,
            _ => layer_of(tensor).is_some_and(|layer| self.layers.contains(layer)),
        }
    }
}

/// The layer whose tensor is called so.
pub fn layer_of(tensor: &str) -> Option<u32> {
    let (layer, _) = tensor.strip_prefix("blk.")?.split_once('.')?;
    layer.parse().ok()
}

/// The byte ranges of the tensors that a stage needs, in order; neighbours are one range, padding included.
pub fn stage_ranges(header: &Header, stage: &Stage) -> Vec<Range<u64>> {
    let tied_head = header.tensor("output.weight").is_none();
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for tensor in header
        .tensors()
        .iter()
        .filter(|tensor| stage.needs(&tensor.name, tied_head))
    {
        match ranges.last_mut() {
            Some(last) if tensor.offset_bytes - last.end < u64::from(header.alignment()) => {
                last.end = tensor.end_bytes();
            }
            _ => ranges.push(tensor.offset_bytes..tensor.end_bytes()),
        }
    }
    ranges
}
