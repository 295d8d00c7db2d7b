//! Who this browser is: a P-256 key pair made by WebCrypto, kept in IndexedDB.
//! The private half never reaches this code: it is not extractable, and WebCrypto alone signs with it.

use identity::{NodeId, PublicKey, Signature};
use js_sys::{Array, Object, Reflect, Uint8Array};
use rexie::{ObjectStore, Rexie, TransactionMode};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};

use crate::error::{Error, thrown};
use crate::locks;

const DATABASE: &str = "manyhands-keys";
const STORE: &str = "keys";
/// The one identity of this browser.
const IDENTITY: &str = "identity";

/// The identity, by its public half; the pair itself stays with the browser.
#[derive(Clone)]
pub(crate) struct IdentityKey {
    public: PublicKey,
    /// The browser's handle of the private half: good for signing, not for reading.
    private: CryptoKey,
}

impl IdentityKey {
    /// The identity that this browser keeps, if it has one.
    pub(crate) async fn load() -> Result<Option<IdentityKey>, Error> {
        let store = open().await?;
        let transaction = store
            .transaction(&[STORE], TransactionMode::ReadOnly)
            .map_err(storage)?;
        let pair = transaction
            .store(STORE)
            .map_err(storage)?
            .get(IDENTITY.into())
            .await
            .map_err(storage)?;
        match pair {
            Some(pair) if !pair.is_undefined() && !pair.is_null() => {
                IdentityKey::from_pair(&pair).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A fresh key pair, not yet kept.
    pub(crate) async fn generate() -> Result<(IdentityKey, JsValue), Error> {
        let algorithm = object(&[("name", "ECDSA".into()), ("namedCurve", "P-256".into())])?;
        let usages = Array::of2(&"sign".into(), &"verify".into());
        let promise = subtle()?
            .generate_key_with_object(&algorithm, false, &usages)
            .map_err(|e| crypto("make a key", &e))?;
        let pair = JsFuture::from(promise)
            .await
            .map_err(|e| crypto("make a key", &e))?;
        Ok((IdentityKey::from_pair(&pair).await?, pair))
    }

    /// A fresh key pair, kept in IndexedDB; the one that is kept there already where another tab
    /// was quicker.
    pub(crate) async fn create() -> Result<IdentityKey, Error> {
        let _one_tab_at_a_time = locks::hold(locks::IDENTITY).await;
        if let Some(kept) = IdentityKey::load().await? {
            return Ok(kept);
        }
        let (key, pair) = IdentityKey::generate().await?;
        let store = open().await?;
        let transaction = store
            .transaction(&[STORE], TransactionMode::ReadWrite)
            .map_err(storage)?;
        transaction
            .store(STORE)
            .map_err(storage)?
            .put(&pair, Some(&IDENTITY.into()))
            .await
            .map_err(storage)?;
        transaction.done().await.map_err(storage)?;
        Ok(key)
    }

    /// Forgets the identity that this browser keeps. It cannot be brought back without a backup.
    pub(crate) async fn forget() -> Result<(), Error> {
        let _one_tab_at_a_time = locks::hold(locks::IDENTITY).await;
        let store = open().await?;
        let transaction = store
            .transaction(&[STORE], TransactionMode::ReadWrite)
            .map_err(storage)?;
        transaction
            .store(STORE)
            .map_err(storage)?
            .delete(IDENTITY.into())
            .await
            .map_err(storage)?;
        transaction.done().await.map_err(storage)?;
        Ok(())
    }

    /// Signs the bytes of a record that identity drafted.
    pub(crate) async fn sign(&self, message: &[u8]) -> Result<Signature, Error> {
        let algorithm = object(&[
            ("name", "ECDSA".into()),
            ("hash", object(&[("name", "SHA-256".into())])?.into()),
        ])?;
        let promise = subtle()?
            .sign_with_object_and_u8_array(&algorithm, &self.private, message)
            .map_err(|e| crypto("sign", &e))?;
        let signed = JsFuture::from(promise).await.map_err(|e| crypto("sign", &e))?;
        Signature::es256(&Uint8Array::new(&signed).to_vec())
            .map_err(|e| Error::internal(format!("the browser signed something odd: {e}")))
    }

    /// The public half.
    pub(crate) fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Who this is.
    pub(crate) fn node_id(&self) -> NodeId {
        self.public.node_id()
    }

    async fn from_pair(pair: &JsValue) -> Result<IdentityKey, Error> {
        let half = |name: &str| {
            let key = Reflect::get(pair, &name.into()).ok();
            key.and_then(|key| key.dyn_into::<CryptoKey>().ok())
                .ok_or_else(|| {
                    Error::internal(format!(
                        "the kept identity has no {name}; reset it on the keys page"
                    ))
                })
        };
        let (public, private) = (half("publicKey")?, half("privateKey")?);
        let promise = subtle()?
            .export_key("raw", &public)
            .map_err(|e| crypto("read the public key", &e))?;
        let raw = JsFuture::from(promise)
            .await
            .map_err(|e| crypto("read the public key", &e))?;
        let public = PublicKey::new(identity::Alg::Es256, &Uint8Array::new(&raw).to_vec())
            .map_err(|e| Error::internal(format!("the kept public key is broken: {e}")))?;
        Ok(IdentityKey { public, private })
    }
}

async fn open() -> Result<Rexie, Error> {
    Rexie::builder(DATABASE)
        .version(1)
        .add_object_store(ObjectStore::new(STORE))
        .build()
        .await
        .map_err(storage)
}

fn subtle() -> Result<SubtleCrypto, Error> {
    let crypto = js_sys::global()
        .unchecked_into::<web_sys::Window>()
        .crypto()
        .map_err(|e| crypto("find WebCrypto", &e))?;
    let subtle = crypto.subtle();
    // On a page that is not secure the property is undefined, whatever the bindings say.
    if subtle.is_undefined() {
        return Err(Error::new(
            "not_allowed",
            "this page is not secure, so the browser keeps no keys: open it over https or on localhost",
        ));
    }
    Ok(subtle)
}

fn object(fields: &[(&str, JsValue)]) -> Result<Object, Error> {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value).map_err(|e| crypto("describe an algorithm", &e))?;
    }
    Ok(object)
}

fn crypto(what: &str, error: &JsValue) -> Error {
    Error::internal(format!("the browser could not {what}: {}", thrown(error)))
}

fn storage(error: rexie::Error) -> Error {
    Error::new("storage_full", format!("the browser's storage refused: {error}"))
}
