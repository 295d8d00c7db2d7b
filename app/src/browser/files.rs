//! Files that a person saves or opens.
//! Reads nothing that was not chosen, and not what is inside.

use js_sys::{Array, JsString};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, File, HtmlAnchorElement, HtmlInputElement, Url};

/// Offers `text` as a download.
pub fn save(name: &str, text: &str) -> Result<(), JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type("application/json");
    let blob = Blob::new_with_str_sequence_and_options(&Array::of1(&JsValue::from_str(text)), &options)?;
    let address = Url::create_object_url_with_blob(&blob)?;
    let document = web_sys::window()
        .and_then(|window| window.document())
        .ok_or(JsValue::UNDEFINED)?;
    let link: HtmlAnchorElement = document.create_element("a")?.unchecked_into();
    link.set_href(&address);
    link.set_download(name);
    link.click();
    Url::revoke_object_url(&address)
}

/// The first file of a file input, which is then empty again so that the same file can be chosen once more.
pub fn chosen(input: &HtmlInputElement) -> Option<File> {
    let file = input.files()?.get(0);
    input.set_value("");
    file
}

/// The text of a file of at most `max_bytes`.
pub async fn text(file: &File, max_bytes: usize) -> Option<String> {
    if file.size() > max_bytes as f64 {
        return None;
    }
    let text = JsFuture::from(file.text()).await.ok()?;
    text.dyn_into::<JsString>().ok().map(String::from)
}
