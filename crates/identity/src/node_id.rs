//! The name of an identity: the hash of its key, or of its quorum of keys.
//! It is not a libp2p peer id: that belongs to a session, and a session delegation ties the two together.

use core::{fmt, str::FromStr};

use minicbor::{Decode, Decoder, Encode, Encoder, bytes::ByteArray};
use sha2::{Digest, Sha256};

use crate::{IdentityError, PublicKey};

/// SHA-256(alg ‖ key), shown as 64 lower-case hex digits. A quorum hashes with the algorithm byte 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 32]);

impl NodeId {
    /// The id of a key.
    pub fn of_key(key: &PublicKey) -> Self {
        Self(Sha256::digest(key.to_bytes()).into())
    }

    /// The id of a quorum, by its canonical bytes. No key's algorithm is 0, so no key can have this id.
    pub(crate) fn of_quorum(canonical: &[u8]) -> Self {
        Self(
            Sha256::new()
                .chain_update([0])
                .chain_update(canonical)
                .finalize()
                .into(),
        )
    }

    /// An id from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight hex digits, for logs and labels: not unique enough to decide anything by.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.short())
    }
}

impl FromStr for NodeId {
    type Err = IdentityError;

    /// Exactly 64 lower-case hex digits: upper case would give one node two names.
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let bad = || IdentityError::malformed("node id", "it is not 64 lower-case hex digits");
        if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| bad())?;
        Ok(Self(bytes))
    }
}

impl<C> Encode<C> for NodeId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for NodeId {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(ByteArray::<32>::decode(d, ctx)?.into()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_node_id_reads_back_what_it_shows_and_nothing_else() {
        let id = NodeId::from_bytes(core::array::from_fn(|i| i as u8 * 8));
        let text = id.to_string();
        assert_eq!(text.parse::<NodeId>().unwrap(), id);
        assert!(text.starts_with(&id.short()));
        for bad in [
            "",
            "00",
            &text.to_uppercase(),
            &text[1..],
            &format!("{text}00"),
            &text.replace('0', "g"),
        ] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad}");
        }
    }
}
