//! A channel between the tabs of one browser on one origin: what one says, the others hear, it itself does not.
//! Only hints go over it: whoever hears one looks for itself.

use js_sys::{Array, Function, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::MessageEvent;

/// One tab's end, a `BroadcastChannel`. It lives as long as its page.
pub(crate) struct Channel {
    channel: JsValue,
    post: Function,
}

impl Channel {
    /// Nothing where the browser has no such channels, or gives this page none.
    pub(crate) fn open(name: &str) -> Option<Channel> {
        let make = Reflect::get(&js_sys::global(), &"BroadcastChannel".into()).ok()?;
        let make: Function = make.dyn_into().ok()?;
        let channel = Reflect::construct(&make, &Array::of1(&name.into())).ok()?;
        let post = Reflect::get(&channel, &"postMessage".into()).ok()?;
        Some(Channel {
            post: post.dyn_into().ok()?,
            channel,
        })
    }

    /// Calls `listener` with every text that another tab says.
    pub(crate) fn on_message(&self, listener: impl Fn(String) + 'static) {
        let listener = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(text) = event.data().as_string() {
                listener(text);
            }
        });
        // It fails for what is no object, which this is.
        let _ = Reflect::set(&self.channel, &"onmessage".into(), listener.as_ref());
        listener.forget();
    }

    /// Says something to all other tabs. That nobody hears it is no error.
    pub(crate) fn say(&self, text: &str) {
        let _ = self.post.call1(&self.channel, &text.into());
    }
}
