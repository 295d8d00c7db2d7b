//! A tone that nobody hears: a tab that plays something is not put to sleep.
//! It starts only where the person ticked the box for it.

use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast as _, JsValue};

use super::capabilities::get;

/// Far below what a loudspeaker makes audible, and not silence.
const GAIN: f64 = 0.001;
const HERTZ: f64 = 40.0;

/// Plays until dropped.
pub struct Tone(SendWrapper<JsValue>);

impl Tone {
    /// Nothing where the browser plays nothing.
    pub fn play() -> Option<Self> {
        let window = web_sys::window()?;
        let class: js_sys::Function = get(&window, "AudioContext").dyn_into().ok()?;
        let context = js_sys::Reflect::construct(&class, &js_sys::Array::new()).ok()?;
        let oscillator = call(&context, "createOscillator", &[])?;
        let gain = call(&context, "createGain", &[])?;
        set_value(&get(&oscillator, "frequency"), HERTZ)?;
        set_value(&get(&gain, "gain"), GAIN)?;
        call(&oscillator, "connect", &[&gain])?;
        call(&gain, "connect", &[&get(&context, "destination")])?;
        call(&oscillator, "start", &[])?;
        Some(Self(SendWrapper::new(context)))
    }
}

impl Drop for Tone {
    fn drop(&mut self) {
        // A context that is closed already has nothing to stop.
        let _ = call(&self.0, "close", &[]);
    }
}

fn call(object: &JsValue, method: &str, arguments: &[&JsValue]) -> Option<JsValue> {
    let arguments: js_sys::Array = arguments.iter().copied().collect();
    let function: js_sys::Function = get(object, method).dyn_into().ok()?;
    function.apply(object, &arguments).ok()
}

fn set_value(parameter: &JsValue, value: f64) -> Option<bool> {
    js_sys::Reflect::set(parameter, &"value".into(), &value.into()).ok()
}
