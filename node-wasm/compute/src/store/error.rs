//! Why something was not kept, as the browser said it.
//! Decides nothing: whoever wanted it kept says what that means.

use jobs::Failure;
use wasm_bindgen::{JsCast as _, JsValue};

use crate::failure::failure;

/// Why a store did not keep something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// The browser gives this page no storage.
    Refused(String),
    /// There is no room, or not for us.
    Full,
    /// The bytes are not what their name says.
    WrongHash,
    /// Something else, in the browser's words.
    Broken(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StoreError::Refused(why) => write!(f, "the browser keeps no files for this page: {why}"),
            StoreError::Full => write!(f, "the browser has no more room for this page"),
            StoreError::WrongHash => write!(f, "the bytes are not what their hash says"),
            StoreError::Broken(why) => write!(f, "the browser's storage failed: {why}"),
        }
    }
}

impl From<JsValue> for StoreError {
    fn from(error: JsValue) -> StoreError {
        let text = |key: &str| {
            js_sys::Reflect::get(&error, &key.into())
                .ok()
                .and_then(|value| value.as_string())
                .unwrap_or_default()
        };
        let message = text("message");
        match text("name").as_str() {
            "QuotaExceededError" => StoreError::Full,
            "SecurityError" | "NotAllowedError" | "NotSupportedError" => StoreError::Refused(message),
            "" if !error.is_object() => StoreError::Broken(format!("{error:?}")),
            name if error.has_type::<js_sys::TypeError>() => {
                StoreError::Refused(format!("{name}: {message}"))
            }
            name => StoreError::Broken(format!("{name}: {message}")),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let code = match &error {
            StoreError::Refused(_) => "not_allowed",
            StoreError::Full | StoreError::Broken(_) => "storage_full",
            StoreError::WrongHash => "model_rejected",
        };
        failure(code, error.to_string())
    }
}
