//! The right to write: one tab of the origin at a time, by a Web Lock. Whoever must not read what is half written
//! takes it as well.
//! Keeps nobody else from reading.

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

const NAME: &str = "manyhands-models-writer";

/// Held until it is dropped.
#[derive(Debug)]
pub(super) struct WriterLock {
    release: Option<js_sys::Function>,
}

impl WriterLock {
    /// Waits for its turn. A browser without locks gives the right at once: it has no private files either.
    pub(super) async fn take() -> WriterLock {
        let mut granted = None;
        let grant = js_sys::Promise::new(&mut |resolve, _| granted = Some(resolve));
        let mut release = None;
        let held = js_sys::Promise::new(&mut |resolve, _| release = Some(resolve));
        // From here on: whoever stops waiting for its turn gives it back.
        let lock = WriterLock { release };
        let (Some(granted), Some(request)) = (granted, request()) else {
            return lock;
        };
        let hold = Closure::once_into_js(move |_: JsValue| {
            // A promise's own function does not throw.
            let _ = granted.call0(&JsValue::UNDEFINED);
            held
        });
        if request(&hold).is_ok() {
            // A promise that nothing rejects.
            let _ = JsFuture::from(grant).await;
        }
        lock
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        if let Some(release) = &self.release {
            // Resolving the promise gives the lock back; there is nothing to do where that fails.
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// `navigator.locks.request` with our name.
fn request() -> Option<impl Fn(&JsValue) -> Result<JsValue, JsValue>> {
    let navigator = js_sys::Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let locks = js_sys::Reflect::get(&navigator, &"locks".into()).ok()?;
    let request = js_sys::Reflect::get(&locks, &"request".into())
        .ok()?
        .dyn_into::<js_sys::Function>()
        .ok()?;
    Some(move |hold: &JsValue| request.call2(&locks, &NAME.into(), hold))
}
