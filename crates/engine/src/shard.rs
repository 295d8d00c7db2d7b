//! A contiguous part of a model at work: sessions with explicit positions, tokens or hidden states
//! in, hidden states, logits or tokens out.
//! Does not talk to anybody: who sends the input and where the output goes is the caller's business.

use std::collections::BTreeMap;
use std::rc::Rc;

use gguf::{Config, Header, Stage};
use kernels::{Choice, Gpu};

use crate::backend::{BackendKind, Cache, Compute};
use crate::collected::Collected;
use crate::cpu::CpuStage;
use crate::cpu::cache::KvCache;
use crate::gpu::{GpuCost, GpuStage};
use crate::sample::Sampling;
use crate::weights::WeightSource;
use crate::{EngineError, WireType};

/// Sessions that one shard keeps at a time. Each holds a cache, so memory runs out first on most
/// devices; this keeps a flood of tiny sessions from growing the table.
pub const MAX_SESSIONS: usize = 64;

/// Positions that one session may reserve: beyond it one attention row alone takes seconds.
pub const MAX_POSITIONS: u32 = 1 << 17;

/// Rows computed together. Bounds the scratch memory of a step; larger buys no speed.
const CHUNK_ROWS: usize = 64;

/// What a step works on: `n` consecutive positions.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Token ids, for the stage that embeds.
    Tokens(&'a [u32]),
    /// Hidden states (n, d_model), for the others.
    Hidden {
        /// How they are written.
        wire: WireType,
        /// Rows of [`WireType::row_bytes`].
        bytes: &'a [u8],
    },
}

/// What a step is to give back. Rows count from the step's first position.
#[derive(Clone, Copy, Debug)]
pub enum Want<'a> {
    /// Nothing: fill the cache.
    Nothing,
    /// Hidden states of every row, for the next stage.
    Hidden(WireType),
    /// Logits of these rows, from a stage with the head.
    Logits(&'a [u32]),
    /// The token that follows each of these rows, from a stage with the head.
    Sample {
        /// The rows.
        rows: &'a [u32],
        /// How to choose.
        sampling: &'a Sampling,
        /// Tokens up to and including the step's last position, the newest last. Needed for the
        /// repetition penalty alone; may be empty or short.
        history: &'a [u32],
    },
}

/// What a step gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// [`Want::Nothing`].
    Nothing,
    /// Rows of [`WireType::row_bytes`] in the type asked for.
    Hidden(Vec<u8>),
    /// (rows asked for, vocab)
    Logits(Vec<f32>),
    /// One token per row asked for.
    Tokens(Vec<u32>),
}

/// Layers a..b of a model on this device, with the embedding or the head where they belong to it.
pub struct Shard {
    config: Config,
    stage: Stage,
    compute: Compute,
    sessions: BTreeMap<u64, Session>,
    hidden: Vec<f32>,
}

struct Session {
    cache: Cache,
    /// Positions held.
    length: u32,
    /// Positions reserved.
    capacity: u32,
}

impl Shard {
    /// Loads a stage's weights.
    ///
    /// # Errors
    /// Stages outside the model, tensors that are missing, misshapen or unreadable, and a back end
    /// that is not there.
    pub async fn load(
        header: &Header,
        stage: Stage,
        weights: &mut dyn WeightSource,
        backend: BackendKind,
    ) -> Result<Shard, EngineError> {
        match backend {
            BackendKind::Cpu => {
                let config = header.config()?;
                check_stage(&stage, config.n_layers)?;
                let compute = CpuStage::load(header, &config, &stage, weights).await?;
                Ok(Shard::with(config, stage, Compute::Cpu(Box::new(compute))))
            }
            BackendKind::Gpu => {
                let gpu = Gpu::open(Choice::Any).await?;
                Shard::load_on(header, stage, weights, Rc::new(gpu)).await
            }
        }
    }

    /// The same on a device that was opened before, which other shards may share. The device proves
    /// itself first, with every kernel that the stage needs.
    ///
    /// # Errors
    /// As [`Shard::load`], and a device that is too small, went away or computes wrongly.
    pub async fn load_on(
        header: &Header,
        stage: Stage,
        weights: &mut dyn WeightSource,
        gpu: Rc<Gpu>,
    ) -> Result<Shard, EngineError> {
        let config = header.config()?;
        check_stage(&stage, config.n_layers)?;
        let compute = GpuStage::load(gpu, header, &config, &stage, weights).await?;
        Ok(Shard::with(config, stage, Compute::Gpu(Box::new(compute))))
    }

