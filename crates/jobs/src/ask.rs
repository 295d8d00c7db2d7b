//! Questions from the page.
//! Nothing here says how they are answered.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// What a side of a picture has at most: a code that fills half of it has 10 points to a module at version 6, and no
/// frame holds up the worker for long.
pub const MAX_CODE_SIDE: u32 = 800;

/// One question. Its answer carries the same id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub id: u64,
    pub ask: Ask,
}

/// What can be asked. Models are named by their manifest id (64 hexadecimal digits).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// Whether models may be kept beyond this tab; said before anything that concerns a model.
    Keep { persistent: bool },
    /// Fetch a model's manifest and header and keep them; answered by `Answer::Model`.
    OpenModel { model: String, origin: String },
    /// Fetch and keep all of a model; `Update::Loading` follows while bytes arrive, then `Answer::Nothing`.
    Download { model: String, origin: String },
    /// Fetch a model file from an address outside and keep it, describing it on the way; `Update::Loading`,
    /// then `Answer::Model`. What an earlier try brought is not fetched again.
    Import { url: String, about: ImportAbout },
    /// Stop a download or an import where it is; `what` is the model or the address. It ends as aborted.
    Pause { what: String },
    /// A file of `bytes` bytes comes in pieces, under a name of the page's choice.
    BeginFile {
        file: u64,
        bytes: u64,
        about: ImportAbout,
    },
    /// The next chunk of a file, of exactly the length that the manifest's chunks have.
    PutFile { file: u64, bytes: ByteBuf },
    /// No more of a file comes; answered by `Answer::Model` where it is whole.
    EndFile { file: u64, end: FileEnd },
    /// Read all that is kept of a model and throw away what is damaged; `Update::Loading` follows, then
    /// `Answer::Kept` with this model alone.
    Verify { model: String },
    /// Delete what is kept of a model.
    Forget { model: String },
    /// What is kept; answered by `Answer::Kept`.
    Kept,
    /// Open what a stage is to be computed by; fails where it is not there. Answered by `Answer::Nothing`.
    OpenDevice { backend: Backend },
    /// Make a stage ready; `Update::Loading` follows while bytes arrive, then `Answer::Stage`. One that is ready stays
    /// where it is: the answer says what computes it now, which is the processor after a GPU was lost.
    LoadStage { stage: StageKey, backend: Backend },
    /// Forget a stage and all its caches.
    DropStage { stage: StageKey },
    /// Token ids of a prompt; answered by `Answer::Ids`.
    Encode { model: String, prompt: Prompt },
    /// Text of more ids of one answer; what is not yet whole UTF-8 waits for the next call.
    /// `from_nothing`: no text came before, so that a leading word keeps no space.
    Decode {
        model: String,
        decoder: u64,
        from_nothing: bool,
        ids: Vec<u32>,
        last: bool,
    },
    /// Reserve a KV cache, under a name of the page's choice.
    OpenKv {
        kv: u64,
        stage: StageKey,
        max_positions: u32,
    },
    /// Cut a KV cache back.
    TruncateKv { kv: u64, positions: u32 },
    /// Free a KV cache.
    CloseKv { kv: u64 },
    /// Compute the positions from `first_position` on; answered by `Answer::Stepped`.
    Step {
        kv: u64,
        first_position: u32,
        input: StepInput,
        want: StepWant,
    },
    /// Compute one token of no session with a stage, to see how the device keeps up; answered by `Answer::Stepped`.
    Measure { stage: StageKey },
    /// Which of these chunks are here, for a peer that asks; answered by `Answer::Holds`.
    HoldsChunks { sha256: Vec<String> },
    /// A chunk that is here, for a peer that asks; answered by `Answer::Bytes`.
    ReadChunk { sha256: String },
    /// The manifest of a model that is open here, for a peer that asks; answered by `Answer::Bytes`.
    ReadManifest { model: String },
    /// Read a QR code in a picture of at most `MAX_CODE_SIDE` points a side, one byte of grey for each; answered by
    /// `Answer::Bytes`.
    ReadCode { width: u32, height: u32, grey: ByteBuf },
    /// What peers had for `Update::AskPeers`; nothing where none had it.
    FromPeers { question: u64, bytes: Option<ByteBuf> },
}

/// Something that the worker lacks and a peer may have. Chunks are named by their SHA-256 in
/// lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sought {
    Manifest,
    /// `ahead`: what will be asked for next, so that one question to a peer serves for all.
    Chunk {
        sha256: String,
        ahead: Vec<String>,
    },
}

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileEnd {
    /// All of it was put.
    Whole,
    /// The rest may come later: what was put stays.
    Later,
    /// It is not wanted: what was put is deleted.
    Never,
}

/// What is said of a model that comes from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportAbout {
    /// Empty where the file says it itself.
    pub name: String,
    pub file_name: String,
    pub license: Option<String>,
}

/// Layers `first..end` of a model, with the embedding if `first` is 0 and with the head if `end`
/// is the last.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StageKey {
    pub model: String,
    pub first: u32,
    pub end: u32,
}

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backend {
    /// A GPU that is worth it, else the CPU.
    #[default]
    Auto,
    Gpu,
    Cpu,
}

/// What to turn into ids.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Prompt {
    /// Text as it is, after BOS where the model says so.
    Raw(String),
    /// A conversation, by the model's chat template; without one, the last message raw. An answer
    /// at its end is gone on with.
    Chat(Vec<ChatMessage>),
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    pub role: String,
    pub content: String,
}

/// What a stage starts from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StepInput {
    /// Token ids, for the stage with the embedding.
    Tokens(Vec<u32>),
    /// Hidden states `[n, d_model]` as they came over the wire.
    Hidden { wire: Wire, bytes: ByteBuf },
}

/// What a step is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StepWant {
    /// Hidden states `[n, d_model]` in this wire type.
    Hidden(Wire),
    /// One sampled id for each of the last `rows` positions. `recent` holds the tokens before the
    /// first of them, latest last, for the repeat penalty.
    Sample {
        rows: u32,
        sampling: Sampling,
        recent: Vec<u32>,
    },
    /// Only the KV cache.
    Nothing,
}

/// How hidden states travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wire {
    #[default]
    F32,
    F16,
    Q8,
}

/// How the head chooses. Temperature 0 is greedy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    pub temperature: f32,
    pub top_k: u32,
    pub top_p: f32,
    pub min_p: f32,
    pub repeat_penalty: f32,
    pub seed: u64,
}
