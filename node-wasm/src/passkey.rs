//! A passkey as the secret of a backup: by WebAuthn's PRF extension it gives the same 32 bytes to whoever holds it.
//! It says nothing of who a person is: nothing that it signs is checked, and nothing of it leaves the browser.

use js_sys::{Array, Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::crypto::{self, object};
use crate::error::{Error, thrown};

/// No authenticator makes longer names for its keys.
const MAX_ID_BYTES: usize = 1_023;
/// COSE's numbers of the signatures that authenticators know; which one it is does not matter here.
const ALGORITHMS: [i32; 3] = [-7, -8, -257];

/// A passkey, and what it is asked about.
pub(crate) struct Passkey {
    pub(crate) id: Vec<u8>,
    pub(crate) salt: [u8; 32],
}

/// Whether this browser has passkeys that give secrets, for the address that this page has.
pub async fn passkeys() -> bool {
    // A number is no name that a passkey can be made for.
    let host = web_sys::window().and_then(|window| window.location().hostname().ok());
    if host.is_none_or(|host| host.starts_with('[') || host.ends_with(|c: char| c.is_ascii_digit())) {
        return false;
    }
    let asked = async {
        let class = get(&js_sys::global(), "PublicKeyCredential")?;
        let ask: Function = get(&class, "getClientCapabilities")?.dyn_into()?;
        let able = JsFuture::from(ask.call0(&class)?.dyn_into::<Promise>()?).await?;
        get(&able, "extension:prf")
    };
    asked.await.is_ok_and(|able| able.is_truthy())
}

impl Passkey {
    /// A passkey as a backup names it.
    pub(crate) fn new(id: Vec<u8>, salt: &[u8]) -> Option<Passkey> {
        let salt = salt.try_into().ok()?;
        (1..=MAX_ID_BYTES)
            .contains(&id.len())
            .then_some(Passkey { id, salt })
    }

    /// Has the person make a passkey; `name` is what their list of passkeys calls it.
    pub(crate) async fn make(name: &str) -> Result<(Passkey, Uint8Array), Error> {
        let salt = crypto::random::<32>()?;
        let kinds = Array::new();
        for algorithm in ALGORITHMS {
            let kind = object(&[("type", "public-key".into()), ("alg", algorithm.into())])?;
            kinds.push(&kind);
        }
        let user = object(&[
            ("id", Uint8Array::from(&crypto::random::<16>()?[..]).into()),
            ("name", name.into()),
            ("displayName", name.into()),
        ])?;
        let wanted = object(&[
            ("residentKey", "preferred".into()),
            ("userVerification", "required".into()),
        ])?;
        let options = object(&[
            ("rp", object(&[("name", "Manyhands".into())])?.into()),
            ("user", user.into()),
            ("challenge", challenge()?),
            ("pubKeyCredParams", kinds.into()),
            ("authenticatorSelection", wanted.into()),
            ("extensions", prf(&salt)?),
        ])?;
        let made = ask("create", options.into()).await?;
        let id = get(&made, "rawId").map(|id| Uint8Array::new(&id).to_vec());
        let passkey = id.ok().and_then(|id| Passkey::new(id, &salt));
        let passkey = passkey.ok_or_else(|| unable("the browser made no passkey"))?;
        // Some give their secret only when they are asked a second time.
        let secret = match secret_of(&made) {
            Some(secret) => secret,
            None => passkey.secret().await?,
        };
        Ok((passkey, secret))
    }

    /// Has the person show the passkey, and answers its secret.
    pub(crate) async fn secret(&self) -> Result<Uint8Array, Error> {
        let named = object(&[
            ("type", "public-key".into()),
            ("id", Uint8Array::from(&self.id[..]).into()),
        ])?;
        let options = object(&[
            ("challenge", challenge()?),
            ("allowCredentials", Array::of1(&named).into()),
            ("userVerification", "required".into()),
            ("extensions", prf(&self.salt)?),
        ])?;
        let shown = ask("get", options.into()).await?;
        secret_of(&shown).ok_or_else(|| unable("this passkey keeps no secret (PRF) that could seal a file"))
    }
}

/// `navigator.credentials.create` or `.get`.
async fn ask(what: &str, options: JsValue) -> Result<JsValue, Error> {
    let asked = async {
        let navigator = get(&js_sys::global(), "navigator")?;
        let credentials = get(&navigator, "credentials")?;
        let function: Function = get(&credentials, what)?.dyn_into()?;
        let options = object(&[("publicKey", options)]).map_err(|e| JsValue::from_str(&e.message))?;
        let answer = function.call1(&credentials, &options)?;
        JsFuture::from(answer.dyn_into::<Promise>()?).await
    };
    asked
        .await
        .map_err(|error| unable(&format!("no passkey was shown: {}", thrown(&error))))
}

/// Nobody checks the answer, so that it need not be remembered.
fn challenge() -> Result<JsValue, Error> {
    Ok(Uint8Array::from(&crypto::random::<32>()?[..]).into())
}

fn prf(salt: &[u8; 32]) -> Result<JsValue, Error> {
    let inputs = object(&[("first", Uint8Array::from(&salt[..]).into())])?;
    let eval = object(&[("eval", inputs.into())])?;
    Ok(object(&[("prf", eval.into())])?.into())
}

fn secret_of(credential: &JsValue) -> Option<Uint8Array> {
    let results: Function = get(credential, "getClientExtensionResults")
        .ok()?
        .dyn_into()
        .ok()?;
    let results = results.call0(credential).ok()?;
    let first = ["prf", "results", "first"]
        .into_iter()
        .try_fold(results, |object, name| get(&object, name))
        .ok()?;
    let secret = Uint8Array::new(&first);
    (secret.length() == 32).then_some(secret)
}

/// A property; absent is an error, as it is where the object itself is.
fn get(object: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    let value = Reflect::get(object, &name.into())?;
    if value.is_undefined() || value.is_null() {
        return Err(JsValue::from_str(&format!("there is no {name}")));
    }
    Ok(value)
}

fn unable(why: &str) -> Error {
    Error::because("not_allowed", "passkey", why.to_owned())
}
