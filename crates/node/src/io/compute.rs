//! What the compute worker is asked, and what it answers.
//! It computes nothing: the shell's worker does.

use bytes::Bytes;
use protocol::{Backend, ModelId, Sampling, Stage, WireType};

use super::KvId;

/// What the compute worker can do.
#[derive(Clone, Debug, PartialEq)]
pub enum Compute {
    /// Make a stage ready: fetch, check and upload its weights. Answered by `Loaded`. Asked once more where what
    /// computed it was lost: the answer says what does now, which may have it ready already.
    Load {
        /// Of which model.
        model: ModelId,
        /// Which stage.
        stage: Stage,
    },
    /// Forget a stage. Not answered.
    Unload {
        /// Of which model.
        model: ModelId,
        /// Which stage.
        stage: Stage,
    },
    /// Reserve a cache. Answered by `Opened`.
    Open {
        /// Its name.
        kv: KvId,
        /// For which model.
        model: ModelId,
        /// For which stage of it.
        stage: Stage,
        /// For how many positions.
        max_positions: u32,
    },
    /// Compute positions that follow what the cache holds. Answered by `Stepped`.
    Step {
        /// Into which cache.
        kv: KvId,
        /// The number of positions that it holds.
        first_position: u32,
        /// What goes in.
        input: StepInput,
        /// What is to come out.
        want: Want,
    },
    /// Cut a cache back. Not answered.
    Truncate {
        /// Which.
        kv: KvId,
        /// To how many positions.
        positions: u32,
    },
    /// Free a cache. Not answered.
    Close {
        /// Which.
        kv: KvId,
    },
}

/// What a step works on.
#[derive(Clone, Debug, PartialEq)]
pub enum StepInput {
    /// For a stage that embeds.
    Tokens(Vec<u32>),
    /// For all others: `[positions, d_model]` in the wire type.
    Hidden {
        /// How the numbers are written.
        wire: WireType,
        /// Rows.
        positions: u32,
        /// Columns.
        d_model: u32,
        /// Row after row.
        bytes: Bytes,
    },
}

/// What is to come out of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    /// Nothing: a head that fills its cache.
    Nothing,
    /// All rows, for the next stage.
    Hidden(WireType),
    /// A token for each of the last rows.
    Sample {
        /// How.
        sampling: Sampling,
        /// For how many.
        rows: u32,
        /// The tokens up to and including the last of these rows, latest last (for the repeat penalty): each row
        /// looks back from its own token.
        recent: Vec<u32>,
    },
}

/// What came of an [`Effect::Compute`].
#[derive(Clone, Debug, PartialEq)]
pub enum Computed {
    /// A stage is ready.
    Loaded(Loaded),
    /// A cache is there.
    Opened,
    /// A step is done.
    Stepped {
        /// What came out.
        output: StepOutput,
        /// How long it took, read back included.
        compute_ms: u32,
    },
    /// A deed without a result is done; saying so is optional.
    Done,
}

/// What was found out about a stage as it was made ready.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loaded {
    /// Measured: one token through the stage, one after the other.
    pub us_per_token: u32,
    /// What computes it, which need not be what was asked for.
    pub backend: Backend,
    /// A row comes out with the same bits alone and among others. Where it does not, the worker computes one after
    /// the other.
    pub batch_invariant: bool,
}

/// What came out of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepOutput {
    /// Nothing was wanted.
    Nothing,
    /// `[positions, d_model]` in the wire type that was wanted.
    Hidden {
        /// Columns.
        d_model: u32,
        /// Row after row.
        bytes: Bytes,
    },
    /// One token for each row that wanted one.
    Tokens(Vec<u32>),
}

/// Why the compute worker could not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// Not enough memory.
    #[error("not enough memory on this device")]
    WontFit,
    /// The GPU is gone, and with it the caches of what it computed.
    #[error("the GPU was lost")]
    DeviceLost,
    /// The weights could not be had, or were not what they should be.
    #[error("the model's weights could not be loaded")]
    Weights,
    /// The input made no sense to this model.
    #[error("the input does not fit the model")]
    Input,
}
