//! What can be signed: a record with a context string, its canonical bytes and the hash that names it.
//! It does not sign and does not verify: see `signed` and `cosigned`.

use core::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder, bytes::ByteArray};
use sha2::{Digest, Sha256};

use crate::{IdentityError, cbor};

/// Largest record unless its kind says otherwise: what a gossip message may carry.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// A kind of record that can be signed.
///
/// `CONTEXT` is the domain separation: it is signed along (as COSE external data), so a signature over one kind is
/// worth nothing for another. It ends in a version and is never reused: `"session-delegation/1"`.
/// Records that belong to one swarm carry its id inside, which separates networks in the same way.
pub trait Record: Encode<()> + for<'b> Decode<'b, ()> {
    /// Names the kind and its version.
    const CONTEXT: &'static str;
    /// Largest payload of this kind.
    const MAX_BYTES: usize = MAX_RECORD_BYTES;
}

/// Marks the kinds that are published state (profiles, indices, conversations): the only ones a publisher
/// delegation is good for.
pub trait State: Record {}

/// Names a record by what was said, never by how it was signed: SHA-256(context ‖ 0 ‖ speakers ‖ payload).
///
/// An ECDSA signature has a valid twin and a signer can make endless ones for the same bytes; a replay table or a
/// chain that hashed signatures would take each for something new.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordHash([u8; 32]);

impl RecordHash {
    /// The hash of `payload` as said by `speakers`, the canonical bytes of whoever signed.
    pub(crate) fn of<T: Record>(speakers: &[u8], payload: &[u8]) -> Self {
        let digest = Sha256::new()
            .chain_update(T::CONTEXT)
            .chain_update([0])
            .chain_update(speakers)
            .chain_update(payload)
            .finalize();
        Self(digest.into())
    }

    /// A hash from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordHash({})", hex::encode(&self.0[..4]))
    }
}

impl<C> Encode<C> for RecordHash {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for RecordHash {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(ByteArray::<32>::decode(d, ctx)?.into()))
    }
}

/// The canonical bytes of `value`, checked as strictly as a receiver will.
pub(crate) fn encode_payload<T: Record>(value: &T) -> Result<Vec<u8>, IdentityError> {
    let payload = minicbor::to_vec(value).map_err(|e| IdentityError::malformed("record", e))?;
    check_payload::<T>(&payload)?;
    Ok(payload)
}

/// Size and spelling of a payload; what it says is for [`decode_payload`].
pub(crate) fn check_payload<T: Record>(payload: &[u8]) -> Result<(), IdentityError> {
    if payload.len() > T::MAX_BYTES {
        return Err(IdentityError::TooLarge {
            what: T::CONTEXT,
            bytes: payload.len(),
            max: T::MAX_BYTES,
        });
    }
    cbor::check_deterministic(payload)
}

/// What a checked payload says.
pub(crate) fn decode_payload<T: Record>(payload: &[u8]) -> Result<T, IdentityError> {
    minicbor::decode(payload).map_err(|e| IdentityError::malformed(T::CONTEXT, e))
}

/// The external data that is signed along with every record of kind `T`.
pub(crate) fn aad<T: Record>() -> Vec<u8> {
    [b"manyhands/".as_slice(), T::CONTEXT.as_bytes()].concat()
}
