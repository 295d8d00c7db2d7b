//! The messages of `/manyhands/blob/1`: pieces of model files by their hash, from peers that have them.
//! It neither hashes nor stores: whoever receives a chunk compares it with the manifest it trusts.
//!
//! The asker opens a stream and asks as often as it likes, one question at a time; the holder answers each in
//! turn. Nobody is obliged to have anything, and nothing that arrives is believed before it is hashed.

use std::fmt;

use minicbor::decode::{Decode, Decoder, Error as DecodeError};
use minicbor::encode::{Encode, Encoder, Error as EncodeError, Write};

use crate::{Blob, List, ModelId, ProtocolError, frame, model_codec};

/// The libp2p protocol name under which chunks are passed on.
pub const BLOB_PROTOCOL: &str = "/manyhands/blob/1";
/// Bytes of a chunk: manifests cut files into pieces of 1 MiB.
pub const MAX_BLOB_BYTES: usize = 1 << 20;
/// Chunks that one question may name: half a gigabyte of a model, in 17 KB of question.
pub const MAX_SOUGHT: usize = 512;
/// A chunk with its head: what one peer can make another hold per stream.
pub const MAX_BLOB_MESSAGE_BYTES: usize = MAX_BLOB_BYTES + 64;

/// The SHA-256 of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkHash(pub [u8; 32]);

/// Everything that is said on a blob stream.
#[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
pub enum BlobMessage {
    /// Asker: which of these do you have?
    #[n(0)]
    Seek(#[n(0)] List<ChunkHash, MAX_SOUGHT>),
    /// Holder, to `Seek`: one bit for each, the first in the lowest bit of the first byte.
    #[n(1)]
    Have(#[n(0)] Blob<{ MAX_SOUGHT / 8 }>),
    /// Asker: that chunk, please.
    #[n(2)]
    Want(#[n(0)] ChunkHash),
    /// Asker: the manifest of that model, please.
    #[n(3)]
    WantManifest(#[cbor(n(0), with = "model_codec::id")] ModelId),
    /// Holder, to `Want` and `WantManifest`: here.
    #[n(4)]
    Piece(#[n(0)] Blob<MAX_BLOB_BYTES>),
    /// Holder, to `Want` and `WantManifest`: not here, or not now.
    #[n(5)]
    Missing,
}

impl BlobMessage {
    /// The answer to a `Seek` for chunks of which those in `held` are here.
    pub fn have(held: &[bool]) -> Result<BlobMessage, ProtocolError> {
        let mut bits = vec![0u8; held.len().div_ceil(8)];
        for at in held
            .iter()
            .enumerate()
            .filter_map(|(at, held)| held.then_some(at))
        {
            bits[at / 8] |= 1 << (at % 8);
        }
        Ok(BlobMessage::Have(Blob::new(bits)?))
    }

    /// Reads a `Have` that answers a `Seek` for `sought` chunks. What the holder left unsaid is not here.
    pub fn held(bits: &[u8], sought: usize) -> Vec<bool> {
        let bit = |at: usize| bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
        (0..sought).map(bit).collect()
    }

    /// The bytes of this message.
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        minicbor::to_vec(self).map_err(|e| ProtocolError::Malformed(e.to_string()))
    }

    /// Reads exactly one message.
    pub fn decode(bytes: &[u8]) -> Result<BlobMessage, ProtocolError> {
        let mut decoder = minicbor::Decoder::new(bytes);
        let message: BlobMessage = decoder.decode()?;
        if decoder.position() != bytes.len() {
            return Err(ProtocolError::Value("bytes after the message"));
        }
        Ok(message)
    }

    /// The chunks of this message for the wire, each to be sent as one transport message.
    pub fn frames(&self) -> Result<Vec<Vec<u8>>, ProtocolError> {
        Ok(frame::cut(&self.encode()?))
    }
}

/// Puts the messages of one blob stream together from whatever pieces the transport delivers.
#[derive(Debug)]
pub struct BlobAssembler(frame::Joiner);

impl BlobAssembler {
    /// Nothing read yet.
    pub fn new() -> BlobAssembler {
        BlobAssembler(frame::Joiner::new(MAX_BLOB_MESSAGE_BYTES))
    }

    /// Reads from the front of `bytes` until a message is complete or nothing is left. Call again
    /// until it answers `None`. After an error the stream is of no more use.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<BlobMessage>, ProtocolError> {
        self.0
            .read(bytes)?
            .map(|whole| BlobMessage::decode(&whole))
            .transpose()
    }
}

impl Default for BlobAssembler {
    fn default() -> BlobAssembler {
        BlobAssembler::new()
    }
}

impl fmt::Debug for ChunkHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..4] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl<C> Encode<C> for ChunkHash {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for ChunkHash {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let bytes = d
            .bytes()?
            .try_into()
            .map_err(|_| DecodeError::message("the hash of a chunk has 32 bytes"))?;
        Ok(ChunkHash(bytes))
    }
}
