//! The COSE envelopes and headers that we write and accept: algorithm and full public key, both protected, and nothing
//! else.
//! It does not sign or verify. What it writes goes through coset; what it reads it reads in place, since envelopes
//! come from anybody and copies of their parts would cost several times their size.
//!
//! The key stands in the protected header, so the signature covers it: else one could search for a second key
//! under which a given signature verifies and claim the record (duplicate-signature key selection).

use coset::{Algorithm, HeaderBuilder, ProtectedHeader, iana};
use minicbor::{Decoder, decode::Error as DecodeError};

use crate::{IdentityError, PublicKey, Scheme};

/// Our algorithm number for a passkey's signature, from COSE's private range (below −65536).
const ES256_WEBAUTHN: i64 = -65_600;
/// Those of RFC 9053.
const ES256: i64 = -7;
const EDDSA: i64 = -8;
/// The labels of a header: algorithm, key id.
const ALG: i64 = 1;
const KID: i64 = 4;

pub(crate) fn algorithm(scheme: Scheme) -> Algorithm {
    match scheme {
        Scheme::Es256 => Algorithm::Assigned(iana::Algorithm::ES256),
        Scheme::EdDsa => Algorithm::Assigned(iana::Algorithm::EdDSA),
        Scheme::Es256WebAuthn => Algorithm::PrivateUse(ES256_WEBAUTHN),
    }
}

/// The protected header of a signature by `key`: `{1: alg, 4: alg ‖ key}`.
pub(crate) fn protected(key: &PublicKey, scheme: Scheme) -> ProtectedHeader {
    let header = HeaderBuilder::new()
        .algorithm_label(algorithm(scheme))
        .key_id(key.to_bytes())
        .build();
    ProtectedHeader {
        original_data: None,
        header,
    }
}

/// The Sig_structure of RFC 9052 §4.4: what a signature by `key` covers. `body` is the protected header of the
/// body where signers have headers of their own. Written in one piece of the right size: this runs for every record
/// that a peer sends.
pub(crate) fn sig_structure(
    context: &str,
    body: Option<&[u8]>,
    (key, scheme): (&PublicKey, Scheme),
    aad: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let signer = header_bytes(key, scheme);
    let parts = body.into_iter().chain([&signer[..], aad, payload]);
    let bytes: usize = parts.clone().map(|part| 9 + part.len()).sum();
    let mut e = minicbor::Encoder::new(Vec::with_capacity(10 + context.len() + bytes));
    let mut write = || {
        e.array(if body.is_some() { 5 } else { 4 })?.str(context)?;
        parts.clone().try_for_each(|part| e.bytes(part).map(|_| ()))
    };
    match write() {
        Ok(()) => e.into_writer(),
        Err::<(), minicbor::encode::Error<core::convert::Infallible>>(_) => Vec::new(),
    }
}

/// Reads an envelope where it stands, part by part. Its bytes were found to be deterministic CBOR before.
pub(crate) struct Envelope<'b> {
    what: &'static str,
    d: Decoder<'b>,
}

impl<'b> Envelope<'b> {
    /// The array of four behind `tag`.
    pub(crate) fn open(what: &'static str, tag: u64, bytes: &'b [u8]) -> Result<Self, IdentityError> {
        let mut envelope = Self {
            what,
            d: Decoder::new(bytes),
        };
        let found = envelope.part(Decoder::tag)?;
        if found.as_u64() != tag {
            return Err(IdentityError::malformed(
                what,
                format_args!("tag {}", found.as_u64()),
            ));
        }
        envelope.array(4)?;
        Ok(envelope)
    }

    /// So many parts follow.
    pub(crate) fn array(&mut self, parts: u64) -> Result<(), IdentityError> {
        match self.part(Decoder::array)? {
            Some(count) if count == parts => Ok(()),
            _ => Err(IdentityError::malformed(
                self.what,
                format_args!("not an array of {parts}"),
            )),
        }
    }

    /// How many signers follow.
    pub(crate) fn signers(&mut self) -> Result<u64, IdentityError> {
        Ok(self.part(Decoder::array)?.unwrap_or(0))
    }

