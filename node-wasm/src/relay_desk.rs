//! What a person asks of the relay over HTTP, and why it says no.
//! It only carries: what is asked, and whether the answer holds, is for whoever asks. Answers stay the browser's own
//! values: a reader for each kind of them would weigh more than all that is read.

use gloo::net::http::{Request, Response};
use js_sys::Reflect;
use wasm_bindgen::JsValue;

use crate::error::Error;

/// No honest answer is longer: a register of a thousand records.
const MAX_ANSWER_CHARS: usize = 1 << 20;
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

/// Asks the relay at `origin` for `path`.
pub(crate) async fn get(origin: &str, path: &str) -> Result<JsValue, Error> {
    said(origin, Request::get(&format!("{origin}{path}")).send().await).await
}

/// Tells it something, as pairs of names and texts that need no escapes.
pub(crate) async fn post(origin: &str, path: &str, body: &[(&str, &str)]) -> Result<JsValue, Error> {
    let pairs: Vec<String> = body
        .iter()
        .map(|(name, text)| format!("\"{name}\":\"{text}\""))
        .collect();
    let request = Request::post(&format!("{origin}{path}"))
        .header("content-type", "application/json")
        .body(format!("{{{}}}", pairs.join(",")))
        .map_err(|e| Error::internal(format!("a request: {e}")))?;
    said(origin, request.send().await).await
}

/// A part of an answer; undefined where there is none.
pub(crate) fn part(answer: &JsValue, name: &str) -> JsValue {
    Reflect::get(answer, &name.into()).unwrap_or_default()
}

/// The same as text.
pub(crate) fn text(answer: &JsValue, name: &str) -> Option<String> {
    part(answer, name).as_string()
}

/// The same where an answer without it is none.
pub(crate) fn need(answer: &JsValue, name: &str) -> Result<String, Error> {
    text(answer, name).ok_or_else(|| Error::relay(format!("the relay's answer has no {name}")))
}

/// What the relay said, or why it said no.
async fn said(origin: &str, response: Result<Response, gloo::net::Error>) -> Result<JsValue, Error> {
    let lost = |e: gloo::net::Error| Error::relay(format!("the relay at {origin} does not answer: {e}"));
    let response = response.map_err(lost)?;
    let (ok, status) = (response.ok(), response.status());
    let read = response.text().await.map_err(lost)?;
    if read.len() > MAX_ANSWER_CHARS {
        let message = format!("the relay's answer has {} letters", read.len());
        return Err(Error::relay(message));
    }
    let answer = js_sys::JSON::parse(&read);
    if ok {
        return answer.map_err(|_| Error::relay("the relay answers something else"));
    }
    let error = part(&answer.unwrap_or_default(), "error");
    let message = text(&error, "message").unwrap_or_else(|| format!("the relay answers {status}"));
    let reason = text(&error, "reason");
    Err(
        match REASONS
            .into_iter()
            .find(|known| reason.as_deref() == Some(*known))
        {
            Some(reason) => Error::because("not_allowed", reason, message),
            None if status < 500 => Error::new("bad_request", message),
            None => Error::relay(message),
        },
    )
}
