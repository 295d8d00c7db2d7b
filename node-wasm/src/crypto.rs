//! WebCrypto in a few words: make a key pair, sign, seal under a passphrase, draw random bytes.
//! It keeps nothing and knows no formats.

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{CryptoKey, SubtleCrypto};

use crate::error::{Error, thrown};

/// A key pair as WebCrypto makes it, and the private half's bytes where it was made to be backed up.
pub(crate) struct Made {
    pub(crate) public: CryptoKey,
    pub(crate) private: CryptoKey,
    /// PKCS #8; whoever has it drops it as soon as it is sealed.
    pub(crate) pkcs8: Option<Uint8Array>,
}

/// A P-256 pair whose private half cannot be extracted. With `copy` its bytes come along once.
pub(crate) async fn generate(copy: bool) -> Result<Made, Error> {
    let usages = Array::of2(&"sign".into(), &"verify".into());
    let promise = subtle()?
        .generate_key_with_object(&ecdsa()?, copy, &usages)
        .map_err(|e| failed("make a key", &e))?;
    let pair = wait("make a key", promise).await?;
    let public = half(&pair, "publicKey")?;
    let private = half(&pair, "privateKey")?;
    if !copy {
        return Ok(Made {
            public,
            private,
            pkcs8: None,
        });
    }
    let promise = subtle()?
        .export_key("pkcs8", &private)
        .map_err(|e| failed("copy a new key", &e))?;
    let pkcs8 = Uint8Array::new(&wait("copy a new key", promise).await?);
    // From here on the key in use cannot be extracted.
    let private = import_private(&pkcs8).await?;
    Ok(Made {
        public,
        private,
        pkcs8: Some(pkcs8),
    })
}

/// One half of a stored pair.
pub(crate) fn half(pair: &JsValue, name: &str) -> Result<CryptoKey, Error> {
    Reflect::get(pair, &name.into())
        .ok()
        .and_then(|key| key.dyn_into().ok())
        .ok_or_else(|| Error::internal("a kept key is damaged; reset it on the keys page"))
}

/// A private key from its bytes, not extractable.
pub(crate) async fn import_private(pkcs8: &Uint8Array) -> Result<CryptoKey, Error> {
    let promise = subtle()?
        .import_key_with_object("pkcs8", pkcs8, &ecdsa()?, false, &Array::of1(&"sign".into()))
        .map_err(|e| failed("take the key in", &e))?;
    Ok(wait("take the key in", promise).await?.unchecked_into())
}

/// A public key from its 65 uncompressed bytes.
pub(crate) async fn import_public(raw: &Uint8Array) -> Result<CryptoKey, Error> {
    let promise = subtle()?
        .import_key_with_object("raw", raw, &ecdsa()?, true, &Array::of1(&"verify".into()))
        .map_err(|e| failed("take the key in", &e))?;
    Ok(wait("take the key in", promise).await?.unchecked_into())
}

/// The 65 bytes of a public key.
pub(crate) async fn raw(public: &CryptoKey) -> Result<Vec<u8>, Error> {
    let promise = subtle()?
        .export_key("raw", public)
        .map_err(|e| failed("read the public key", &e))?;
    Ok(Uint8Array::new(&wait("read the public key", promise).await?).to_vec())
}

/// r‖s over SHA-256 of `message`.
pub(crate) async fn sign(private: &CryptoKey, message: &[u8]) -> Result<Vec<u8>, Error> {
    let algorithm = object(&[("name", "ECDSA".into()), ("hash", "SHA-256".into())])?;
    let promise = subtle()?
        .sign_with_object_and_js_u8_array(&algorithm, private, &Uint8Array::from(message))
        .map_err(|e| failed("sign", &e))?;
    Ok(Uint8Array::new(&wait("sign", promise).await?).to_vec())
}

/// A sealing key, AES-256-GCM: from a passphrase by PBKDF2, from a secret by HKDF, both with SHA-256.
pub(crate) struct Sealer {
    key: CryptoKey,
}

