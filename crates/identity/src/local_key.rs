//! A key pair held in this process: for native nodes, relays and tests.
//! It makes no randomness (the caller brings the secret) and is not what browsers use: their key never leaves
//! WebCrypto, and signs through `Draft`.

use core::fmt;

use p256::ecdsa::signature::Signer as _;

use crate::{Alg, IdentityError, PublicKey, Scheme, Signature};

/// Something in this process that can sign.
pub trait SigningKey {
    /// The public half.
    fn public_key(&self) -> PublicKey;
    /// Signs `message`.
    fn sign(&self, message: &[u8]) -> Signature;
    /// How it signs.
    fn scheme(&self) -> Scheme {
        Scheme::plain(self.public_key().alg())
    }
}

/// A secret key in memory. Cleared on drop by the libraries that hold it; never shown.
#[derive(Clone)]
pub struct LocalKey {
    public: PublicKey,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Es256(p256::ecdsa::SigningKey),
    EdDsa(Box<ed25519_dalek::SigningKey>),
}

impl LocalKey {
    /// A P-256 key from 32 random bytes. Fails for one in 2³² of them: draw again.
    pub fn es256(secret: &[u8; 32]) -> Result<Self, IdentityError> {
        let bad = |_| IdentityError::BadKey(Alg::Es256);
        let secret = p256::ecdsa::SigningKey::from_slice(secret).map_err(bad)?;
        let public = PublicKey::new(Alg::Es256, secret.verifying_key().to_sec1_point(true).as_bytes())?;
        Ok(Self {
            public,
            secret: Secret::Es256(secret),
        })
    }

    /// An Ed25519 key from 32 random bytes.
    pub fn eddsa(secret: &[u8; 32]) -> Result<Self, IdentityError> {
        let secret = ed25519_dalek::SigningKey::from_bytes(secret);
        let public = PublicKey::new(Alg::EdDsa, secret.verifying_key().as_bytes())?;
        Ok(Self {
            public,
            secret: Secret::EdDsa(Box::new(secret)),
        })
    }
}

impl SigningKey for LocalKey {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Signature {
        match &self.secret {
            Secret::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Signature::from_p256(&signature)
            }
            Secret::EdDsa(key) => Signature::from_ed25519(key.sign(message).to_bytes()),
        }
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKey({})", self.public.node_id().short())
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A passkey in software, with everything about it that an attacker could vary.
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use sha2::{Digest, Sha256};

    pub(crate) struct Passkey {
        pub(crate) secret: p256::ecdsa::SigningKey,
        pub(crate) kind: &'static str,
        pub(crate) flags: u8,
        pub(crate) before: &'static str,
        pub(crate) after_challenge: &'static str,
    }

    impl Default for Passkey {
        fn default() -> Self {
            Self {
                secret: p256::ecdsa::SigningKey::from_slice(&[42; 32]).unwrap(),
                kind: "webauthn.get",
                flags: 5,
                before: "",
                after_challenge: "",
            }
        }
    }

    impl Passkey {
        pub(crate) fn public_key(&self) -> PublicKey {
            PublicKey::new(
                Alg::Es256,
                self.secret.verifying_key().to_sec1_point(true).as_bytes(),
            )
            .unwrap()
        }

        pub(crate) fn der(&self, message: &[u8]) -> Vec<u8> {
            let signature: p256::ecdsa::Signature = self.secret.sign(message);
            signature.to_der().as_bytes().to_vec()
        }

        /// What `navigator.credentials.get` gives for the challenge SHA-256(message).
        pub(crate) fn parts(&self, message: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(message));
            let client_data = format!(
                r#"{{{}"type":"{}","challenge":"{challenge}{}","origin":"https://swarm.example","crossOrigin":false}}"#,
                self.before, self.kind, self.after_challenge
            );
            let mut data = Sha256::digest(b"swarm.example").to_vec();
            data.extend([self.flags, 0, 0, 0, 9]);
            let der = self.der(&[data.as_slice(), &Sha256::digest(&client_data)].concat());
            (data, client_data.into_bytes(), der)
        }

        pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, IdentityError> {
            let (data, client_data, der) = self.parts(message);
            Signature::es256_webauthn(&data, &client_data, &der)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_outside_the_range_is_refused_and_none_is_shown() {
        assert_eq!(
            LocalKey::es256(&[0; 32]).unwrap_err(),
            IdentityError::BadKey(Alg::Es256)
        );
        assert_eq!(
            LocalKey::es256(&[0xff; 32]).unwrap_err(),
            IdentityError::BadKey(Alg::Es256)
        );
        let key = LocalKey::es256(&[0x11; 32]).unwrap();
        assert!(!format!("{key:?}").contains("1111"));
    }
}
