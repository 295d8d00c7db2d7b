//! Everything that can go wrong between a model file and a token, by name.
//! Does not decide what to do about it: the shells map these to the user's words.

use gguf::GgufError;
use kernels::GpuError;

/// What the engine reports. Each message names the thing and carries its value.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The file itself is unsound.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// A tensor that this architecture needs is not in the file.
    #[error("tensor {0} is missing from the model")]
    MissingTensor(String),
    /// A tensor is there, but not in the shape the model's own numbers demand.
    #[error("tensor {name} has the shape {found:?}, the model needs {needed:?}")]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// Its dimensions in the file, row length first.
        found: Vec<u64>,
        /// What the architecture asks for.
        needed: Vec<u64>,
    },
    /// The weight source returned another number of bytes than the header promised.
    #[error("tensor {name}: got {found} bytes, the header promises {needed}")]
    TensorBytes {
        /// The tensor's name.
        name: String,
        /// Bytes received.
        found: u64,
        /// Bytes promised.
        needed: u64,
    },
    /// Weights that are no numbers: one infinity would be in every answer.
    #[error("tensor {name}: {damage}")]
    DamagedTensor {
        /// The tensor's name.
        name: String,
        /// Where and how.
        damage: GgufError,
    },
    /// A weight source failed: a file, a download, a hash that does not match.
    #[error("tensor {name} could not be read: {reason}")]
    Weights {
        /// The tensor's name.
        name: String,
        /// The source's own words.
        reason: String,
    },
    /// The stage asks for layers the model does not have, or claims an end that is not there.
    #[error("stage {stage} does not fit a model of {n_layers} layers")]
    StageOutsideModel {
        /// The stage, written out.
        stage: String,
        /// Layers in the model.
        n_layers: u32,
    },
    /// A token id that the vocabulary does not have.
    #[error("token id {id} is outside the vocabulary of {vocab}")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// The vocabulary's size.
        vocab: u32,
    },
    /// The step would write beyond what was reserved.
    #[error("positions {first}..{end} are beyond the cache of {capacity}: open the session with more")]
    BeyondCache {
        /// First position of the step.
        first: u32,
        /// One past its last position.
        end: u64,
        /// Positions reserved.
        capacity: u32,
    },
    /// The step leaves positions out.
    #[error("step starts at position {first}, but the cache ends at {length}: send {length} onwards")]
    Hole {
        /// First position of the step.
        first: u32,
        /// Positions the cache holds.
        length: u32,
    },
    /// The session is asked for more positions than the model was trained for, or than allowed.
    #[error("{asked} positions asked for, at most {most} are possible")]
    TooManyPositions {
        /// Positions asked for.
        asked: u32,
        /// The limit.
        most: u32,
    },
    /// All places are taken.
    #[error("{most} sessions are open: close one first")]
    TooManySessions {
        /// The limit.
        most: usize,
    },
    /// A step for a session that was never opened, or is closed.
    #[error("session {0} is not open")]
    UnknownSession(u64),
    /// The session number is in use.
    #[error("session {0} is open already")]
    SessionExists(u64),
    /// Memory was refused.
    #[error("{bytes} bytes for {what} do not fit this device")]
    OutOfMemory {
        /// What the memory was for.
        what: &'static str,
        /// How much.
        bytes: u64,
    },
    /// A step without rows.
    #[error("a step needs at least one position")]
    EmptyStep,
    /// Tokens for a stage without embedding, hidden states for one with it, logits without a head.
    #[error("this stage cannot {0}")]
    WrongStage(&'static str),
    /// A row was asked for that the step does not have.
    #[error("row {row} is asked for in a step of {rows} rows")]
    RowOutOfRange {
        /// The row.
        row: u32,
        /// Rows in the step.
        rows: u32,
    },
    /// Hidden states of the wrong length, or with values that are no numbers.
    #[error("hidden states: {0}")]
    Wire(String),
    /// The model produced something that is not a number.
    #[error("the logits at position {position} are not finite: the model or its input is damaged")]
    NotFinite {
        /// The position.
        position: u32,
    },
    /// Sampling parameters outside their range.
    #[error("sampling: {0}")]
    Sampling(String),
    /// The vocabulary in the file cannot be used.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The chat template failed, or was stopped.
    #[error("chat template: {0}")]
    Template(String),
    /// A sentence encoder that is none, or that does not fit its vocabulary.
    #[error("encoder: {0}")]
    Encoder(String),
    /// The GPU is not there, went away, is too small, or computes wrongly.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}