    fn with(config: Config, stage: Stage, compute: Compute) -> Shard {
        Shard {
            config,
            stage,
            compute,
            sessions: BTreeMap::new(),
            hidden: Vec::new(),
        }
    }

    /// Which back end computes.
    pub fn backend(&self) -> BackendKind {
        self.compute.kind()
    }

    /// Whether the device gives a position the same bits whatever it is computed with. The CPU promises it; a
    /// GPU says what its self-test found. One that does not is given one position after the other, so that a
    /// replay has the same bits wherever it is cut, and nobody has to keep or send the cuts of the first time. That
    /// costs it what batches save: a prompt takes as long as an answer of its length, two to three times as long as
    /// in chunks on a processor that plays the GPU (`tests/gpu.rs` prints it), more on a GPU.
    pub fn is_batch_invariant(&self) -> bool {
        match &self.compute {
            Compute::Cpu(_) => true,
            Compute::Gpu(stage) => stage.self_test().batch_invariant,
        }
    }

    /// Computes one position after the other from now on, as on a device that is not batch invariant.
    pub fn compute_row_by_row(&mut self) {
        if let Compute::Gpu(stage) = &mut self.compute {
            stage.compute_row_by_row();
        }
    }

    /// What the kernels use of the device: `f32` is the floor. Empty on the CPU.
    pub fn kernel_variants(&self) -> String {
        match &self.compute {
            Compute::Cpu(_) => String::new(),
            Compute::Gpu(stage) => stage.variants().to_string(),
        }
    }

    /// What the last step cost on a GPU; nothing on the CPU.
    pub fn gpu_cost(&self) -> GpuCost {
        match &self.compute {
            Compute::Cpu(_) => GpuCost::default(),
            Compute::Gpu(stage) => stage.cost(),
        }
    }

    /// The model's numbers.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The part of the model that this is.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Bytes that a session of `positions` would reserve here.
    pub fn session_bytes(&self, positions: u32) -> u64 {
        let layers = (self.stage.layers.end() - self.stage.layers.first()) as usize;
        let width = crate::cpu::layer::kv_width(&self.config);
        let singles = KvCache::bytes(layers, width, positions as usize);
        match &self.compute {
            Compute::Cpu(_) => singles,
            Compute::Gpu(stage) => singles / 4 * stage.cache_value_bytes(),
        }
    }

    /// Opens a session and reserves the memory of all its positions.
    ///
    /// # Errors
    /// A number in use, more positions than the model's context, too many sessions, no memory.
    pub fn open(&mut self, session: u64, max_positions: u32) -> Result<(), EngineError> {
        let most = self.config.context.min(MAX_POSITIONS);
        if max_positions > most || max_positions == 0 {
            return Err(EngineError::TooManyPositions {
                asked: max_positions,
                most,
            });
        }
        if self.sessions.contains_key(&session) {
            return Err(EngineError::SessionExists(session));
        }
        if self.sessions.len() >= MAX_SESSIONS {
            return Err(EngineError::TooManySessions { most: MAX_SESSIONS });
        }
        let cache = self.compute.open(max_positions)?;
        self.sessions.insert(
            session,
            Session {
                cache,
                length: 0,
                capacity: max_positions,
            },
        );
        Ok(())
    }

    /// Closes a session and frees its memory. Closing one that is not open does nothing.
    pub fn close(&mut self, session: u64) {
        self.sessions.remove(&session);
    }

    /// Positions that a session holds.
    ///
    /// # Errors
    /// [`EngineError::UnknownSession`].
    pub fn length(&self, session: u64) -> Result<u32, EngineError> {
        self.sessions
            .get(&session)
            .map(|s| s.length)
            .ok_or(EngineError::UnknownSession(session))
    }

    /// Forgets positions from `length` on; keeps all when there are fewer.
    ///
    /// # Errors
    /// [`EngineError::UnknownSession`].
    pub fn truncate(&mut self, session: u64, length: u32) -> Result<(), EngineError> {
        let session = self
            .sessions
            .get_mut(&session)
            .ok_or(EngineError::UnknownSession(session))?;
        session.length = session.length.min(length);
        Ok(())
    }

