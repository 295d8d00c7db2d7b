//! P-256 key pairs of this browser: made by WebCrypto, kept as they are, used to sign records.
//! A private half that is in use never reaches this code: WebCrypto alone signs with it.

use identity::{Alg, Authority, CoSigned, NodeId, PublicKey, Record, Scheme, Signature, Signed};
use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::CryptoKey;

use crate::crypto;
use crate::error::Error;

/// A pair of which the private half stays with the browser.
#[derive(Clone)]
pub(crate) struct KeyPair {
    public: PublicKey,
    public_key: CryptoKey,
    private_key: CryptoKey,
}

impl KeyPair {
    /// A fresh pair that can never leave this browser.
    pub(crate) async fn bound() -> Result<KeyPair, Error> {
        let made = crypto::generate(false).await?;
        KeyPair::new(made.public, made.private).await
    }

    /// A fresh pair, and the bytes of its private half, for a backup.
    pub(crate) async fn with_copy() -> Result<(KeyPair, Uint8Array), Error> {
        let made = crypto::generate(true).await?;
        let pkcs8 = made
            .pkcs8
            .ok_or_else(|| Error::internal("the browser made no copy of a new key"))?;
        Ok((KeyPair::new(made.public, made.private).await?, pkcs8))
    }

    /// A pair from a backup: the 65 bytes of the public half, and the private half. Whether they belong together is
    /// found out by signing.
    pub(crate) async fn restore(public: &[u8], pkcs8: &Uint8Array) -> Result<KeyPair, Error> {
        let private_key = crypto::import_private(pkcs8).await?;
        let public_key = crypto::import_public(&Uint8Array::from(public)).await?;
        let pair = KeyPair::new(public_key, private_key).await?;
        let challenge = crypto::random::<32>()?;
        let signature = pair.signature(&challenge).await?;
        signature
            .verify(&pair.public, &challenge)
            .map_err(|_| Error::new("bad_request", "the two halves of this key do not belong together"))?;
        Ok(pair)
    }

    /// A pair as it lies in storage.
    pub(crate) async fn from_stored(stored: &JsValue) -> Result<KeyPair, Error> {
        KeyPair::new(
            crypto::half(stored, "publicKey")?,
            crypto::half(stored, "privateKey")?,
        )
        .await
    }

    /// For storage: the keys themselves, which only this browser can use.
    pub(crate) fn to_stored(&self) -> Result<JsValue, Error> {
        let stored = Object::new();
        for (name, key) in [("publicKey", &self.public_key), ("privateKey", &self.private_key)] {
            Reflect::set(&stored, &name.into(), key)
                .map_err(|_| Error::internal("a key cannot be put into storage"))?;
        }
        Ok(stored.into())
    }

    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        self.public
    }

    /// The 65 bytes of the public half, which every WebCrypto takes in again.
    pub(crate) async fn raw_public(&self) -> Result<Vec<u8>, Error> {
        crypto::raw(&self.public_key).await
    }

    /// Who this is.
    pub(crate) fn node_id(&self) -> NodeId {
        self.public.node_id()
    }

    /// As the author of registry records.
    pub(crate) fn authority(&self) -> Authority {
        Authority::Key(self.public)
    }

    /// Signs a record.
    pub(crate) async fn sign<T: Record>(&self, record: &T) -> Result<Signed<T>, Error> {
        let draft = Signed::draft(record, self.public, Scheme::Es256).map_err(unsignable)?;
        let signature = self.signature(draft.to_be_signed()).await?;
        draft.assemble(signature).map_err(unsignable)
    }

    /// Adds this key's signature to a record that several may sign.
    pub(crate) async fn cosign<T: Record>(&self, record: &mut CoSigned<T>) -> Result<(), Error> {
        let message = record.to_be_signed(&self.public, Scheme::Es256);
        let signature = self.signature(&message).await?;
        record.add(self.public, signature).map_err(unsignable)
    }

    /// Signs bytes that are ready to be signed.
    pub(crate) async fn signature(&self, message: &[u8]) -> Result<Signature, Error> {
        let bytes = crypto::sign(&self.private_key, message).await?;
        Signature::es256(&bytes).map_err(unsignable)
    }

    async fn new(public_key: CryptoKey, private_key: CryptoKey) -> Result<KeyPair, Error> {
        let public = PublicKey::new(Alg::Es256, &crypto::raw(&public_key).await?)
            .map_err(|e| Error::internal(format!("a kept public key is broken: {e}")))?;
        Ok(KeyPair {
            public,
            public_key,
            private_key,
        })
    }
}

fn unsignable(error: identity::IdentityError) -> Error {
    Error::internal(format!("this cannot be signed: {error}"))
}
