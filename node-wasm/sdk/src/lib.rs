//! The node as JavaScript sees it: converts, calls, converts back.
//! The shape that pages use (`createNode`, `chat.completions`) is `manyhands.js`'s business.

#![cfg(target_arch = "wasm32")]

mod chat;
mod options;

use std::rc::Rc;
use std::time::Duration;

use node_wasm::{Config, Error, Handle, LendOptions, Storage};
use serde::Serialize as _;
use wasm_bindgen::prelude::*;

use chat::Answer;
use options::{ChatOptions, LendOptionsJs, NodeOptions, Options};

/// A node of this page.
#[wasm_bindgen]
pub struct ManyhandsNode {
    handle: Handle,
}

#[wasm_bindgen]
impl ManyhandsNode {
    /// Starts a node; it connects in the background.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<ManyhandsNode, JsValue> {
        console_error_panic_hook::set_once();
        let options: NodeOptions = read(options)?;
        let mut config = Config::new(options.relay);
        config.storage = match options.storage.as_deref() {
            None | Some("persistent") => Storage::Persistent,
            Some("memory") => Storage::Memory,
            Some(other) => {
                return Err(bad(&format!(
                    "storage {other:?} is neither \"memory\" nor \"persistent\""
                )));
            }
        };
        Ok(ManyhandsNode {
            handle: Handle::start(config),
        })
    }

    /// Lends layers; resolves when they are served.
    pub async fn lend(&self, options: JsValue) -> Result<(), JsValue> {
        let options: LendOptionsJs = read(options)?;
        let backend = options.backend().map_err(|e| thrown(&e))?;
        let power = options.power().map_err(|e| thrown(&e))?;
        let handle = self.handle.clone();
        handle.set_power(power);
        handle
            .lend(LendOptions {
                model: options.model,
                layers: options.layers,
                backend,
                small: node_wasm::is_phone(),
            })
            .await
            .map_err(|e| thrown(&e))
    }

    /// At most this share of the time goes into lent work, from the next step on.
    #[wasm_bindgen(js_name = setMaxDuty)]
    pub fn set_max_duty(&self, share: f64) -> Result<(), JsValue> {
        self.handle
            .set_power(options::power(share).map_err(|e| thrown(&e))?);
        Ok(())
    }

    /// Stops lending.
    #[wasm_bindgen(js_name = stopLending)]
    pub async fn stop_lending(&self) {
        self.handle.clone().stop_lending().await;
    }

    /// Asks; the answer's chunks come one after the other from its `next`.
    pub fn ask(&self, options: JsValue) -> Result<Answer, JsValue> {
        let options: ChatOptions = read(options)?;
        let request = options.into_request().map_err(|e| thrown(&e))?;
        Ok(Answer::new(self.handle.chat(request)))
    }

    /// The state now, as plain data: what JSON could say.
    pub fn status(&self) -> Result<JsValue, JsValue> {
        let plain = serde_wasm_bindgen::Serializer::json_compatible();
        Ok(self.handle.snapshot().serialize(&plain)?)
    }

    /// Calls `listener` after each change of the state.
    #[wasm_bindgen(js_name = onState)]
    pub fn on_state(&self, listener: js_sys::Function) {
        let listener = Rc::new(listener);
        let listening = self.handle.on_change(move || {
            // What a listener throws is its page's business.
            let _ = listener.call0(&JsValue::NULL);
        });
        listening.forever();
    }

    /// Ends the node.
    pub async fn stop(&self) {
        self.handle.clone().stop().await;
    }
}

/// Keeps a signed receipt of what a person agreed to on a page of ours, for at most so many hours.
#[wasm_bindgen(js_name = keepReceipt)]
pub async fn keep_receipt(purpose: u16, terms: u32, hours: u32) -> Result<(), JsValue> {
    let lasting = Duration::from_secs(u64::from(hours) * 3600);
    node_wasm::keep_receipt(purpose, terms, lasting)
        .await
        .map_err(|e| thrown(&e))
}

/// Reads options; a field that is not known is refused here, since the deserialiser asks only for
/// the fields that it knows.
fn read<T: Options>(value: JsValue) -> Result<T, JsValue> {
    let value = if value.is_undefined() || value.is_null() {
        js_sys::Object::new().into()
    } else {
        value
    };
    if let Some(object) = value.dyn_ref::<js_sys::Object>() {
        for name in js_sys::Object::keys(object)
            .iter()
            .filter_map(|key| key.as_string())
        {
            if !T::FIELDS.contains(&name.as_str()) {
                return Err(bad(&format!("{name}: this cannot be honoured")));
            }
        }
    }
    serde_wasm_bindgen::from_value(value).map_err(|e| bad(&e.to_string()))
}

fn bad(message: &str) -> JsValue {
    thrown(&Error::new("bad_request", message))
}

/// `{error: {message, type, code, param}}` as an `Error` that can be thrown.
pub(crate) fn thrown(error: &Error) -> JsValue {
    let thrown = js_sys::Error::new(&error.message);
    let inner = js_sys::Object::new();
    let set = |object: &JsValue, name: &str, value: JsValue| {
        // Setting a plain property of a fresh object does not fail.
        let _ = js_sys::Reflect::set(object, &name.into(), &value);
    };
    set(&inner, "message", error.message.as_str().into());
    set(&inner, "type", "manyhands_error".into());
    set(&inner, "code", error.code.into());
    set(&inner, "param", JsValue::NULL);
    set(&thrown, "code", error.code.into());
    set(&thrown, "error", inner.into());
    thrown.into()
}
