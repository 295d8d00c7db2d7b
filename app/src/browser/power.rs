//! Battery, kind of connection, and the locks that keep a lending page awake, each only where the browser has it.
//! Does not pause anything: `lending` decides.

use send_wrapper::SendWrapper;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::capabilities::get;

/// `Some(charging)` where the browser has a battery interface.
pub async fn charging() -> Option<bool> {
    let navigator: JsValue = web_sys::window()?.navigator().into();
    let battery = JsFuture::from(call(&navigator, "getBattery")?).await.ok()?;
    get(&battery, "charging").as_bool()
}

/// `Some(true)` where the browser says that bytes cost: mobile data, or the saving of data asked for.
pub fn metered() -> Option<bool> {
    let navigator: JsValue = web_sys::window()?.navigator().into();
    let connection = get(&navigator, "connection");
    if connection.is_undefined() {
        return None;
    }
    let cellular = get(&connection, "type")
        .as_string()
        .is_some_and(|kind| kind == "cellular");
    Some(cellular || get(&connection, "saveData").is_truthy())
}

/// Whether the page is behind another tab or the screen is off.
pub fn hidden() -> bool {
    web_sys::window()
        .and_then(|window| window.document())
        .is_some_and(|document| document.hidden())
}

/// Holds the screen on until dropped.
pub struct ScreenLock(SendWrapper<JsValue>);

impl ScreenLock {
    pub async fn take() -> Option<Self> {
        let navigator: JsValue = web_sys::window()?.navigator().into();
        let lock = get(&navigator, "wakeLock");
        let promise = lock.is_truthy().then(|| call(&lock, "request")).flatten()?;
        JsFuture::from(promise)
            .await
            .ok()
            .map(|lock| Self(SendWrapper::new(lock)))
    }

    /// The browser takes it away whenever the page is hidden, and does not give it back.
    pub fn is_held(&self) -> bool {
        !get(&self.0, "released").is_truthy()
    }
}

impl Drop for ScreenLock {
    fn drop(&mut self) {
        // Already released when the page was hidden: then there is nothing to do.
        let _ = call(&self.0, "release");
    }
}

/// Tells the browser that this hidden tab is at work: one that holds a Web Lock is not frozen to save energy.
pub struct TabLock(SendWrapper<js_sys::Function>);

impl TabLock {
    pub fn take() -> Option<Self> {
        let navigator: JsValue = web_sys::window()?.navigator().into();
        let locks = get(&navigator, "locks");
        let request = get(&locks, "request").dyn_into::<js_sys::Function>().ok()?;
        let mut release = None;
        let held = js_sys::Promise::new(&mut |resolve, _| release = Some(resolve));
        let hold = Closure::once_into_js(move |_: JsValue| held);
        let options = js_sys::Object::new();
        // Several tabs may lend at once.
        js_sys::Reflect::set(&options, &"mode".into(), &"shared".into()).ok()?;
        request
            .call3(&locks, &"manyhands-lending".into(), &options, &hold)
            .ok()?;
        release.map(|release| Self(SendWrapper::new(release)))
    }
}

impl Drop for TabLock {
    fn drop(&mut self) {
        // Resolving the promise gives the lock back; there is nothing to do where that fails.
        let _ = self.0.call0(&JsValue::UNDEFINED);
    }
}

fn call(object: &JsValue, method: &str) -> Option<js_sys::Promise> {
    get(object, method)
        .dyn_into::<js_sys::Function>()
        .ok()?
        .call0(object)
        .ok()?
        .dyn_into()
        .ok()
}
