//! How large anything in a model file may be, each with its reason.
//! Does not check: the readers do, and a test reaches each limit.

/// The versions that are read: those whose counts are 64 bits wide.
pub const VERSIONS: [u32; 2] = [2, 3];

/// The header of a model with a vocabulary of 262,144 is 15 MB; four times that leaves room. It also bounds
/// what is decoded, since nothing decodes to more than 1.25 times its bytes on disk.
pub const MAX_HEADER_BYTES: u64 = 64 << 20;

/// Published files have 20 to 60 keys.
pub const MAX_KEYS: u64 = 4_096;

/// The format's own limit: a key's length fits 16 bits.
pub const MAX_KEY_BYTES: u64 = 65_535;

/// A chat template is the longest string there is; strings beyond this are an attack on memory.
pub const MAX_STRING_BYTES: u64 = 16 << 20;

/// No published array comes near: the longest, a vocabulary's merges, have 514,906 elements.
pub const MAX_ARRAY_ELEMENTS: u64 = 4 << 20;

/// The same for strings, which cost more than their bytes.
pub const MAX_ARRAY_STRINGS: u64 = 1 << 20;

/// The largest published vocabulary has 262,144 tokens.
pub const MAX_VOCAB: u32 = 512 << 10;

/// The longest published tokens are a few hundred spaces.
pub const MAX_TOKEN_BYTES: usize = 4_096;

/// Published templates reach 20 KiB.
pub const MAX_TEMPLATE_BYTES: usize = 1 << 20;

/// What ggml pads to is 32; files made for direct I/O use a page.
pub const MAX_ALIGNMENT: u32 = 4_096;

/// A model of 100 layers has 1,000 tensors.
pub const MAX_TENSORS: u64 = 65_536;

/// ggml's own limit.
pub const MAX_TENSOR_NAME_BYTES: u64 = 64;

/// ggml's own limit.
pub const MAX_DIMS: u32 = 4;

/// What fits a signed 32-bit index, on every platform.
pub const MAX_DIM: u64 = (1 << 31) - 1;

/// More layers than any model has; keeps sums of layer counts far from overflow.
pub const MAX_LAYERS: u32 = 4_096;

/// Widths (model, feed-forward): the widest published model has 16,384 and 53,248.
pub const MAX_WIDTH: u32 = 1 << 20;

/// Heads and values per head: published models stay at 128 and 256.
pub const MAX_HEADS: u32 = 4_096;

/// The longest published context is ten million positions.
pub const MAX_CONTEXT: u32 = 1 << 27;

/// 65,536 chunks of 1 MiB: as many hashes as a manifest of 2 MiB holds.
pub const MAX_FILE_BYTES: u64 = 64 << 30;

/// 65,536 chunk hashes and some words.
pub const MAX_MANIFEST_BYTES: usize = (2 << 20) + (64 << 10);

/// A name, a license, a file name.
pub const MAX_TEXT_BYTES: usize = 256;

/// Where else the file can be had.
pub const MAX_SOURCES: usize = 8;

/// A URL with a long path.
pub const MAX_SOURCE_BYTES: usize = 2_048;
