//! What a passkey signs: authenticatorData ‖ SHA-256(clientDataJSON), with our message as the challenge.
//! It does not talk to an authenticator, and does not parse JSON.
//!
//! clientDataJSON is checked by the limited verification algorithm of WebAuthn level 3 §5.8.1.2, which was
//! written for verifiers without a JSON parser: every client serialises `type`, then `challenge`, then `origin`
//! first and in that order, so a prefix decides. A parser would have to settle what duplicate keys mean.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use minicbor::Decoder;
use sha2::{Digest, Sha256};

use crate::{IdentityError, Scheme};

/// RP id hash, flags and counter: the least an authenticator sends.
const MIN_AUTHENTICATOR_DATA_BYTES: usize = 37;
/// Assertions carry no attested key; with extension outputs they stay under this.
const MAX_AUTHENTICATOR_DATA_BYTES: usize = 512;
/// Type, challenge, origin and a few flags.
const MAX_CLIENT_DATA_BYTES: usize = 2048;
/// "User present": somebody touched it.
const FLAG_USER_PRESENT: u8 = 1;

/// The parts of an assertion that a verifier needs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Assertion {
    authenticator_data: Vec<u8>,
    client_data_json: Vec<u8>,
    /// r‖s, low-S.
    pub(crate) rs: [u8; 64],
}

impl Assertion {
    pub(crate) fn new(
        authenticator_data: &[u8],
        client_data_json: &[u8],
        rs: [u8; 64],
    ) -> Result<Self, IdentityError> {
        let within = (MIN_AUTHENTICATOR_DATA_BYTES..=MAX_AUTHENTICATOR_DATA_BYTES)
            .contains(&authenticator_data.len())
            && client_data_json.len() <= MAX_CLIENT_DATA_BYTES;
        if !within {
            return Err(IdentityError::BadSignatureEncoding(Scheme::Es256WebAuthn));
        }
        Ok(Self {
            authenticator_data: authenticator_data.to_vec(),
            client_data_json: client_data_json.to_vec(),
            rs,
        })
    }

    /// `[authenticatorData, clientDataJSON, r‖s]` as CBOR.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        use minicbor::bytes::ByteSlice;
        let parts: [&ByteSlice; 3] = [
            self.authenticator_data.as_slice().into(),
            self.client_data_json.as_slice().into(),
            self.rs.as_slice().into(),
        ];
        // Writing to a Vec cannot fail; an empty answer would only fail to verify.
        minicbor::to_vec(parts).unwrap_or_default()
    }

    /// The three parts of what [`Assertion::to_bytes`] wrote, in its one spelling.
    pub(crate) fn split(bytes: &[u8]) -> Result<[&[u8]; 3], IdentityError> {
        crate::cbor::check_deterministic(bytes)?;
        let mut d = Decoder::new(bytes);
        let mut parts = || {
            let length = d.array()?;
            let parts = [d.bytes()?, d.bytes()?, d.bytes()?];
            if length != Some(3) {
                return Err(minicbor::decode::Error::message("not three parts"));
            }
            Ok(parts)
        };
        parts().map_err(|_| IdentityError::BadSignatureEncoding(Scheme::Es256WebAuthn))
    }

    /// The bytes the authenticator signed, if they speak of `message` and somebody was present.
    pub(crate) fn signed_bytes(&self, message: &[u8]) -> Result<Vec<u8>, IdentityError> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(message));
        // The opening quote of the origin is part of the prefix: it ends the challenge unmistakably.
        let prefix = format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":""#);
        let present = self
            .authenticator_data
            .get(32)
            .is_some_and(|flags| flags & FLAG_USER_PRESENT != 0);
        if !present || !self.client_data_json.starts_with(prefix.as_bytes()) {
            return Err(IdentityError::BadSignature);
        }
        Ok([
            self.authenticator_data.as_slice(),
            &Sha256::digest(&self.client_data_json),
        ]
        .concat())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{PublicKey, Signature, local_key::testing::Passkey};

    fn check(passkey: &Passkey, expect: Result<(), IdentityError>) {
        let key: PublicKey = passkey.public_key();
        assert_eq!(
            passkey
                .sign(b"to be signed")
                .and_then(|s| s.verify(&key, b"to be signed")),
            expect
        );
    }

    #[test]
    fn a_passkey_signs_what_it_was_challenged_with() {
        check(&Passkey::default(), Ok(()));
        let key = Passkey::default();
        let other = key
            .sign(b"to be signed")
            .unwrap()
            .verify(&key.public_key(), b"something else");
        assert_eq!(other, Err(IdentityError::BadSignature));
    }

    #[test]
    fn an_assertion_for_another_purpose_is_refused() {
        let bad = Err(IdentityError::BadSignature);
        // A registration, not an assertion.
        check(
            &Passkey {
                kind: "webauthn.create",
                ..Passkey::default()
            },
            bad.clone(),
        );
        // Nobody touched the authenticator.
        check(
            &Passkey {
                flags: 0,
                ..Passkey::default()
            },
            bad.clone(),
        );
        // A field before the type, where a lenient parser would still find everything.
        check(
            &Passkey {
                before: r#""a":1,"#,
                ..Passkey::default()
            },
            bad.clone(),
        );
        // A challenge that only begins as ours.
        check(
            &Passkey {
                after_challenge: "AA",
                ..Passkey::default()
            },
            bad,
        );
    }

    #[test]
    fn parts_that_are_too_short_or_too_long_are_refused() {
        let passkey = Passkey::default();
        let bad = IdentityError::BadSignatureEncoding(Scheme::Es256WebAuthn);
        for padding in [MAX_AUTHENTICATOR_DATA_BYTES - 36, usize::MAX] {
            let data = if padding == usize::MAX {
                vec![1; 36]
            } else {
                vec![1; 37 + padding]
            };
            assert_eq!(
                Signature::es256_webauthn(&data, b"{}", &passkey.der(b"x")).unwrap_err(),
                bad
            );
        }
        let long = vec![b' '; MAX_CLIENT_DATA_BYTES + 1];
        assert_eq!(
            Signature::es256_webauthn(&[1; 37], &long, &passkey.der(b"x")).unwrap_err(),
            bad
        );
    }

    #[test]
    fn an_assertion_reads_back_what_it_writes() {
        let signature = Passkey::default().sign(b"m").unwrap();
        let back = Signature::from_bytes(Scheme::Es256WebAuthn, &signature.to_bytes()).unwrap();
        assert_eq!(back, signature);
        for cut in 0..signature.to_bytes().len() {
            assert!(
                Signature::from_bytes(Scheme::Es256WebAuthn, &signature.to_bytes()[..cut]).is_err(),
                "{cut}"
            );
        }
    }
}
