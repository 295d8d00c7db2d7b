//! What a relay said last, kept in the browser, so that a page without a network has its swarm and its models.
//! Only a memory: whoever reads it goes on asking the relay.

use crate::relay_api::SwarmAnswer;

/// Longer answers are not worth a browser's small storage.
const MAX_KEPT_BYTES: usize = 256 << 10;

/// The last answer of the relay at `origin`, if one was kept that still reads.
pub(crate) fn read(origin: &str) -> Option<SwarmAnswer> {
    let text = storage()?.get_item(&key(origin)).ok().flatten()?;
    SwarmAnswer::read(origin, text.as_bytes()).ok()
}

/// Keeps an answer. A browser without room for it merely does without.
pub(crate) fn write(origin: &str, answer: &[u8]) {
    if let (Some(storage), Ok(text)) = (storage(), std::str::from_utf8(answer))
        && text.len() <= MAX_KEPT_BYTES
    {
        let _ = storage.set_item(&key(origin), text);
    }
}

fn key(origin: &str) -> String {
    format!("manyhands.relay.{origin}")
}

fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}
