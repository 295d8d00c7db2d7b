//! What the chunks of a step have given so far, whichever back end computed them.
//! Does not compute layers.

use std::collections::BTreeMap;

use gguf::Config;

use crate::cpu::CpuStage;
use crate::shard::{Output, Want};
use crate::{EngineError, WireType};

/// Results of a step's rows until all of them are there.
#[derive(Default)]
pub(crate) struct Collected {
    bytes: Vec<u8>,
    /// Logits by row, computed once however often a row is asked for.
    logits: BTreeMap<u32, Vec<f32>>,
    /// The likeliest tokens by row with their logits, where they are enough.
    some: BTreeMap<u32, Vec<(u32, f32)>>,
    /// Tokens by row that a device chose itself.
    tokens: BTreeMap<u32, u32>,
}

impl Collected {
    /// Takes whole rows of hidden states.
    pub(crate) fn hidden(&mut self, wire: WireType, rows: &[f32]) {
        wire.encode(rows, rows.len(), &mut self.bytes);
    }

    /// Takes a row's logits.
    pub(crate) fn logits(&mut self, row: u32, logits: Vec<f32>) {
        self.logits.insert(row, logits);
    }

    /// Takes the likeliest tokens after a row, in any order, when no other could be chosen.
    pub(crate) fn some(&mut self, row: u32, tokens: Vec<(u32, f32)>) {
        self.some.insert(row, tokens);
    }

    /// Takes the likeliest token after a row.
    pub(crate) fn token(&mut self, row: u32, token: u32) {
        self.tokens.insert(row, token);
    }

    /// Takes what is wanted of a chunk that the CPU computed.
    pub(crate) fn take(
        &mut self,
        compute: &mut CpuStage,
        config: &Config,
        want: Want<'_>,
        hidden: &[f32],
        chunk: std::ops::Range<usize>,
    ) -> Result<(), EngineError> {
        let d_model = config.d_model as usize;
        let wanted = match want {
            Want::Nothing => return Ok(()),
            Want::Hidden(wire) => {
                wire.encode(hidden, d_model, &mut self.bytes);
                return Ok(());
            }
            Want::Logits(rows) | Want::Sample { rows, .. } => rows,
        };
        for row in wanted.iter().filter(|row| chunk.contains(&(**row as usize))) {
            let at = (*row as usize - chunk.start) * d_model;
            let mut logits = Vec::new();
            compute.logits(&hidden[at..at + d_model], &mut logits)?;
            self.logits.insert(*row, logits);
        }
        Ok(())
    }

    /// All of it, as wanted.
    pub(crate) fn finish(
        self,
        config: &Config,
        want: Want<'_>,
        first: u32,
        rows: usize,
    ) -> Result<Output, EngineError> {
        match want {
            Want::Nothing => Ok(Output::Nothing),
            Want::Hidden(_) => Ok(Output::Hidden(self.bytes)),
            Want::Logits(wanted) => {
                let mut all = Vec::with_capacity(wanted.len() * config.vocab as usize);
                wanted
                    .iter()
                    .filter_map(|row| self.logits.get(row))
                    .for_each(|logits| all.extend_from_slice(logits));
                Ok(Output::Logits(all))
            }
            Want::Sample {
                rows: wanted,
                sampling,
                history,
            } => {
                let mut chosen = Vec::with_capacity(wanted.len());
                for row in wanted {
                    let after = rows - 1 - *row as usize;
                    let before = &history[..history.len().saturating_sub(after)];
                    // The token sampled after position p stands at p + 1: that keys its randomness.
                    let position = first + row + 1;
                    if let Some(token) = self.tokens.get(row) {
                        chosen.push(*token);
                    } else if let Some(some) = self.some.get(row) {
                        chosen.push(sampling.choose_among(some.iter().copied(), position, before)?);
                    } else if let Some(logits) = self.logits.get(row) {
                        chosen.push(sampling.choose(logits, position, before)?);
                    }
                }
                Ok(Output::Tokens(chosen))
            }
        }
    }
}
