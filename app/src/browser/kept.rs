//! Small records in localStorage: settings.
//! Knows nothing of what they mean; where storage is refused they last as long as the page.

use web_sys::Storage;

pub const SETTINGS: &str = "manyhands.settings";
pub const OWN_MODELS: &str = "manyhands.own-models";

pub fn read(key: &str) -> String {
    storage()
        .and_then(|storage| storage.get_item(key).ok().flatten())
        .unwrap_or_default()
}

pub fn write(key: &str, value: &str) {
    if let Some(storage) = storage() {
        // Full or refused: the page goes on with what it holds in memory.
        let _ = storage.set_item(key, value);
    }
}

fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}
