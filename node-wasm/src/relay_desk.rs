//! What a person asks of the relay over HTTP, and why it says no.
//! It only carries: what is asked, and whether the answer holds, is for whoever asks.

use gloo::net::http::{Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// No honest answer is longer: a register of a thousand records.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// The words for why that a screen can translate.
const REASONS: [&str; 7] = [
    "invite_unknown",
    "invite_expired",
    "used",
    "owned",
    "claimed",
    "claim_secret",
    "full",
];

#[derive(Deserialize)]
struct Refused {
    error: Why,
}

#[derive(Deserialize)]
struct Why {
    message: String,
    #[serde(default)]
    reason: Option<String>,
}

/// Asks the relay at `origin` for `path`.
pub(crate) async fn get<T: DeserializeOwned>(origin: &str, path: &str) -> Result<T, Error> {
    read(&sent(origin, Request::get(&format!("{origin}{path}")).send().await).await?)
}

/// Tells it something.
pub(crate) async fn post<T: DeserializeOwned>(
    origin: &str,
    path: &str,
    body: &serde_json::Value,
) -> Result<T, Error> {
    let request = Request::post(&format!("{origin}{path}"))
        .header("content-type", "application/json")
        .body(body.to_string())
        .map_err(|e| Error::internal(format!("a request: {e}")))?;
    read(&sent(origin, request.send().await).await?)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::relay(format!("the relay answers something else: {e}")))
}

/// What the relay said, or why it said no.
async fn sent(origin: &str, response: Result<Response, gloo::net::Error>) -> Result<Vec<u8>, Error> {
    let response =
        response.map_err(|e| Error::relay(format!("the relay at {origin} does not answer: {e}")))?;
    let (ok, status) = (response.ok(), response.status());
    let bytes = response
        .binary()
        .await
        .map_err(|e| Error::relay(format!("the relay's answer broke off: {e}")))?;
    if bytes.len() > MAX_ANSWER_BYTES {
        let message = format!("the relay's answer has {} bytes", bytes.len());
        return Err(Error::relay(message));
    }
    if ok {
        return Ok(bytes);
    }
    let code = if status < 500 {
        "bad_request"
    } else {
        "relay_unreachable"
    };
    let Ok(Refused { error }) = serde_json::from_slice(&bytes) else {
        return Err(Error::new(code, format!("the relay answers {status}")));
    };
    let known = REASONS
        .into_iter()
        .find(|known| error.reason.as_deref() == Some(*known));
    Err(match known {
        Some(reason) => Error::because("not_allowed", reason, error.message),
        None => Error::new(code, error.message),
    })
}
