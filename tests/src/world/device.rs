//! A device that computes a hash chain instead of a model.
//! It stands in for weights only: caches, positions and wire types are as a real one has them, and it is as strict.
//!
//! Layer l at position p gives H(l, p, input, its own result at p - 1): so whatever is wrong, lost or doubled
//! anywhere changes every token after it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use node::io::{Compute, ComputeError, Computed, EffectId, KvId, Loaded, StepInput, StepOutput, Want};
use protocol::{Backend, ModelId, PENALTY_WINDOW, Sampling, Stage, WireType};

/// Tokens are drawn from this many, so that text repeats itself as real text does.
pub const VOCAB: u32 = 48;
/// Width of a hidden state: in every wire type a row has room for the eight bytes of a hash.
pub const D_MODEL: u32 = 8;
/// Until it is clear that a GPU will not answer any more.
const FIND_LOST_US: u64 = 20_000;

/// How fast a device is.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Any step.
    pub step_us: u64,
    /// Each position through each layer.
    pub position_us: u64,
    /// Loading a stage.
    pub load_ms: u64,
}

/// A device that keeps nobody waiting: a step takes a millisecond, and a stage is loaded in ten.
pub const QUICK: Speed = Speed {
    step_us: 1_000,
    position_us: 50,
    load_ms: 10,
};

impl Speed {
    /// The same device without its GPU.
    pub fn on_processor(self) -> Speed {
        Speed {
            step_us: 20 * self.step_us,
            position_us: 20 * self.position_us,
            ..self
        }
    }
}

/// See the file's head.
#[derive(Debug, Default)]
pub struct Device {
    /// It finds itself not batch invariant when it is tried.
    pub row_by_row: bool,
    /// What was lost takes nothing over: no stage can be loaded any more.
    pub broken: bool,
    /// It has no GPU any more.
    on_processor: bool,
    /// What was on the GPU and was not asked for since.
    lost: Vec<(ModelId, Stage)>,
    /// Caches that went with it.
    gone: BTreeSet<KvId>,
    loaded: Vec<(ModelId, Stage)>,
    caches: BTreeMap<KvId, Cache>,
    /// Works that are done at the given microsecond.
    queue: VecDeque<(u64, EffectId, Result<Computed, ComputeError>)>,
    free_at_us: u64,
}

#[derive(Debug)]
struct Cache {
    model: ModelId,
    stage: Stage,
    max_positions: u32,
    /// For each position the result of each layer.
    rows: Vec<Vec<u64>>,
}

impl Device {
    /// Takes work; answers the millisecond at which it will be done.
    pub fn take(&mut self, now_ms: u64, id: EffectId, work: Compute, speed: Speed) -> u64 {
        let (took_us, result) = self.work(work, speed);
        self.free_at_us = self.free_at_us.max(now_ms * 1_000) + took_us;
        self.queue.push_back((self.free_at_us, id, result));
        self.free_at_us.div_ceil(1_000)
    }

    /// The oldest work, if it is done by now.
    pub fn done(&mut self, now_ms: u64) -> Option<(EffectId, Result<Computed, ComputeError>)> {
        let (at, _, _) = self.queue.front()?;
        if *at > now_ms * 1_000 {
            return None;
        }
        self.queue.pop_front().map(|(_, id, result)| (id, result))
    }

    /// Caches that are open.
    pub fn caches(&self) -> usize {
        self.caches.len()
    }

    /// The GPU goes away. Its caches go with it; who asks for one of its stages next is told, and finds it on the
    /// processor from then on.
    pub fn lose_gpu(&mut self) {
        self.on_processor = true;
        self.lost = self.loaded.clone();
    }

    /// Whether a stage was on a GPU that is gone, said once.
    fn finds_lost(&mut self, model: ModelId, stage: Stage) -> bool {
        let before = self.lost.len();
        self.lost.retain(|lost| *lost != (model, stage));
        let found = self.lost.len() < before;
        if found {
            let of_it = |cache: &Cache| (cache.model, cache.stage) == (model, stage);
            let gone = self.caches.iter().filter(|(_, cache)| of_it(cache));
            self.gone.extend(gone.map(|(kv, _)| *kv));
            self.caches.retain(|_, cache| !of_it(cache));
        }
        found
    }

