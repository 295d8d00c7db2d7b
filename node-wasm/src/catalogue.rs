//! The catalogue of models that ships with the app: fetched, and believed only with the signature of its key.
//! Does not read what it says.

use gloo::net::http::Request;
use identity::{PublicKey, Scheme, Signature};

use crate::error::Error;

/// The public half of the key that answers for the catalogue; the private half is with its maintainers.
const KEY: &str = "0254332dea99af7168842e56fb22ff835de609f7e60f43504c70fe2fa390cf0e12";
/// What is signed begins with this line, so that no other signature of that key passes for a catalogue's.
const CONTEXT: &str = "manyhands catalogue 1";
/// No catalogue is longer.
const MAX_BYTES: usize = 256 << 10;

/// The bytes of the catalogue beside this app.
pub async fn catalogue(origin: &str) -> Result<Vec<u8>, Error> {
    let bytes = fetch(&format!("{origin}/catalogue.json")).await?;
    let signature = fetch(&format!("{origin}/catalogue.sig")).await?;
    check(&bytes, &signature).ok_or_else(|| {
        Error::new(
            "model_rejected",
            "the catalogue is not signed by the key that this app knows",
        )
    })?;
    Ok(bytes)
}

fn check(bytes: &[u8], signature: &[u8]) -> Option<()> {
    let key = PublicKey::from_bytes(&unhex(KEY.as_bytes())?).ok()?;
    let signature = Signature::from_bytes(Scheme::EdDsa, &unhex(signature.trim_ascii())?).ok()?;
    let message = [CONTEXT.as_bytes(), b"\n", bytes].concat();
    signature.verify(&key, &message).ok()
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
        _ => None,
    };
    text.chunks(2).map(pair).collect()
}

async fn fetch(url: &str) -> Result<Vec<u8>, Error> {
    let failed = |e: gloo::net::Error| Error::relay(format!("{url}: {e}"));
    let response = Request::get(url).send().await.map_err(failed)?;
    if !response.ok() {
        return Err(Error::relay(format!("{url} answers {}", response.status())));
    }
    let bytes = response.binary().await.map_err(failed)?;
    if bytes.len() > MAX_BYTES {
        return Err(Error::relay(format!("{url} is {} bytes long", bytes.len())));
    }
    Ok(bytes)
}
