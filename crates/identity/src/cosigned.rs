//! A record signed by several keys: COSE_Sign (RFC 9052), for quorums and for receipts that two sides sign.
//! It does not decide how many are enough: see `Authority`.

use core::{fmt, marker::PhantomData, ops::Deref};

use coset::{CoseSign, CoseSignature, TaggedCborSerializable as _};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::{
    IdentityError, PublicKey, Record, RecordHash, Scheme, Signature, SigningKey, cbor,
    cose::{self, Envelope},
    record::{aad, check_payload, decode_payload, encode_payload},
};

/// Most signatures on one record: each costs every reader a verification.
pub const MAX_SIGNERS: usize = 16;

/// What one signer adds to a record at most: a header, and a passkey's signature.
const MAX_SIGNER_BYTES: usize = 4096;

/// A record with its signatures, in the order of their keys, not yet checked.
pub struct CoSigned<T> {
    payload: Vec<u8>,
    signatures: Vec<(PublicKey, Signature)>,
    kind: PhantomData<fn() -> T>,
}

impl<T: Record> CoSigned<T> {
    /// `value` without any signature yet: for [`CoSigned::add`].
    pub fn unsigned(value: &T) -> Result<Self, IdentityError> {
        Ok(Self {
            payload: encode_payload(value)?,
            signatures: Vec::new(),
            kind: PhantomData,
        })
    }

    /// Signs `value` with keys held in this process.
    pub fn sign(value: &T, keys: &[&dyn SigningKey]) -> Result<Self, IdentityError> {
        let mut signed = Self::unsigned(value)?;
        for key in keys {
            let message = signed.to_be_signed(&key.public_key(), key.scheme());
            signed.add(key.public_key(), key.sign(&message))?;
        }
        Ok(signed)
    }

    /// The bytes that the holder of `key` has to sign.
    pub fn to_be_signed(&self, key: &PublicKey, scheme: Scheme) -> Vec<u8> {
        let signer = (key, scheme);
        cose::sig_structure("Signature", Some(&[]), signer, &aad::<T>(), &self.payload)
    }

    /// Adds a signature that fits.
    pub fn add(&mut self, key: PublicKey, signature: Signature) -> Result<(), IdentityError> {
        if self.signatures.len() >= MAX_SIGNERS {
            return Err(IdentityError::SignerCount {
                got: self.signatures.len() + 1,
                max: MAX_SIGNERS,
            });
        }
        signature.verify(&key, &self.to_be_signed(&key, signature.scheme()))?;
        match self.signatures.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(_) => Err(IdentityError::DuplicateSigner(key.node_id())),
            Err(at) => {
                self.signatures.insert(at, (key, signature));
                Ok(())
            }
        }
    }

    /// Parses a tagged COSE_Sign with 1 to [`MAX_SIGNERS`] signatures, sorted by key, each key once.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        let max = T::MAX_BYTES.saturating_add(MAX_SIGNERS * MAX_SIGNER_BYTES);
        if bytes.len() > max {
            return Err(IdentityError::TooLarge {
                what: T::CONTEXT,
                bytes: bytes.len(),
                max,
            });
        }
        cbor::check_deterministic(bytes)?;
        let mut envelope = Envelope::open("COSE_Sign", CoseSign::TAG, bytes)?;
        if !envelope.headers()?.is_empty() {
            return Err(IdentityError::malformed(
                "COSE_Sign",
                "the body's protected header must be empty",
            ));
        }
        let payload = envelope.payload()?;
        let count = usize::try_from(envelope.signers()?).unwrap_or(usize::MAX);
        if count == 0 || count > MAX_SIGNERS {
            return Err(IdentityError::SignerCount {
                got: count,
                max: MAX_SIGNERS,
            });
        }
        check_payload::<T>(payload)?;
        // Room is made for those that are there: the count is only a claim.
        let mut signatures: Vec<(PublicKey, Signature)> = Vec::new();
        for _ in 0..count {
            envelope.array(3)?;
            let (key, scheme) = cose::read_protected(envelope.headers()?)?;
            // One key that signs twice must not count as two of a quorum.
            if let Some((last, _)) = signatures.last() {
                if *last == key {
                    return Err(IdentityError::DuplicateSigner(key.node_id()));
                }
                if *last > key {
                    return Err(IdentityError::malformed(
                        "COSE_Sign",
                        "the signers are out of order",
                    ));
                }
            }
            signatures.push((key, Signature::from_bytes(scheme, envelope.signature()?)?));
        }
        Ok(Self {
            payload: payload.to_vec(),
            signatures,
            kind: PhantomData,
        })
    }

    /// The tagged COSE_Sign.
    pub fn to_bytes(&self) -> Vec<u8> {
        let one = |(key, signature): &(PublicKey, Signature)| CoseSignature {
            protected: cose::protected(key, signature.scheme()),
            signature: signature.to_bytes(),
            ..CoseSignature::default()
        };
        let envelope = CoseSign {
            payload: Some(self.payload.clone()),
            signatures: self.signatures.iter().map(one).collect(),
            ..CoseSign::default()
        };
        // Writing to memory cannot fail; an empty answer would only be refused.
        envelope.to_tagged_vec().unwrap_or_default()
    }

    /// Checks every signature (one bad one spoils the record: no reader may see another set of signers than the
    /// next), then reads the record. The only way to a [`CoVerified`].
    pub fn verify(&self) -> Result<CoVerified<T>, IdentityError> {
        if self.signatures.is_empty() {
            return Err(IdentityError::SignerCount {
                got: 0,
                max: MAX_SIGNERS,
            });
        }
        for (key, signature) in &self.signatures {
            signature.verify(key, &self.to_be_signed(key, signature.scheme()))?;
        }
        let value = decode_payload(&self.payload)?;
        Ok(CoVerified {
            value,
            signers: self.claimed_signers().collect(),
            hash: self.hash(),
        })
    }

    /// Names this record by its payload alone: any sufficient set of signers makes the same record.
    pub fn hash(&self) -> RecordHash {
        RecordHash::of::<T>(&[0], &self.payload)
    }

    /// Whose signatures these claim to be; not yet checked.
    pub fn claimed_signers(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.signatures.iter().map(|(key, _)| *key)
    }
}

/// A record all of whose signatures were checked. Made by [`CoSigned::verify`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoVerified<T> {
    value: T,
    signers: Vec<PublicKey>,
    hash: RecordHash,
}

impl<T> CoVerified<T> {
    /// The keys that signed it, sorted, each once.
    pub fn signers(&self) -> &[PublicKey] {
        &self.signers
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

impl<T> Deref for CoVerified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Clone for CoSigned<T> {
    fn clone(&self) -> Self {
        Self {
            payload: self.payload.clone(),
            signatures: self.signatures.clone(),
            kind: PhantomData,
        }
    }
}

impl<T> PartialEq for CoSigned<T> {
    fn eq(&self, other: &Self) -> bool {
        (&self.payload, &self.signatures) == (&other.payload, &other.signatures)
    }
}

impl<T> Eq for CoSigned<T> {}

impl<T: Record> fmt::Debug for CoSigned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CoSigned({} by {} keys, {:?})",
            T::CONTEXT,
            self.signatures.len(),
            self.hash()
        )
    }
}

impl<C, T: Record> Encode<C> for CoSigned<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C, T: Record> Decode<'b, C> for CoSigned<T> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_bytes(d.bytes()?).map_err(minicbor::decode::Error::message)
    }
}
