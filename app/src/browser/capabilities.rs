//! What this browser can do, found by looking for it.
//! Asks for nothing: no adapter, no permission, no storage.

use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// Taken once when the page opens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capabilities {
    pub secure: bool,
    pub webgpu: bool,
    pub webrtc: bool,
    pub indexeddb: bool,
    /// `navigator.deviceMemory` in GiB, where there is one.
    pub memory_gib: Option<f64>,
    pub phone: bool,
}

impl Capabilities {
    pub fn look() -> Self {
        let window: JsValue = web_sys::window().map(JsValue::from).unwrap_or(JsValue::UNDEFINED);
        let navigator = get(&window, "navigator");
        let phone = get(&get(&navigator, "userAgentData"), "mobile")
            .as_bool()
            .unwrap_or_else(|| {
                let agent = get(&navigator, "userAgent").as_string().unwrap_or_default();
                ["Android", "iPhone", "iPad", "Mobile"]
                    .iter()
                    .any(|mark| agent.contains(mark))
            });
        Self {
            secure: get(&window, "isSecureContext").is_truthy(),
            webgpu: get(&navigator, "gpu").is_truthy(),
            webrtc: get(&window, "RTCPeerConnection").is_truthy(),
            indexeddb: get(&window, "indexedDB").is_truthy(),
            memory_gib: get(&navigator, "deviceMemory").as_f64(),
            phone,
        }
    }
}

/// A property, or `undefined` where the object has none or refuses.
pub fn get(object: &JsValue, name: &str) -> JsValue {
    if object.is_undefined() || object.is_null() {
        return JsValue::UNDEFINED;
    }
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}
