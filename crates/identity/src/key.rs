//! Public keys, each with its algorithm.
//! It does not sign and holds no secret: see `local_key`, or WebCrypto through `Draft`.

use core::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder, bytes::ByteVec};

use crate::{IdentityError, NodeId};

/// Which kind of key. The number is part of every node id and of every record: never reused, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Alg {
    /// ECDSA on P-256 with SHA-256, as WebCrypto makes it: the default.
    Es256 = 1,
    /// Ed25519 (RFC 8032).
    EdDsa = 2,
}

impl Alg {
    /// Bytes of a key of this kind in its one spelling: SEC1 compressed, or the Ed25519 point.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Es256 => 33,
            Self::EdDsa => 32,
        }
    }
}

/// A public key that is known to be a point of its curve. Ordered and hashed by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    alg: Alg,
    /// The key's bytes; those past `alg.key_bytes()` are zero.
    bytes: [u8; 33],
}

impl PublicKey {
    /// Parses `key` as `alg`. P-256 keys may come compressed (33 bytes) or uncompressed (65 bytes, as WebCrypto's
    /// `exportKey('raw')` gives them); both give the same `PublicKey` and so the same [`NodeId`].
    ///
    /// Refuses what is not on the curve (invalid-curve attacks) and Ed25519 points of small order, under which
    /// one signature fits many messages.
    pub fn new(alg: Alg, key: &[u8]) -> Result<Self, IdentityError> {
        let bad = || IdentityError::BadKey(alg);
        let mut bytes = [0; 33];
        match alg {
            Alg::Es256 => {
                if !matches!((key.len(), key.first()), (33, Some(2 | 3)) | (65, Some(4))) {
                    return Err(bad());
                }
                let point = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| bad())?;
                bytes.copy_from_slice(point.to_sec1_point(true).as_bytes());
            }
            Alg::EdDsa => {
                let key: &[u8; 32] = key.try_into().map_err(|_| bad())?;
                let point = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| bad())?;
                if point.is_weak() {
                    return Err(bad());
                }
                bytes[..32].copy_from_slice(key);
            }
        }
        Ok(Self { alg, bytes })
    }

    /// Parses what [`PublicKey::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        let (&tag, key) = bytes
            .split_first()
            .ok_or_else(|| IdentityError::malformed("public key", "it is empty"))?;
        let alg = match tag {
            1 => Alg::Es256,
            2 => Alg::EdDsa,
            _ => return Err(IdentityError::UnknownAlgorithm(i64::from(tag))),
        };
        // One key, one spelling: the uncompressed form is for `new` only.
        if key.len() != alg.key_bytes() {
            return Err(IdentityError::BadKey(alg));
        }
        Self::new(alg, key)
    }

    /// `alg ‖ key`: one byte of algorithm, then the key in its one spelling.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.key().len());
        bytes.push(self.alg as u8);
        bytes.extend_from_slice(self.key());
        bytes
    }

    /// The kind of key.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The key alone, without its algorithm.
    pub fn key(&self) -> &[u8] {
        &self.bytes[..self.alg.key_bytes()]
    }

    /// Who this key is.
    pub fn node_id(&self) -> NodeId {
        NodeId::of_key(self)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?} {})", self.alg, hex::encode(self.key()))
    }
}

impl<C> Encode<C> for PublicKey {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PublicKey {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = ByteVec::decode(d, ctx)?;
        Self::from_bytes(&bytes).map_err(minicbor::decode::Error::message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{LocalKey, SigningKey as _};

    #[test]
    fn a_key_has_one_spelling_however_it_came() {
        let key = LocalKey::es256(&[7; 32]).unwrap().public_key();
        let full = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.key())
            .unwrap()
            .to_sec1_point(false);
        assert_eq!(full.as_bytes().len(), 65);
        assert_eq!(PublicKey::new(Alg::Es256, full.as_bytes()).unwrap(), key);
        assert_eq!(PublicKey::from_bytes(&key.to_bytes()).unwrap(), key);
        let tagged_full = [&[1], full.as_bytes()].concat();
        assert_eq!(
            PublicKey::from_bytes(&tagged_full),
            Err(IdentityError::BadKey(Alg::Es256))
        );
    }

    #[test]
    fn what_is_no_point_of_the_curve_is_refused() {
        let check = |alg, key: &[u8]| {
            assert_eq!(
                PublicKey::new(alg, key),
                Err(IdentityError::BadKey(alg)),
                "{}",
                hex::encode(key)
            )
        };
        check(Alg::Es256, &[]);
        check(Alg::Es256, &[0]);
        check(Alg::Es256, &[&[2], &[0xff; 32][..]].concat());
        check(Alg::Es256, &[&[4], &[1; 64][..]].concat());
        check(Alg::Es256, &[&[5], &[1; 32][..]].concat());
        check(Alg::EdDsa, &[0; 32]);
        check(Alg::EdDsa, &[&[1], &[0; 31][..]].concat());
        check(Alg::EdDsa, &[0xff; 31]);
    }

    #[test]
    fn an_unknown_algorithm_is_named() {
        assert_eq!(
            PublicKey::from_bytes(&[9, 1, 2]),
            Err(IdentityError::UnknownAlgorithm(9))
        );
        assert!(PublicKey::from_bytes(&[]).is_err());
    }
}
