//! Every reason to refuse a model file, with the value that was refused.
//! Does not decide what happens then.

use crate::limits::{MAX_ALIGNMENT, MAX_DIM, MAX_DIMS, MAX_TENSOR_NAME_BYTES};
use crate::tensor_type::TypeCode;

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GgufError {
    /// The first four bytes are not `GGUF`.
    #[error("not a GGUF file: it begins with {0:02x?}")]
    NotGguf([u8; 4]),
    /// The magic or the version is byte-swapped.
    #[error("a big-endian GGUF file: convert it to little-endian")]
    BigEndian,
    /// A version other than 2 and 3.
    #[error("GGUF version {0}, only 2 and 3 are read")]
    Version(u32),
    /// The reader ran out before the header did, though the file goes on: come back with a longer prefix.
    #[error("the header goes on: read at least the first {bytes} bytes of the file")]
    NeedMore {
        /// Bytes from the start of the file that are certainly needed; the header may be longer still.
        bytes: u64,
    },
    /// Something in the header says it is longer than the file.
    #[error("byte {needed} is spoken of in a file of {file_bytes} bytes")]
    Truncated {
        /// Bytes the file would have to have.
        needed: u64,
        /// Bytes it has.
        file_bytes: u64,
    },
    /// A count or a length above its limit.
    #[error("{what}: {found}, at most {limit}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// What the file says.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A key that is empty or has characters that no converter writes.
    #[error("key {0:?}: only ASCII letters, digits, and . _ - are allowed, and at least one")]
    Key(String),
    /// The same key twice.
    #[error("key {0:?} is there twice")]
    DuplicateKey(String),
    /// A value type that does not exist.
    #[error("key {key:?} has the unknown value type {code}")]
    ValueType {
        /// The key.
        key: String,
        /// The type's number.
        code: u32,
    },
    /// An array of arrays.
    #[error("key {0:?} is an array of arrays")]
    NestedArray(String),
    /// A bool that is neither 0 nor 1.
    #[error("key {key:?} has the bool {byte}")]
    Bool {
        /// The key.
        key: String,
        /// The byte.
        byte: u8,
    },
    /// A string that is not UTF-8.
    #[error("key {0:?} has a string that is not UTF-8")]
    Utf8(String),
    /// A key of another type than its meaning demands.
    #[error("key {key:?} is of type {found}, not {needed}")]
    WrongType {
        /// The key.
        key: String,
        /// The type in the file.
        found: &'static str,
        /// The type it must have.
        needed: &'static str,
    },
    /// A key without which the model cannot be run.
    #[error("key {0:?} is missing")]
    MissingKey(String),
    /// A value that makes no sense.
    #[error("key {key:?} is {found}, not {needed}")]
    Value {
        /// The key.
        key: String,
        /// The value in the file.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// `general.alignment` is unusable.
    #[error("alignment {0}: a power of two up to {MAX_ALIGNMENT} is needed")]
    Alignment(u64),
    /// A model family that we do not run.
    #[error("architecture {0:?} is not supported: llama, qwen2 and qwen3 are")]
    Architecture(String),
    /// A part of a known family that we do not run.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The header was read as a vocabulary only.
    #[error("a vocabulary alone has no layers")]
    VocabularyOnly,
    /// The tables of the vocabulary differ in length.
    #[error("{table} has {found} entries for {tokens} tokens")]
    TableLength {
        /// The key of the table.
        table: &'static str,
        /// Its entries.
        found: u64,
        /// Tokens.
        tokens: u64,
    },
    /// A token that is longer than any real one.
    #[error("token {id} has {bytes} bytes")]
    TokenBytes {
        /// Its id.
        id: u32,
        /// Its length.
        bytes: u64,
    },
    /// The same token twice.
    #[error("token {id} repeats an earlier one")]
    DuplicateToken {
        /// The later id.
        id: u32,
    },
    /// A score that is not a number.
    #[error("token {id} has no number as its score")]
    Score {
        /// Its id.
        id: u32,
    },
    /// BOS, EOS and the like outside the vocabulary.
    #[error("key {key:?} is {id} in a vocabulary of {vocab}")]
    TokenOutOfRange {
        /// The key.
        key: String,
        /// The id it names.
        id: u32,
        /// Tokens.
        vocab: u32,
    },
    /// A merge that is no pair of tokens, or makes no token.
    #[error("merge {index}: {reason}")]
    Merge {
        /// Its place.
        index: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// A tensor's name is empty, too long or not printable ASCII.
    #[error("tensor name {0:?}: 1 to {MAX_TENSOR_NAME_BYTES} printable ASCII characters are needed")]
    TensorName(String),
    /// The same tensor twice.
    #[error("tensor {0} is there twice")]
    DuplicateTensor(String),
    /// A tensor type that we have no kernels for.
    #[error("tensor {name} is of type {ty}, which is not supported")]
    TensorType {
        /// The tensor.
        name: String,
        /// Its type, which prints its name.
        ty: TypeCode,
    },
    /// The number of dimensions is not 1 to 4.
    #[error("tensor {name} has {found} dimensions, 1 to {MAX_DIMS} are possible")]
    DimCount {
        /// The tensor.
        name: String,
        /// Dimensions in the file.
        found: u32,
    },
    /// A dimension of 0, or one that is too long. Zero is refused by policy: llama.cpp takes it.
    #[error("tensor {name} has the dimension {found}, 1 to {MAX_DIM} are possible")]
    Dim {
        /// The tensor.
        name: String,
        /// The dimension.
        found: u64,
    },
    /// The size in bytes does not fit 64 bits.
    #[error("tensor {0} is larger than anything")]
    TensorOverflow(String),
    /// The rows do not divide into the type's blocks.
    #[error("tensor {name} has rows of {row}, which {ty} cannot cut into blocks")]
    Row {
        /// The tensor.
        name: String,
        /// Its row length.
        row: u64,
        /// Its type.
        ty: TypeCode,
    },
    /// A tensor that does not begin on the alignment.
    #[error("tensor {name} begins at {offset}, which is not aligned")]
    Unaligned {
        /// The tensor.
        name: String,
        /// Offset in the data, as the file gives it.
        offset: u64,
    },
    /// A tensor that does not begin where the one before it ends: overlap, gap or disorder.
    #[error("tensor {name} begins at {found} in the data, but the one before it ends at {needed}")]
    Offset {
        /// The tensor.
        name: String,
        /// Offset in the data, as the file gives it.
        found: u64,
        /// Where it must begin.
        needed: u64,
    },
    /// A tensor whose end lies beyond the file's.
    #[error("tensor {name} ends at byte {end} of a file of {file_bytes}")]
    BeyondFile {
        /// The tensor.
        name: String,
        /// Where it would end.
        end: u64,
        /// Bytes there are.
        file_bytes: u64,
    },
    /// A tensor that the architecture needs.
    #[error("tensor {0} is missing")]
    MissingTensor(String),
    /// A tensor that the architecture does not have: it would be downloaded and ignored.
    #[error("policy: tensor {0} is not part of this architecture")]
    UnknownTensor(String),
    /// A tensor of another shape than the hyper-parameters demand.
    #[error("tensor {name} has the shape {found:?}, not {needed:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its dimensions, row length first.
        found: Vec<u64>,
        /// What they must be.
        needed: Vec<u64>,
    },
    /// A norm or bias in blocks.
    #[error("tensor {name} is of type {ty}: norms, biases and factors must be F32, F16 or BF16")]
    VectorType {
        /// The tensor.
        name: String,
        /// Its type.
        ty: TypeCode,
    },
    /// The file goes on after its last tensor.
    #[error("policy: {bytes} bytes follow the last tensor")]
    Trailing {
        /// How many.
        bytes: u64,
    },
    /// Weights of the wrong length.
    #[error("{found} bytes of weights do not divide into blocks of {block} bytes")]
    WeightBytes {
        /// Bytes given.
        found: u64,
        /// Bytes of a block.
        block: u64,
    },
    /// A weight, or the scale of a block of them, that is not a finite number.
    #[error("block {block} of the weights is not finite")]
    NotFinite {
        /// The block's place.
        block: u64,
    },
    /// The reader failed.
    #[error("reading failed: {0}")]
    Io(String),
}

/// What kind of refusal an error is: what to tell the person who brought the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The file contradicts itself or the format.
    Unsound,
    /// A sound file, of a kind that we cannot run.
    Unsupported,
    /// Others would run it; we are stricter on purpose.
    Policy,
    /// Nothing is wrong with the file: the reader stopped early.
    Incomplete,
}

impl GgufError {
    /// What kind of refusal this is.
    pub fn refusal(&self) -> Refusal {
        match self {
            GgufError::Trailing { .. } | GgufError::UnknownTensor(_) | GgufError::Dim { found: 0, .. } => {
                Refusal::Policy
            }
            GgufError::Version(_)
            | GgufError::BigEndian
            | GgufError::Architecture(_)
            | GgufError::Unsupported(_)
            | GgufError::VocabularyOnly => Refusal::Unsupported,
            GgufError::TensorType { ty, .. } if ty.is_known() => Refusal::Unsupported,
            GgufError::NeedMore { .. } | GgufError::Io(_) => Refusal::Incomplete,
            _ => Refusal::Unsound,
        }
    }
}

/// The beginning of a name from a file, short enough for a log line.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const MAX_EXCERPT_BYTES: usize = 80;
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_EXCERPT_BYTES)]).into_owned()
}