    /// Computes consecutive positions from `first_position` on. What the cache held from there on
    /// is forgotten. A step that is refused leaves the session as it was.
    ///
    /// # Errors
    /// Input or output that this stage does not have, ids outside the vocabulary, damaged hidden
    /// states, holes before the step, positions beyond the reservation.
    pub async fn step(
        &mut self,
        session: u64,
        first_position: u32,
        input: Input<'_>,
        want: Want<'_>,
    ) -> Result<Output, EngineError> {
        let rows = self.check_input(input)?;
        self.check_want(want, rows)?;
        let held = self
            .sessions
            .get_mut(&session)
            .ok_or(EngineError::UnknownSession(session))?;
        let end = u64::from(first_position) + rows as u64;
        if first_position > held.length {
            return Err(EngineError::Hole {
                first: first_position,
                length: held.length,
            });
        }
        if end > u64::from(held.capacity) {
            return Err(EngineError::BeyondCache {
                first: first_position,
                end,
                capacity: held.capacity,
            });
        }
        let collected = match (&mut self.compute, &mut held.cache) {
            (Compute::Cpu(compute), Cache::Cpu(cache)) => {
                let mut collected = Collected::default();
                for start in (0..rows).step_by(CHUNK_ROWS) {
                    let chunk = start..rows.min(start + CHUNK_ROWS);
                    match input {
                        Input::Tokens(tokens) => compute.embed(&tokens[chunk.clone()], &mut self.hidden)?,
                        Input::Hidden { wire, bytes } => {
                            let row = wire.row_bytes(self.config.d_model as usize);
                            let bytes = &bytes[chunk.start * row..chunk.end * row];
                            wire.decode(bytes, self.config.d_model as usize, &mut self.hidden);
                        }
                    }
                    // Lowered before the first row is overwritten: a failure below must not leave a cache
                    // that claims positions it no longer holds.
                    held.length = held.length.min(first_position + chunk.start as u32);
                    compute.forward(cache, first_position as usize + chunk.start, &mut self.hidden);
                    held.length = first_position + chunk.end as u32;
                    collected.take(compute, &self.config, want, &self.hidden, chunk)?;
                }
                collected
            }
            (Compute::Gpu(compute), Cache::Gpu(cache)) => {
                held.length = held.length.min(first_position);
                let collected = compute.step(cache, first_position, input, rows, want).await?;
                held.length = first_position + rows as u32;
                collected
            }
            // A session's cache is made by the back end of its own shard.
            _ => return Err(EngineError::UnknownSession(session)),
        };
        collected.finish(&self.config, want, first_position, rows)
    }

    /// The number of rows, once the input is known to fit this stage.
    fn check_input(&self, input: Input<'_>) -> Result<usize, EngineError> {
        let rows = match input {
            Input::Tokens(_) if !self.stage.embed => return Err(EngineError::WrongStage("embed tokens")),
            Input::Hidden { .. } if self.stage.embed => {
                return Err(EngineError::WrongStage("take hidden states: it embeds tokens"));
            }
            Input::Tokens(tokens) => {
                let vocab = self.config.vocab;
                if let Some(id) = tokens.iter().find(|id| **id >= vocab) {
                    return Err(EngineError::TokenOutOfRange { id: *id, vocab });
                }
                tokens.len()
            }
            Input::Hidden { wire, bytes } => {
                wire.check(bytes, self.config.d_model as usize)?;
                bytes.len() / wire.row_bytes(self.config.d_model as usize)
            }
        };
        if rows == 0 {
            Err(EngineError::EmptyStep)
        } else {
            Ok(rows)
        }
    }

    fn check_want(&self, want: Want<'_>, rows: usize) -> Result<(), EngineError> {
        let wanted = match want {
            Want::Nothing => return Ok(()),
            Want::Hidden(_) if self.stage.head => {
                return Err(EngineError::WrongStage("give hidden states: it has the head"));
            }
            Want::Hidden(_) => return Ok(()),
            Want::Logits(_) | Want::Sample { .. } if !self.stage.head => {
                return Err(EngineError::WrongStage("give logits: it lacks the head"));
            }
            Want::Logits(wanted) => wanted,
            Want::Sample { rows, sampling, .. } => {
                sampling.check()?;
                rows
            }
        };
        match wanted.iter().find(|row| **row as usize >= rows) {
            Some(row) => Err(EngineError::RowOutOfRange {
                row: *row,
                rows: rows as u32,
            }),
            None => Ok(()),
        }
    }
}

fn check_stage(stage: &Stage, n_layers: u32) -> Result<(), EngineError> {
    let (first, end) = (stage.layers.first(), stage.layers.end());
    if end > n_layers || (stage.embed && first != 0) || (stage.head && end != n_layers) {
        let ends = [(stage.embed, "embedding + "), (stage.head, "head + ")];
        let ends: String = ends
            .iter()
            .filter(|(has, _)| *has)
            .map(|(_, name)| *name)
            .collect();
        return Err(EngineError::StageOutsideModel {
            stage: format!("{ends}layers {first}..{end}"),
            n_layers,
        });
    }
    Ok(())
}
