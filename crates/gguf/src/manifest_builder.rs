//! A manifest in the making: a file comes by chunk, front to back, and is described at its end.
//! Keeps no chunk: only hashes, and the front of the file until its header is whole.

use sha2::{Digest as _, Sha256};

use crate::chunks::{self, CHUNK_BYTES};
use crate::error::GgufError;
use crate::header::Header;
use crate::limits::MAX_FILE_BYTES;
use crate::manifest::{About, Manifest};
use crate::manifest_error::ManifestError;

/// Takes the chunks of one file.
#[derive(Clone, Debug)]
pub struct ManifestBuilder {
    file_bytes: u64,
    about: About,
    file: Sha256,
    /// The hash of every chunk so far, one behind the other.
    chunks: Vec<u8>,
    /// The front of the file while the header is not whole.
    front: Vec<u8>,
    /// Bytes without which there is no use in reading the header again.
    needed: u64,
    header: Option<(Header, [u8; 32])>,
}

impl ManifestBuilder {
    /// Begins with a file of `file_bytes` bytes.
    ///
    /// # Errors
    /// [`ManifestError::Field`] where it is too long.
    pub fn new(file_bytes: u64, about: About) -> Result<ManifestBuilder, ManifestError> {
        if file_bytes > MAX_FILE_BYTES {
            return Err(ManifestError::Field("the file is too long"));
        }
        Ok(ManifestBuilder {
            file_bytes,
            about,
            file: Sha256::new(),
            chunks: Vec::new(),
            front: Vec::new(),
            needed: 0,
            header: None,
        })
    }

    /// The chunk that comes next.
    pub fn next_chunk(&self) -> u32 {
        u32::try_from(self.chunks.len() / 32).unwrap_or(u32::MAX)
    }

    /// Takes the next chunk and answers its SHA-256. A file that is no model is refused as early as its bytes
    /// show it.
    ///
    /// # Errors
    /// [`ManifestError::NoChunk`] behind the end, [`ManifestError::ChunkBytes`] for another length than the chunk
    /// has, [`ManifestError::File`] where [`Header::read`] refuses the file.
    pub fn push(&mut self, bytes: &[u8]) -> Result<[u8; 32], ManifestError> {
        let index = self.next_chunk();
        let Some(range) = chunks::range(index, self.file_bytes, CHUNK_BYTES) else {
            let count = u32::try_from(chunks::count(self.file_bytes, CHUNK_BYTES)).unwrap_or(u32::MAX);
            return Err(ManifestError::NoChunk { index, count });
        };
        let (found, needed) = (bytes.len() as u64, range.end - range.start);
        if found != needed {
            return Err(ManifestError::ChunkBytes { index, found, needed });
        }
        if self.header.is_none() {
            self.front.extend_from_slice(bytes);
            self.read_header()?;
        }
        let hash: [u8; 32] = Sha256::digest(bytes).into();
        self.file.update(bytes);
        self.chunks.extend_from_slice(&hash);
        Ok(hash)
    }

    /// The file's header, once it is whole.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref().map(|(header, _)| header)
    }

    /// The manifest, when every chunk was taken.
    ///
    /// # Errors
    /// [`ManifestError::Io`] where chunks are missing, [`ManifestError::File`] where the header never ended,
    /// [`ManifestError::Field`] where a text of `about` is too long.
    pub fn finish(self) -> Result<Manifest, ManifestError> {
        let taken = u64::from(self.next_chunk());
        if taken != chunks::count(self.file_bytes, CHUNK_BYTES) {
            let found = taken * CHUNK_BYTES;
            return Err(ManifestError::Io(format!(
                "{found} bytes came, {} were announced",
                self.file_bytes
            )));
        }
        let Some((header, header_sha256)) = self.header else {
            return Err(GgufError::NeedMore { bytes: self.needed }.into());
        };
        Manifest::describing(
            &header,
            header_sha256,
            self.file.finalize().into(),
            self.chunks,
            self.file_bytes,
            self.about,
        )
    }

    fn read_header(&mut self) -> Result<(), ManifestError> {
        let here = self.front.len() as u64;
        if here < self.needed.min(self.file_bytes) {
            return Ok(());
        }
        match Header::read(self.front.as_slice(), self.file_bytes) {
            Ok(header) => {
                let length = usize::try_from(header.header_bytes()).unwrap_or(usize::MAX);
                let front = self.front.get(..length).unwrap_or(&self.front);
                self.header = Some((header, Sha256::digest(front).into()));
                self.front = Vec::new();
                Ok(())
            }
            Err(GgufError::NeedMore { bytes }) if here < self.file_bytes => {
                // At least doubled, so that a long header is read a handful of times and not once a chunk.
                self.needed = bytes.max(here.saturating_mul(2));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
