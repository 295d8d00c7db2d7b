//! The COSE headers we write and accept: algorithm and full public key, both protected, and nothing else.
//! It does not sign or verify.
//!
//! The key stands in the protected header, so the signature covers it: else one could search for a second key
//! under which a given signature verifies and claim the record (duplicate-signature key selection).

use coset::{
    Algorithm, CborSerializable as _, CoseError, Header, HeaderBuilder, ProtectedHeader,
    RegisteredLabelWithPrivate,
    iana::{self, EnumI64},
};

use crate::{IdentityError, PublicKey, Scheme};

/// Our algorithm number for a passkey's signature, from COSE's private range (below −65536).
const ES256_WEBAUTHN: i64 = -65_600;

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

/// The Sig_structure of RFC 9052 §4.4: what a signature of `signer` covers. `body` is the protected header of the
/// body where signers have headers of their own. Written in one piece of the right size: this runs for every record
/// that a peer sends.
pub(crate) fn sig_structure(
    context: &str,
    body: Option<&[u8]>,
    signer: ProtectedHeader,
    aad: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    // Writing to memory cannot fail; an empty answer would only fail to verify.
    let signer = signer.header.to_vec().unwrap_or_default();
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

/// Reads a header that must be exactly what [`protected`] writes.
pub(crate) fn read_protected(header: &ProtectedHeader) -> Result<(PublicKey, Scheme), IdentityError> {
    let scheme = match &header.header.alg {
        Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)) => Scheme::Es256,
        Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::EdDSA)) => Scheme::EdDsa,
        Some(RegisteredLabelWithPrivate::PrivateUse(ES256_WEBAUTHN)) => Scheme::Es256WebAuthn,
        Some(RegisteredLabelWithPrivate::PrivateUse(n)) => return Err(IdentityError::UnknownAlgorithm(*n)),
        Some(RegisteredLabelWithPrivate::Assigned(alg)) => {
            return Err(IdentityError::UnknownAlgorithm(alg.to_i64()));
        }
        _ => {
            return Err(IdentityError::malformed(
                "protected header",
                "it names no algorithm",
            ));
        }
    };
    let key = PublicKey::from_bytes(&header.header.key_id)?;
    if scheme.alg() != key.alg() {
        return Err(IdentityError::SchemeMismatch {
            scheme,
            key: key.alg(),
        });
    }
    let ours = protected(&key, scheme)
        .cbor_bstr()
        .map_err(|e| malformed("protected header", e))?;
    let theirs = header
        .clone()
        .cbor_bstr()
        .map_err(|e| malformed("protected header", e))?;
    if ours != theirs {
        return Err(IdentityError::malformed(
            "protected header",
            "it holds more than algorithm and key",
        ));
    }
    Ok((key, scheme))
}

/// Unprotected headers are not signed: anybody on the way could write there, so nothing may stand there.
pub(crate) fn no_unprotected(header: &Header) -> Result<(), IdentityError> {
    if header.is_empty() {
        Ok(())
    } else {
        Err(IdentityError::malformed("unprotected header", "it must be empty"))
    }
}

pub(crate) fn malformed(what: &'static str, error: CoseError) -> IdentityError {
    IdentityError::malformed(what, error)
}
