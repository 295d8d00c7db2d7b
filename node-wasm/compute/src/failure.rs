//! Why a question could not be answered: a code of the contract and a sentence.
//! Every error of the engine, of a file and of the network ends here.

use jobs::Failure;
use wasm_bindgen::JsValue;

/// A failure with one of the contract's codes.
pub(crate) fn failure(code: &str, message: impl Into<String>) -> Failure {
    Failure {
        code: code.to_owned(),
        message: message.into(),
    }
}

/// The relay, or whoever has the file, did not give what was asked.
pub(crate) fn unreachable(what: &str, error: &JsValue) -> Failure {
    let words = js_sys::Reflect::get(error, &"message".into())
        .ok()
        .and_then(|m| m.as_string());
    failure(
        "relay_unreachable",
        format!("{what}: {}", words.unwrap_or_else(|| format!("{error:?}"))),
    )
}

/// The file is not what its manifest promises, or not a model that we compute.
pub(crate) fn rejected(message: impl Into<String>) -> Failure {
    failure("model_rejected", message)
}
