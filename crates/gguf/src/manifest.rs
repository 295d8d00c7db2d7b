//! What a model file is, chunk by chunk: so that any peer's bytes can be checked.
//! It is not signed here; its id binds everything that matters.

use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::{GgufError, Header};

/// Bytes of a chunk, the last one excepted.
const CHUNK_BYTES: u32 = 1 << 20;
/// 32 GiB in chunks of 1 MiB.
const MAX_CHUNKS: usize = 32_768;
const MAX_ENCODED_BYTES: usize = 8 << 20;

/// The hash of a manifest's core: the same for the same file at every relay.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub [u8; 32]);

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ModelId {
    type Err = GgufError;

    fn from_str(text: &str) -> Result<ModelId, GgufError> {
        let bad = || GgufError::Manifest("a model id is 64 lower-case hexadecimal digits".into());
        let digits = text.as_bytes();
        let sound = digits.len() == 64 && digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !sound {
            return Err(bad());
        }
        let mut id = [0; 32];
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(ModelId(id))
    }
}

/// A file, chunk by chunk, and what people call it.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct Manifest {
    #[n(0)]
    core: Core,
    #[n(1)]
    about: About,
}

/// What the id is the hash of.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
struct Core {
    #[n(0)]
    format: u32,
    #[n(1)]
    file_bytes: u64,
    #[n(2)]
    header_bytes: u64,
    #[n(3)]
    chunk_bytes: u32,
    #[cbor(n(4), with = "minicbor::bytes")]
    sha256: [u8; 32],
    /// 32 bytes for each chunk.
    #[cbor(n(5), with = "minicbor::bytes")]
    chunks: Vec<u8>,
}

/// For people; not part of the id.
#[derive(Clone, Debug, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
pub struct About {
    #[n(0)]
    pub name: String,
    #[n(1)]
    pub architecture: String,
    #[n(2)]
    pub layers: u32,
    #[n(3)]
    pub license: Option<String>,
}

impl Manifest {
    /// Reads a whole file once.
    pub fn build<R: Read>(mut reader: R, file_bytes: u64, header: &Header, about: About) -> Result<Manifest, GgufError> {
        let mut whole = Sha256::new();
        let mut chunks = Vec::new();
        let mut left = file_bytes;
        let mut buffer = vec![0; CHUNK_BYTES as usize];
        while left > 0 {
            let take = usize::try_from(left.min(u64::from(CHUNK_BYTES))).unwrap_or(buffer.len());
            let part = &mut buffer[..take];
            reader.read_exact(part).map_err(|e| GgufError::Io(e.to_string()))?;
            whole.update(&*part);
            chunks.extend_from_slice(&Sha256::digest(&*part));
            left -= take as u64;
        }
        let core = Core {
            format: 1,
            file_bytes,
            header_bytes: header.data_offset_bytes(),
            chunk_bytes: CHUNK_BYTES,
            sha256: whole.finalize().into(),
            chunks,
        };
        let manifest = Manifest { core, about };
        manifest.check()?;
        Ok(manifest)
    }

    /// Reads exactly one manifest, and only one that makes sense.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, GgufError> {
        let bad = |why: String| GgufError::Manifest(why);
        if bytes.len() > MAX_ENCODED_BYTES {
            return Err(bad(format!("{} bytes", bytes.len())));
        }
        let mut decoder = minicbor::Decoder::new(bytes);
        let manifest: Manifest = decoder.decode().map_err(|e| bad(e.to_string()))?;
        if decoder.position() != bytes.len() {
            return Err(bad("bytes after its end".into()));
        }
        manifest.check()?;
        Ok(manifest)
    }

    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    pub fn id(&self) -> ModelId {
        ModelId(Sha256::digest(minicbor::to_vec(&self.core).unwrap_or_default()).into())
    }

    pub fn about(&self) -> &About {
        &self.about
    }

    pub fn file_bytes(&self) -> u64 {
        self.core.file_bytes
    }

    /// Bytes before the weights.
    pub fn header_bytes(&self) -> u64 {
        self.core.header_bytes
    }

    pub fn sha256(&self) -> [u8; 32] {
        self.core.sha256
    }

    pub fn chunk_count(&self) -> u32 {
        (self.core.chunks.len() / 32) as u32
    }

    /// Where a chunk lies in the file.
    pub fn chunk_range(&self, index: u32) -> Option<Range<u64>> {
        let start = u64::from(index) * u64::from(self.core.chunk_bytes);
        (index < self.chunk_count())
            .then(|| start..(start + u64::from(self.core.chunk_bytes)).min(self.core.file_bytes))
    }

    /// Refuses bytes that are not the chunk.
    pub fn check_chunk(&self, index: u32, bytes: &[u8]) -> Result<(), GgufError> {
        let at = index as usize * 32;
        match self.core.chunks.get(at..at + 32) {
            Some(hash) if Sha256::digest(bytes).as_slice() == hash => Ok(()),
            _ => Err(GgufError::Chunk(index)),
        }
    }

    /// The chunks that hold any of these bytes, in order.
    pub fn chunks_of(&self, ranges: &[Range<u64>]) -> Vec<u32> {
        let size = u64::from(self.core.chunk_bytes);
        let mut chunks: Vec<u32> = ranges
            .iter()
            .filter(|range| range.start < range.end)
            .flat_map(|range| range.start / size..=(range.end - 1) / size)
            .filter_map(|index| u32::try_from(index).ok())
            .collect();
        chunks.sort_unstable();
        chunks.dedup();
        chunks
    }

    fn check(&self) -> Result<(), GgufError> {
        let Core { format, file_bytes, header_bytes, chunk_bytes, chunks, .. } = &self.core;
        let bad = |why: &str| Err(GgufError::Manifest(why.into()));
        if *format != 1 {
            return bad("unknown format");
        }
        if !(1 << 20..=4 << 20).contains(chunk_bytes) {
            return bad("chunks of another size than 1 to 4 MiB");
        }
        let count = file_bytes.div_ceil(u64::from(*chunk_bytes));
        if count == 0 || count > MAX_CHUNKS as u64 || chunks.len() as u64 != count * 32 {
            return bad("the number of chunks does not fit the file");
        }
        if header_bytes > file_bytes {
            return bad("the header is longer than the file");
        }
        Ok(())
    }
}
