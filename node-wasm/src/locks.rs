//! What only one tab of a browser may do at a time: Web Locks, by name.
//! It guards nothing by itself; whoever writes takes the lock first.

use std::cell::RefCell;
use std::rc::Rc;

use futures::channel::oneshot;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Who lends what the swarm lacks, without naming layers.
pub(crate) const DEFAULT_LEND: &str = "manyhands-default-lend";

/// Who changes the registers in storage.
pub(crate) const REGISTERS: &str = "manyhands-registers";

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    release: Option<oneshot::Sender<()>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            // An error means that the browser has let it go already.
            let _ = release.send(());
        }
    }
}

/// The lock, unless another tab has it. Where the browser has none, or refuses (a page that is not secure), nobody
/// else can have it either.
pub(crate) async fn try_hold(name: &str) -> Option<Held> {
    ask(name, true).await
}

/// The lock, as soon as nobody else has it.
pub(crate) async fn hold(name: &str) -> Held {
    ask(name, false).await.unwrap_or(Held { release: None })
}

async fn ask(name: &str, if_available: bool) -> Option<Held> {
    let Some(manager) = manager() else {
        return Some(Held { release: None });
    };
    let (release, released) = oneshot::channel::<()>();
    let (granted, answer) = oneshot::channel::<bool>();
    let once = Rc::new(RefCell::new(Some((granted, released))));
    // The browser holds the lock for as long as the promise that this answers is open.
    let callback = Closure::<dyn FnMut(JsValue) -> js_sys::Promise>::new(move |lock: JsValue| {
        let Some((granted, released)) = once.borrow_mut().take() else {
            return js_sys::Promise::resolve(&JsValue::NULL);
        };
        let has_lock = !lock.is_null() && !lock.is_undefined();
        let _ = granted.send(has_lock);
        if !has_lock {
            return js_sys::Promise::resolve(&JsValue::NULL);
        }
        wasm_bindgen_futures::future_to_promise(async move {
            let _ = released.await;
            Ok(JsValue::NULL)
        })
    });
    let options = js_sys::Object::new();
    let _ = js_sys::Reflect::set(&options, &"ifAvailable".into(), &if_available.into());
    let asked = manager.request(name, &options, callback.as_ref().unchecked_ref());
    let Some(asked) = asked else {
        return Some(Held { release: None });
    };
    let has_lock = {
        // A refusal rejects the promise without ever calling us.
        let asked = JsFuture::from(asked);
        match futures::future::select(answer, asked).await {
            futures::future::Either::Left((answer, asked)) => {
                wasm_bindgen_futures::spawn_local(async move {
                    let _ = asked.await;
                });
                answer.unwrap_or(true)
            }
            futures::future::Either::Right((_, mut answer)) => {
                answer.try_recv().ok().flatten().unwrap_or(true)
            }
        }
    };
    // The browser calls it once, which has happened.
    drop(callback);
    has_lock.then_some(Held {
        release: Some(release),
    })
}

/// `navigator.locks`, which the bindings count among what may change.
struct LockManager {
    locks: JsValue,
    request: js_sys::Function,
}

impl LockManager {
    fn request(&self, name: &str, options: &JsValue, callback: &js_sys::Function) -> Option<js_sys::Promise> {
        let asked = self.request.call3(&self.locks, &name.into(), options, callback);
        asked.ok()?.dyn_into().ok()
    }
}

fn manager() -> Option<LockManager> {
    let navigator = js_sys::Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let locks = js_sys::Reflect::get(&navigator, &"locks".into()).ok()?;
    let request = js_sys::Reflect::get(&locks, &"request".into()).ok()?;
    Some(LockManager {
        request: request.dyn_into().ok()?,
        locks,
    })
}
