//! Whether the person is using the device: by the browser's idle detector where it was allowed, else by this page alone.
//! It pauses nothing: `lending` decides.

use std::cell::Cell;

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::capabilities::get;

/// Nobody who touched the device within this long is away.
const AWAY_AFTER_MS: f64 = 60_000.0;

thread_local! {
    static LAST_INPUT_MS: Cell<f64> = const { Cell::new(0.0) };
    /// What the detector last said, once it runs.
    static USER_IDLE: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Watches this page's own input for as long as it lives.
pub fn watch() {
    let Some(window) = web_sys::window() else { return };
    touched();
    let on_input = Closure::<dyn FnMut()>::new(touched);
    for event in ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"] {
        // A browser that lacks one of these fires the others.
        let _ = window.add_event_listener_with_callback(event, on_input.as_ref().unchecked_ref());
    }
    on_input.forget();
}

/// Whether the person is away, as far as anybody can tell.
pub fn is_idle() -> bool {
    USER_IDLE
        .get()
        .unwrap_or_else(|| js_sys::Date::now() - LAST_INPUT_MS.get() >= AWAY_AFTER_MS)
}

/// Asks the browser for its idle detector; from a click, since it asks the person. Without it this page's input counts.
pub async fn ask_for_detector() {
    let Some(window) = web_sys::window() else { return };
    let class = get(&window, "IdleDetector");
    let Some(request) = get(&class, "requestPermission")
        .dyn_ref::<js_sys::Function>()
        .cloned()
    else {
        return;
    };
    let Ok(promise) = request
        .call0(&class)
        .and_then(|p| p.dyn_into::<js_sys::Promise>())
    else {
        return;
    };
    let granted = JsFuture::from(promise)
        .await
        .ok()
        .and_then(|word| word.as_string());
    if granted.as_deref() == Some("granted") {
        let _ = start(&class).await;
    }
}

async fn start(class: &JsValue) -> Result<(), JsValue> {
    let constructor: &js_sys::Function = class.unchecked_ref();
    let detector = js_sys::Reflect::construct(constructor, &js_sys::Array::new())?;
    let said = detector.clone();
    let on_change = Closure::<dyn FnMut()>::new(move || {
        let idle = get(&said, "userState").as_string().as_deref() == Some("idle");
        let locked = get(&said, "screenState").as_string().as_deref() == Some("locked");
        USER_IDLE.set(Some(idle || locked));
    });
    let target: &web_sys::EventTarget = detector.unchecked_ref();
    target.add_event_listener_with_callback("change", on_change.as_ref().unchecked_ref())?;
    on_change.forget();
    let options = js_sys::Object::new();
    js_sys::Reflect::set(&options, &"threshold".into(), &AWAY_AFTER_MS.into())?;
    let run: js_sys::Function = get(&detector, "start").dyn_into()?;
    let running: js_sys::Promise = run.call1(&detector, &options)?.dyn_into()?;
    JsFuture::from(running).await.map(|_| ())
}

fn touched() {
    LAST_INPUT_MS.set(js_sys::Date::now());
}