    fn work(&mut self, work: Compute, speed: Speed) -> (u64, Result<Computed, ComputeError>) {
        let speed = if self.on_processor {
            speed.on_processor()
        } else {
            speed
        };
        match work {
            Compute::Load { .. } if self.broken => (speed.load_ms * 1_000, Err(ComputeError::Weights)),
            Compute::Load { model, stage } => {
                let again = self.loaded.contains(&(model, stage));
                assert!(!again || self.on_processor, "loaded twice");
                if !again {
                    self.loaded.push((model, stage));
                }
                let layers = u64::from(stage.layers.end() - stage.layers.first());
                let us_per_token = (speed.step_us + layers * speed.position_us).max(1) as u32;
                (
                    speed.load_ms * 1_000,
                    Ok(Computed::Loaded(Loaded {
                        us_per_token,
                        backend: if self.on_processor {
                            Backend::Cpu
                        } else {
                            Backend::Gpu
                        },
                        batch_invariant: !self.row_by_row,
                    })),
                )
            }
            Compute::Unload { model, stage } => {
                self.loaded.retain(|loaded| *loaded != (model, stage));
                (0, Ok(Computed::Done))
            }
            Compute::Open {
                kv,
                model,
                stage,
                max_positions,
            } => {
                let here = self
                    .loaded
                    .iter()
                    .any(|(id, loaded)| *id == model && *loaded == stage);
                assert!(here, "a cache for a stage that was not loaded");
                if self.finds_lost(model, stage) {
                    return (FIND_LOST_US, Err(ComputeError::DeviceLost));
                }
                let cache = Cache {
                    model,
                    stage,
                    max_positions,
                    rows: Vec::new(),
                };
                assert!(self.caches.insert(kv, cache).is_none(), "a cache opened twice");
                (0, Ok(Computed::Opened))
            }
            Compute::Truncate { kv, positions } => {
                if let Some(cache) = self.caches.get_mut(&kv) {
                    cache.rows.truncate(positions as usize);
                }
                (0, Ok(Computed::Done))
            }
            Compute::Close { kv } => {
                self.caches.remove(&kv);
                (0, Ok(Computed::Done))
            }
            Compute::Step {
                kv,
                first_position,
                input,
                want,
            } => {
                if let Some((model, stage)) = self.caches.get(&kv).map(|cache| (cache.model, cache.stage))
                    && self.finds_lost(model, stage)
                {
                    return (FIND_LOST_US, Err(ComputeError::DeviceLost));
                }
                if self.gone.contains(&kv) {
                    return (0, Err(ComputeError::Input));
                }
                let cache = self
                    .caches
                    .get_mut(&kv)
                    .expect("a step into a cache that is not open");
                let (count, output) = cache.step(first_position, &input, &want);
                let layers = u64::from(cache.stage.layers.end() - cache.stage.layers.first());
                let took_us = speed.step_us + layers * count * speed.position_us;
                let compute_ms = took_us.div_ceil(1_000) as u32;
                (took_us, Ok(Computed::Stepped { output, compute_ms }))
            }
        }
    }
}

