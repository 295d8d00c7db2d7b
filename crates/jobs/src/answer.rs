//! Answers of the worker.
//! Nothing here says who asked.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Sought;

/// What the worker says about request `id`: any number of updates, then one end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    pub id: u64,
    pub update: Update,
}

/// News of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Update {
    /// The worker listens; said once, with id 0, before anything else.
    Ready,
    /// Bytes of a stage so far.
    Loading { loaded_bytes: u64, total_bytes: u64 },
    /// A question back: has any peer this? The page says `Ask::FromPeers` in any case, and soon, unless the
    /// worker is `patient`: then nobody else has it, and peers that are still to be heard of are worth a wait.
    AskPeers {
        question: u64,
        model: String,
        sought: Sought,
        patient: bool,
    },
    /// The end, as asked.
    Done(Answer),
    /// The end, otherwise.
    Failed(Failure),
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    Model(ModelFacts),
    /// What computes: `backend` is `gpu` or `cpu`, `adapter` the GPU's name as far as it is known. `us_per_token` is
    /// measured, one token after the other. `batch_invariant`: a row has the same bits alone and among others; where
    /// it has not, rows are computed one after the other, which makes prompts slower.
    Stage {
        backend: String,
        adapter: String,
        batch_invariant: bool,
        us_per_token: u32,
    },
    /// `from_nothing`: the prompt holds no text, only control tokens.
    Ids {
        ids: Vec<u32>,
        from_nothing: bool,
    },
    Text(String),
    Kept(Kept),
    Stepped {
        output: StepOutput,
        compute_ms: f32,
    },
    /// One for each chunk that was asked about.
    Holds(Vec<bool>),
    /// Nothing where it is not here.
    Bytes(Option<ByteBuf>),
    Nothing,
}

/// What came out of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StepOutput {
    Nothing,
    /// `[n, d_model]` in the wire type that was wanted.
    Hidden {
        d_model: u32,
        bytes: ByteBuf,
    },
    /// One id for each row that wanted one.
    Tokens(Vec<u32>),
}

/// What the page must know of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    pub model: String,
    pub layers: u32,
    pub d_model: u32,
    pub vocabulary: u32,
    /// Positions that the model was trained for.
    pub context: u32,
    /// Ids that end an answer.
    pub end_ids: Vec<u32>,
    /// Bytes of one position in the KV cache of one layer.
    pub kv_bytes_per_layer: u32,
    /// Whether the file carries a chat template.
    pub has_template: bool,
}

/// What this browser keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub models: Vec<KeptModel>,
    /// What the whole origin uses, and may use, in bytes; 0 where the browser does not tell.
    pub used_bytes: u64,
    pub quota_bytes: u64,
    /// False where nothing outlives the tab: it was asked for so, or the browser refuses.
    pub persistent: bool,
}

/// A model of which something is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptModel {
    pub model: String,
    pub name: String,
    pub architecture: String,
    pub layers: u32,
    pub license: Option<String>,
    /// Where else it can be had.
    pub sources: Vec<String>,
    pub bytes: u64,
    pub held_bytes: u64,
    /// A person brought it here: no relay need know it.
    pub own: bool,
}

/// Why a request failed: a code of the contract and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: String,
    pub message: String,
}