impl Sealer {
    pub(crate) async fn new(passphrase: &str, salt: &[u8], iterations: u32) -> Result<Sealer, Error> {
        let bytes = Uint8Array::from(passphrase.as_bytes());
        let derivation = object(&[
            ("name", "PBKDF2".into()),
            ("hash", "SHA-256".into()),
            ("salt", Uint8Array::from(salt).into()),
            ("iterations", iterations.into()),
        ])?;
        Sealer::derive(&bytes, "PBKDF2", &derivation).await
    }

    /// From a secret that nobody can guess; `purpose` keeps keys for different uses apart.
    pub(crate) async fn of_secret(secret: &Uint8Array, salt: &[u8], purpose: &str) -> Result<Sealer, Error> {
        let derivation = object(&[
            ("name", "HKDF".into()),
            ("hash", "SHA-256".into()),
            ("salt", Uint8Array::from(salt).into()),
            ("info", Uint8Array::from(purpose.as_bytes()).into()),
        ])?;
        Sealer::derive(secret, "HKDF", &derivation).await
    }

    async fn derive(bytes: &Uint8Array, by: &str, derivation: &Object) -> Result<Sealer, Error> {
        let what = "derive a key to seal with";
        let promise = subtle()?
            .import_key_with_str("raw", bytes, by, false, &Array::of1(&"deriveKey".into()))
            .map_err(|e| failed(what, &e))?;
        let base: CryptoKey = wait(what, promise).await?.unchecked_into();
        let kind = object(&[("name", "AES-GCM".into()), ("length", 256.into())])?;
        let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
        let promise = subtle()?
            .derive_key_with_object_and_object(derivation, &base, &kind, false, &usages)
            .map_err(|e| failed(what, &e))?;
        Ok(Sealer {
            key: wait(what, promise).await?.unchecked_into(),
        })
    }

    /// `beside` is not hidden, but cannot be changed either.
    pub(crate) async fn seal(&self, iv: &[u8], beside: &str, plain: &Uint8Array) -> Result<Vec<u8>, Error> {
        let promise = subtle()?
            .encrypt_with_object_and_js_u8_array(&aes(iv, beside)?, &self.key, plain)
            .map_err(|e| failed("seal the key", &e))?;
        Ok(Uint8Array::new(&wait("seal the key", promise).await?).to_vec())
    }

    /// Nothing where the passphrase is another or the file was changed.
    pub(crate) async fn open(
        &self,
        iv: &[u8],
        beside: &str,
        sealed: &[u8],
    ) -> Result<Option<Uint8Array>, Error> {
        let promise = subtle()?
            .decrypt_with_object_and_js_u8_array(&aes(iv, beside)?, &self.key, &Uint8Array::from(sealed))
            .map_err(|e| failed("open the file", &e))?;
        Ok(JsFuture::from(promise)
            .await
            .ok()
            .map(|plain| Uint8Array::new(&plain)))
    }
}

/// Secret random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::internal(format!("no secure randomness: {e}")))?;
    Ok(bytes)
}

fn ecdsa() -> Result<Object, Error> {
    object(&[("name", "ECDSA".into()), ("namedCurve", "P-256".into())])
}

fn aes(iv: &[u8], beside: &str) -> Result<Object, Error> {
    object(&[
        ("name", "AES-GCM".into()),
        ("iv", Uint8Array::from(iv).into()),
        ("additionalData", Uint8Array::from(beside.as_bytes()).into()),
    ])
}

fn subtle() -> Result<SubtleCrypto, Error> {
    let crypto = js_sys::global()
        .unchecked_into::<web_sys::Window>()
        .crypto()
        .map_err(|e| failed("find WebCrypto", &e))?;
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

pub(crate) fn object(fields: &[(&str, JsValue)]) -> Result<Object, Error> {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value).map_err(|e| failed("describe an algorithm", &e))?;
    }
    Ok(object)
}

async fn wait(what: &str, promise: js_sys::Promise) -> Result<JsValue, Error> {
    JsFuture::from(promise).await.map_err(|e| failed(what, &e))
}

fn failed(what: &str, error: &JsValue) -> Error {
    Error::internal(format!("the browser could not {what}: {}", thrown(error)))
}