    /// The protected header. Nothing may stand in the unprotected one, which is not signed: anybody on the way could
    /// write there.
    pub(crate) fn headers(&mut self) -> Result<&'b [u8], IdentityError> {
        let protected = self.part(Decoder::bytes)?;
        match self.part(Decoder::map)? {
            Some(0) => Ok(protected),
            _ => Err(IdentityError::malformed(
                self.what,
                "the unprotected header must be empty",
            )),
        }
    }

    /// The payload, which must be there.
    pub(crate) fn payload(&mut self) -> Result<&'b [u8], IdentityError> {
        match self.part(|d| d.datatype())? {
            minicbor::data::Type::Null => Err(IdentityError::malformed(self.what, "the payload is detached")),
            _ => self.part(Decoder::bytes),
        }
    }

    /// A signature.
    pub(crate) fn signature(&mut self) -> Result<&'b [u8], IdentityError> {
        self.part(Decoder::bytes)
    }

    fn part<T>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'b>) -> Result<T, DecodeError>,
    ) -> Result<T, IdentityError> {
        read(&mut self.d).map_err(|e| IdentityError::malformed(self.what, e))
    }
}

/// Reads a protected header that must be exactly what [`protected`] writes.
pub(crate) fn read_protected(header: &[u8]) -> Result<(PublicKey, Scheme), IdentityError> {
    let malformed = |why: &str| IdentityError::malformed("protected header", why);
    let (alg, kid) = entries(header).map_err(|e| IdentityError::malformed("protected header", e))?;
    let scheme = match alg.ok_or_else(|| malformed("it names no algorithm"))? {
        ES256 => Scheme::Es256,
        EDDSA => Scheme::EdDsa,
        ES256_WEBAUTHN => Scheme::Es256WebAuthn,
        other => return Err(IdentityError::UnknownAlgorithm(other)),
    };
    let key = PublicKey::from_bytes(kid.unwrap_or_default())?;
    if scheme.alg() != key.alg() {
        return Err(IdentityError::SchemeMismatch {
            scheme,
            key: key.alg(),
        });
    }
    if header_bytes(&key, scheme) != header {
        return Err(malformed("it is spelled in another way than it must be"));
    }
    Ok((key, scheme))
}

/// The bytes of [`protected`].
fn header_bytes(key: &PublicKey, scheme: Scheme) -> Vec<u8> {
    let alg = match scheme {
        Scheme::Es256 => ES256,
        Scheme::EdDsa => EDDSA,
        Scheme::Es256WebAuthn => ES256_WEBAUTHN,
    };
    let mut e = minicbor::Encoder::new(Vec::with_capacity(64));
    let mut write = || {
        e.map(2)?.i64(ALG)?.i64(alg)?.i64(KID)?.bytes(&key.to_bytes())?;
        Ok(())
    };
    match write() {
        Ok(()) => e.into_writer(),
        // Writing to memory cannot fail; an empty answer would only fail to verify.
        Err::<(), minicbor::encode::Error<core::convert::Infallible>>(_) => Vec::new(),
    }
}

/// Algorithm and key id of a header that holds nothing else.
fn entries(header: &[u8]) -> Result<(Option<i64>, Option<&[u8]>), DecodeError> {
    let mut d = Decoder::new(header);
    let count = d
        .map()?
        .ok_or_else(|| DecodeError::message("map of unsaid length"))?;
    let (mut alg, mut kid) = (None, None);
    for _ in 0..count {
        match d.i64()? {
            ALG => alg = Some(d.i64()?),
            KID => kid = Some(d.bytes()?),
            _ => return Err(DecodeError::message("it holds more than algorithm and key")),
        }
    }
    Ok((alg, kid))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use coset::CborSerializable as _;

    use super::*;
    use crate::{LocalKey, SigningKey as _};

    #[test]
    fn a_header_is_spelled_as_the_library_spells_it_and_reads_back() {
        let keys = [
            (LocalKey::es256(&[1; 32]).unwrap(), Scheme::Es256),
            (LocalKey::es256(&[1; 32]).unwrap(), Scheme::Es256WebAuthn),
            (LocalKey::eddsa(&[1; 32]).unwrap(), Scheme::EdDsa),
        ];
        for (key, scheme) in keys {
            let key = key.public_key();
            let bytes = header_bytes(&key, scheme);
            assert_eq!(bytes, protected(&key, scheme).header.to_vec().unwrap());
            assert_eq!(read_protected(&bytes), Ok((key, scheme)));
            for at in 0..bytes.len() {
                assert!(read_protected(&bytes[..at]).is_err(), "cut at {at}");
            }
            assert!(read_protected(&[&bytes[..], &[0]].concat()).is_err());
        }
    }
}