impl Cache {
    fn step(&mut self, first: u32, input: &StepInput, want: &Want) -> (u64, StepOutput) {
        assert_eq!(
            first as usize,
            self.rows.len(),
            "a step that does not follow what the cache holds"
        );
        let inputs: Vec<u64> = match input {
            StepInput::Tokens(ids) => {
                assert!(self.stage.embed, "tokens for a stage that does not embed");
                ids.iter().map(|id| embed(*id)).collect()
            }
            StepInput::Hidden {
                wire,
                positions,
                d_model,
                bytes,
            } => {
                assert!(!self.stage.embed && *d_model == D_MODEL);
                let rows: Vec<u64> = bytes.chunks(wire.row_bytes(D_MODEL)).map(read).collect();
                assert_eq!(rows.len(), *positions as usize);
                rows
            }
        };
        let mut outputs = Vec::new();
        for input in inputs {
            let position = self.rows.len() as u32;
            let before = self.rows.last().cloned();
            let mut row = Vec::new();
            let mut x = input;
            for (i, layer) in (self.stage.layers.first()..self.stage.layers.end()).enumerate() {
                let past = before.as_ref().map_or(0, |before| before[i]);
                x = layer_of(layer, position, x, past);
                row.push(x);
            }
            self.rows.push(row);
            outputs.push(x);
        }
        assert!(
            self.rows.len() <= self.max_positions as usize,
            "more positions than were reserved"
        );
        let output = match want {
            Want::Nothing => StepOutput::Nothing,
            Want::Hidden(wire) => {
                let bytes: Vec<u8> = outputs.iter().flat_map(|x| write(*x, *wire)).collect();
                StepOutput::Hidden {
                    d_model: D_MODEL,
                    bytes: bytes.into(),
                }
            }
            Want::Sample {
                sampling,
                rows,
                recent,
            } => {
                assert!(self.stage.head, "a sample of a stage without a head");
                let end = self.rows.len() as u32;
                let skip = outputs.len() - *rows as usize;
                let sampled = outputs.iter().enumerate().skip(skip);
                let position = |i: usize| end - (outputs.len() - i) as u32 + 1;
                // As the engine does: each row looks back from its own token.
                let before = |i: usize| &recent[..recent.len().saturating_sub(outputs.len() - 1 - i)];
                let token = |(i, x): (usize, &u64)| sample(*x, position(i), sampling, before(i));
                StepOutput::Tokens(sampled.map(token).collect())
            }
        };
        (outputs.len() as u64, output)
    }
}

/// The answer of an undisturbed run on one device, computed without any node.
pub fn undisturbed(prompt: &[u32], layers: u32, sampling: &Sampling, tokens: usize) -> Vec<u32> {
    let mut past = vec![0; layers as usize];
    let mut said = prompt.to_vec();
    let mut position = 0;
    while said.len() < prompt.len() + tokens {
        let mut x = embed(said[position]);
        for (layer, past) in past.iter_mut().enumerate() {
            x = layer_of(layer as u32, position as u32, x, *past);
            *past = x;
        }
        position += 1;
        if position == said.len() {
            let token = sample(x, position as u32, sampling, &said);
            said.push(token);
        }
    }
    said.split_off(prompt.len())
}

fn embed(token: u32) -> u64 {
    mix(0xe4be_dded, u64::from(token)) << 16 | u64::from(token & 0xffff)
}

/// The lowest 16 bits carry the token along, so that text can repeat itself.
fn layer_of(layer: u32, position: u32, input: u64, past: u64) -> u64 {
    let hash = mix(mix(mix(u64::from(layer), u64::from(position)), input), past);
    hash << 16 | input & 0xffff
}

fn sample(x: u64, position: u32, sampling: &Sampling, before: &[u32]) -> u32 {
    let mut drawn = mix(mix(x, u64::from(position)), sampling.seed);
    if sampling.repeat_penalty != 1.0 {
        // Whatever is missing or too much in the window changes the token.
        let window = &before[before.len().saturating_sub(PENALTY_WINDOW)..];
        drawn = window
            .iter()
            .fold(drawn, |drawn, token| mix(drawn, u64::from(*token)));
    }
    let follows = (x & 0xffff) as u32 + 1;
    // Two times of three the next of a row, else anything: guesses are often right, not always.
    if drawn % 3 < 2 {
        follows % VOCAB
    } else {
        (drawn >> 8) as u32 % VOCAB
    }
}

fn write(x: u64, wire: WireType) -> Vec<u8> {
    x.to_le_bytes()
        .into_iter()
        .cycle()
        .take(wire.row_bytes(D_MODEL))
        .collect()
}

fn read(row: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&row[..8]);
    u64::from_le_bytes(bytes)
}

fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_add(0xd1b5_4a32_d192_ed03);
    x = (x ^ (x >> 32)).wrapping_mul(0xe703_7ed1_a0b4_28db);
    x ^ (x >> 29)
}
