//! What can go wrong, as a code of the contract and a sentence for a person.
//! No panics: whatever the browser or a peer did ends here.

use std::fmt;

use wasm_bindgen::JsValue;

/// An error that the page shows: the code is for machines, the message for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Error {
    /// One of the contract's codes.
    pub code: &'static str,
    /// What happened, and what to do where that is known.
    pub message: String,
    /// Why exactly, as a word that a screen can translate.
    pub reason: Option<&'static str>,
}

/// Another site than the relay does not answer: by the contract a source of bytes like the relay, for a person another
/// sentence.
const SOURCE_UNREACHABLE: &str = "source_unreachable";

/// The codes of the contract; whatever comes from elsewhere is mapped onto one of them.
const CODES: [&str; 11] = [
    "no_webgpu",
    "device_lost",
    "wont_fit",
    "model_rejected",
    "no_route",
    "peer_lost",
    "relay_unreachable",
    "storage_full",
    "not_allowed",
    "bad_request",
    "aborted",
];

impl Error {
    /// An error with one of the contract's codes.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Error {
            code,
            message: message.into(),
            reason: None,
        }
    }

    /// The same with a word for why.
    pub(crate) fn because(code: &'static str, reason: &'static str, message: String) -> Self {
        Error {
            code,
            message,
            reason: Some(reason),
        }
    }

    /// The same from a code that came as data; an unknown one is a bad request.
    pub(crate) fn from_code(code: &str, message: impl Into<String>) -> Self {
        if code == SOURCE_UNREACHABLE {
            return Error::because("relay_unreachable", SOURCE_UNREACHABLE, message.into());
        }
        let code = CODES
            .into_iter()
            .find(|known| *known == code)
            .unwrap_or("bad_request");
        Error::new(code, message)
    }

    /// The relay did not answer, or not sensibly.
    pub(crate) fn relay(message: impl Into<String>) -> Self {
        Error::new("relay_unreachable", message)
    }

    /// A fault of ours or of the browser's that has no code of its own.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Error::new("aborted", message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}

/// What JavaScript threw, in words.
pub(crate) fn thrown(value: &JsValue) -> String {
    value
        .as_string()
        .or_else(|| js_sys::Reflect::get(value, &"message".into()).ok()?.as_string())
        .unwrap_or_else(|| format!("{value:?}"))
}
