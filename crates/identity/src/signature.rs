//! Signatures, each with its scheme, in one spelling.
//! It does not know what was signed: see `signed` and `cosigned`.

use core::fmt;

use p256::ecdsa::signature::Verifier as _;

use crate::{Alg, IdentityError, PublicKey, webauthn::Assertion};

/// How a signature was made. A P-256 key may sign plainly (WebCrypto) or as a passkey (WebAuthn).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// ECDSA P-256 over SHA-256 of the message, as r‖s.
    Es256,
    /// The same curve over authenticatorData ‖ SHA-256(clientDataJSON), whose challenge is SHA-256 of the message.
    Es256WebAuthn,
    /// Ed25519.
    EdDsa,
}

impl Scheme {
    /// The kind of key that can sign so.
    pub const fn alg(self) -> Alg {
        match self {
            Self::Es256 | Self::Es256WebAuthn => Alg::Es256,
            Self::EdDsa => Alg::EdDsa,
        }
    }

    /// How a key of this kind signs when it can sign plainly.
    pub const fn plain(alg: Alg) -> Self {
        match alg {
            Alg::Es256 => Self::Es256,
            Alg::EdDsa => Self::EdDsa,
        }
    }
}

/// A well-formed signature; whether it fits a message is for [`Signature::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(Repr);

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Es256([u8; 64]),
    Es256WebAuthn(Box<Assertion>),
    EdDsa([u8; 64]),
}

impl Signature {
    /// A plain P-256 signature from r‖s (64 bytes), as WebCrypto returns it.
    ///
    /// Normalised to low-S: (r, n − s) verifies as well as (r, s), and WebCrypto makes either, so refusing one
    /// would refuse half of all honest signatures, and keeping both would give one record two spellings.
    pub fn es256(rs: &[u8]) -> Result<Self, IdentityError> {
        Ok(Self(Repr::Es256(low_s(rs, Scheme::Es256)?)))
    }

    /// A passkey's signature: the three parts of an `AuthenticatorAssertionResponse` (the signature as DER).
    pub fn es256_webauthn(
        authenticator_data: &[u8],
        client_data_json: &[u8],
        signature_der: &[u8],
    ) -> Result<Self, IdentityError> {
        let signature = p256::ecdsa::Signature::from_der(signature_der)
            .map_err(|_| IdentityError::BadSignatureEncoding(Scheme::Es256WebAuthn))?;
        Self::webauthn(authenticator_data, client_data_json, &signature.to_bytes())
    }

    /// An Ed25519 signature (64 bytes).
    pub fn eddsa(bytes: &[u8]) -> Result<Self, IdentityError> {
        let bytes = bytes
            .try_into()
            .map_err(|_| IdentityError::BadSignatureEncoding(Scheme::EdDsa))?;
        Ok(Self(Repr::EdDsa(bytes)))
    }

    /// Parses what [`Signature::to_bytes`] wrote.
    pub fn from_bytes(scheme: Scheme, bytes: &[u8]) -> Result<Self, IdentityError> {
        match scheme {
            Scheme::Es256 => Self::es256(bytes),
            Scheme::EdDsa => Self::eddsa(bytes),
            Scheme::Es256WebAuthn => {
                let [authenticator_data, client_data_json, rs] = Assertion::split(bytes)?;
                Self::webauthn(authenticator_data, client_data_json, rs)
            }
        }
    }

