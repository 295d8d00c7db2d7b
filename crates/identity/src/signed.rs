//! A record signed by one key: COSE_Sign1 (RFC 9052) over deterministic CBOR.
//! It does not decide whether the signer may say such a thing.

use core::{fmt, marker::PhantomData, ops::Deref};

use coset::{CoseSign1, TaggedCborSerializable as _};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::{
    IdentityError, NodeId, PublicKey, Record, RecordHash, Scheme, Signature, SigningKey, cbor,
    cose::{self, Envelope},
    record::{aad, check_payload, decode_payload, encode_payload},
};

/// What the envelope adds to a payload at most: headers, and a passkey's signature of 2.7 KB.
const MAX_ENVELOPE_BYTES: usize = 4096;

/// A record with its signature, not yet checked. Well-formed and in its one spelling; [`Signed::verify`] opens it.
pub struct Signed<T> {
    key: PublicKey,
    signature: Signature,
    payload: Vec<u8>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Record> Signed<T> {
    /// Signs `value` with a key held in this process.
    pub fn sign(value: &T, key: &impl SigningKey) -> Result<Self, IdentityError> {
        let draft = Self::draft(value, key.public_key(), key.scheme())?;
        let signature = key.sign(draft.to_be_signed());
        draft.assemble(signature)
    }

    /// Prepares `value` to be signed elsewhere by the holder of `key`.
    pub fn draft(value: &T, key: PublicKey, scheme: Scheme) -> Result<Draft<T>, IdentityError> {
        if scheme.alg() != key.alg() {
            return Err(IdentityError::SchemeMismatch {
                scheme,
                key: key.alg(),
            });
        }
        let payload = encode_payload(value)?;
        let to_be_signed = to_be_signed::<T>(&key, scheme, &payload);
        Ok(Draft {
            key,
            scheme,
            payload,
            to_be_signed,
            kind: PhantomData,
        })
    }

    /// Parses a tagged COSE_Sign1. Refuses whatever is not exactly what [`Signed::to_bytes`] writes (except that
    /// a high-S signature is accepted and normalised); allocates no more than the input holds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        let max = T::MAX_BYTES.saturating_add(MAX_ENVELOPE_BYTES);
        if bytes.len() > max {
            return Err(IdentityError::TooLarge {
                what: T::CONTEXT,
                bytes: bytes.len(),
                max,
            });
        }
        // First of all: it also bounds the nesting for the parsers behind it.
        cbor::check_deterministic(bytes)?;
        let mut envelope = Envelope::open("COSE_Sign1", CoseSign1::TAG, bytes)?;
        let (key, scheme) = cose::read_protected(envelope.headers()?)?;
        let payload = envelope.payload()?;
        check_payload::<T>(payload)?;
        Ok(Self {
            key,
            signature: Signature::from_bytes(scheme, envelope.signature()?)?,
            payload: payload.to_vec(),
            kind: PhantomData,
        })
    }

    /// The tagged COSE_Sign1.
    pub fn to_bytes(&self) -> Vec<u8> {
        let envelope = CoseSign1 {
            protected: cose::protected(&self.key, self.signature.scheme()),
            payload: Some(self.payload.clone()),
            signature: self.signature.to_bytes(),
            ..CoseSign1::default()
        };
        // Writing these four items to memory cannot fail; an empty answer would only be refused.
        envelope.to_tagged_vec().unwrap_or_default()
    }

    /// Checks the signature, then reads the record. The only way to a [`Verified`].
    pub fn verify(&self) -> Result<Verified<T>, IdentityError> {
        self.signature.verify(
            &self.key,
            &to_be_signed::<T>(&self.key, self.signature.scheme(), &self.payload),
        )?;
        let value = decode_payload(&self.payload)?;
        Ok(Verified {
            value,
            key: self.key,
            hash: self.hash(),
        })
    }

    /// Names this record whatever its signature bytes are: the key for replay tables and chains.
    pub fn hash(&self) -> RecordHash {
        RecordHash::of::<T>(&self.key.to_bytes(), &self.payload)
    }

    /// Whose signature it claims to be; not yet checked.
    pub fn claimed_signer(&self) -> PublicKey {
        self.key
    }
}

/// A record on its way to an outside signer.
#[derive(Clone)]
pub struct Draft<T> {
    key: PublicKey,
    scheme: Scheme,
    payload: Vec<u8>,
    to_be_signed: Vec<u8>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Record> Draft<T> {
    /// The bytes to sign. For WebCrypto the `data` of `sign({name: 'ECDSA', hash: 'SHA-256'}, …)`;
    /// for a passkey the challenge is their SHA-256.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// How it is to be signed.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Puts the signature in. Refuses one that does not fit, so that nobody sends what no peer will accept.
    pub fn assemble(self, signature: Signature) -> Result<Signed<T>, IdentityError> {
        if signature.scheme() != self.scheme {
            return Err(IdentityError::SchemeMismatch {
                scheme: signature.scheme(),
                key: self.key.alg(),
            });
        }
        signature.verify(&self.key, &self.to_be_signed)?;
        Ok(Signed {
            key: self.key,
            signature,
            payload: self.payload,
            kind: PhantomData,
        })
    }
}

/// A record whose signature was checked. Made by [`Signed::verify`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    key: PublicKey,
    hash: RecordHash,
}

impl<T> Verified<T> {
    /// The key that signed it.
    pub fn signer(&self) -> PublicKey {
        self.key
    }

    /// Who signed it.
    pub fn signer_id(&self) -> NodeId {
        self.key.node_id()
    }

    /// Its name in replay tables and chains.
    pub fn hash(&self) -> RecordHash {
        self.hash
    }

    /// The record alone.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

fn to_be_signed<T: Record>(key: &PublicKey, scheme: Scheme, payload: &[u8]) -> Vec<u8> {
    cose::sig_structure("Signature1", None, (key, scheme), &aad::<T>(), payload)
}

impl<T> Clone for Signed<T> {
    fn clone(&self) -> Self {
        Self {
            key: self.key,
            signature: self.signature.clone(),
            payload: self.payload.clone(),
            kind: PhantomData,
        }
    }
}

impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.key, &self.signature, &self.payload) == (other.key, &other.signature, &other.payload)
    }
}

impl<T> Eq for Signed<T> {}

impl<T: Record> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Signed({} by {}, {:?})",
            T::CONTEXT,
            self.key.node_id().short(),
            self.hash()
        )
    }
}

impl<C, T: Record> Encode<C> for Signed<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C, T: Record> Decode<'b, C> for Signed<T> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_bytes(d.bytes()?).map_err(minicbor::decode::Error::message)
    }
}