    /// The signature as COSE carries it: r‖s, the Ed25519 bytes, or for a passkey the CBOR array
    /// `[authenticatorData, clientDataJSON, r‖s]`.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Repr::Es256(rs) | Repr::EdDsa(rs) => rs.to_vec(),
            Repr::Es256WebAuthn(assertion) => assertion.to_bytes(),
        }
    }

    /// How it was made.
    pub fn scheme(&self) -> Scheme {
        match self.0 {
            Repr::Es256(_) => Scheme::Es256,
            Repr::Es256WebAuthn(_) => Scheme::Es256WebAuthn,
            Repr::EdDsa(_) => Scheme::EdDsa,
        }
    }

    /// Checks that the holder of `key` signed `message`.
    pub fn verify(&self, key: &PublicKey, message: &[u8]) -> Result<(), IdentityError> {
        if self.scheme().alg() != key.alg() {
            return Err(IdentityError::SchemeMismatch {
                scheme: self.scheme(),
                key: key.alg(),
            });
        }
        match &self.0 {
            Repr::Es256(rs) => verify_p256(key, message, rs),
            Repr::Es256WebAuthn(assertion) => {
                verify_p256(key, &assertion.signed_bytes(message)?, &assertion.rs)
            }
            Repr::EdDsa(bytes) => {
                let point: &[u8; 32] = key
                    .key()
                    .try_into()
                    .map_err(|_| IdentityError::BadKey(Alg::EdDsa))?;
                // Strict: one verdict in every implementation, also for crafted points of small order.
                ed25519_dalek::VerifyingKey::from_bytes(point)
                    .and_then(|k| k.verify_strict(message, &ed25519_dalek::Signature::from_bytes(bytes)))
                    .map_err(|_| IdentityError::BadSignature)
            }
        }
    }

    /// What our own P-256 key made, normalised as one from outside.
    pub(crate) fn from_p256(signature: &p256::ecdsa::Signature) -> Self {
        Self(Repr::Es256(signature.normalize_s().to_bytes().into()))
    }

    /// What our own Ed25519 key made.
    pub(crate) fn from_ed25519(bytes: [u8; 64]) -> Self {
        Self(Repr::EdDsa(bytes))
    }

    fn webauthn(authenticator_data: &[u8], client_data: &[u8], rs: &[u8]) -> Result<Self, IdentityError> {
        let rs = low_s(rs, Scheme::Es256WebAuthn)?;
        Ok(Self(Repr::Es256WebAuthn(Box::new(Assertion::new(
            authenticator_data,
            client_data,
            rs,
        )?))))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:?})", self.scheme())
    }
}

/// r‖s with both in 1..n, and s in the lower half.
fn low_s(rs: &[u8], scheme: Scheme) -> Result<[u8; 64], IdentityError> {
    let parsed =
        p256::ecdsa::Signature::from_slice(rs).map_err(|_| IdentityError::BadSignatureEncoding(scheme))?;
    Ok(parsed.normalize_s().to_bytes().into())
}

fn verify_p256(key: &PublicKey, message: &[u8], rs: &[u8; 64]) -> Result<(), IdentityError> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.key())
        .map_err(|_| IdentityError::BadKey(Alg::Es256))?;
    p256::ecdsa::Signature::from_slice(rs)
        .and_then(|signature| key.verify(message, &signature))
        .map_err(|_| IdentityError::BadSignature)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{LocalKey, SigningKey as _};

    /// The order of P-256.
    const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

    #[test]
    fn the_high_s_twin_becomes_the_same_signature() {
        for seed in 1..20u8 {
            let key = LocalKey::es256(&[seed; 32]).unwrap();
            let low = key.sign(b"hello");
            let rs = p256::ecdsa::Signature::from_slice(&low.to_bytes()).unwrap();
            let twin = p256::ecdsa::Signature::from_scalars(rs.r(), -rs.s()).unwrap();
            assert_ne!(twin.to_bytes(), rs.to_bytes());
            assert_eq!(Signature::es256(&twin.to_bytes()).unwrap(), low);
            low.verify(&key.public_key(), b"hello").unwrap();
        }
    }

    #[test]
    fn r_and_s_outside_their_range_are_refused() {
        let n = hex::decode(N).unwrap();
        let one = {
            let mut b = [0; 32];
            b[31] = 1;
            b
        };
        for (r, s) in [
            (&[0; 32][..], &one[..]),
            (&one, &[0; 32]),
            (&n, &one),
            (&one, &n),
            (&[0xff; 32], &one),
        ] {
            let got = Signature::es256(&[r, s].concat());
            assert_eq!(got, Err(IdentityError::BadSignatureEncoding(Scheme::Es256)));
        }
        for length in [0, 63, 65, 70, 72] {
            assert!(Signature::es256(&vec![1; length]).is_err(), "{length} bytes");
            assert!(Signature::eddsa(&vec![1; length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_scheme_needs_a_key_of_its_kind() {
        let p256 = LocalKey::es256(&[1; 32]).unwrap();
        let ed = LocalKey::eddsa(&[1; 32]).unwrap();
        let got = p256.sign(b"x").verify(&ed.public_key(), b"x");
        assert_eq!(
            got,
            Err(IdentityError::SchemeMismatch {
                scheme: Scheme::Es256,
                key: Alg::EdDsa
            })
        );
        ed.sign(b"x").verify(&ed.public_key(), b"x").unwrap();
        assert_eq!(
            ed.sign(b"x").verify(&ed.public_key(), b"y"),
            Err(IdentityError::BadSignature)
        );
    }
}
