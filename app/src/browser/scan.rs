//! Codes before the camera: by the browser's own reader, where it has one.
//! It follows no link; whoever asked shows what was read.

use std::time::Duration;

use futures::channel::oneshot;
use leptos::prelude::set_timeout;
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::HtmlElement;

use super::capabilities::get;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whether this browser reads codes and lets pages use the camera.
pub fn is_possible() -> bool {
    let Some(window) = web_sys::window() else {
        return false;
    };
    get(&window, "BarcodeDetector").is_truthy()
        && get(&get(&window.navigator(), "mediaDevices"), "getUserMedia").is_truthy()
}

/// A running camera. Dropping it turns it off.
pub struct Camera {
    stream: SendWrapper<JsValue>,
    video: SendWrapper<HtmlElement>,
}

impl Camera {
    /// Shows the camera in `video`; the browser asks the person.
    pub async fn open(video: HtmlElement) -> Result<Self, JsValue> {
        let window = web_sys::window().ok_or(JsValue::UNDEFINED)?;
        let devices = get(&window.navigator(), "mediaDevices");
        let wanted = object(&[("video", object(&[("facingMode", "environment".into())])?)])?;
        let stream = wait(&devices, "getUserMedia", Some(&wanted)).await?;
        let camera = Self {
            stream: SendWrapper::new(stream.clone()),
            video: SendWrapper::new(video.clone()),
        };
        js_sys::Reflect::set(&video, &"srcObject".into(), &stream)?;
        wait(&video, "play", None).await?;
        Ok(camera)
    }

    /// The first QR code in view; nothing once `stop` says so.
    pub async fn read(&self, stop: impl Fn() -> bool) -> Option<String> {
        let window = web_sys::window()?;
        let class: js_sys::Function = get(&window, "BarcodeDetector").dyn_into().ok()?;
        let formats = js_sys::Array::of1(&"qr_code".into());
        let options = object(&[("formats", formats.into())]).ok()?;
        let detector = js_sys::Reflect::construct(&class, &js_sys::Array::of1(&options)).ok()?;
        while !stop() {
            if let Ok(found) = wait(&detector, "detect", Some(&self.video)).await {
                let first = js_sys::Array::from(&found).get(0);
                if let Some(text) = get(&first, "rawValue").as_string() {
                    return Some(text);
                }
            }
            pause().await;
        }
        None
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let tracks = get(&self.stream, "getTracks")
            .dyn_into::<js_sys::Function>()
            .and_then(|tracks| tracks.call0(&self.stream))
            .map(|tracks| js_sys::Array::from(&tracks));
        for track in tracks.iter().flat_map(|tracks| tracks.iter()) {
            if let Ok(stop) = get(&track, "stop").dyn_into::<js_sys::Function>() {
                // A track that has ended already needs no stop.
                let _ = stop.call0(&track);
            }
        }
    }
}

async fn pause() {
    let (over, wait) = oneshot::channel::<()>();
    set_timeout(move || _ = over.send(()), LOOK_EVERY);
    let _ = wait.await;
}

async fn wait(object: &JsValue, method: &str, argument: Option<&JsValue>) -> Result<JsValue, JsValue> {
    let function: js_sys::Function = get(object, method).dyn_into()?;
    let promise = match argument {
        Some(argument) => function.call1(object, argument)?,
        None => function.call0(object)?,
    };
    JsFuture::from(promise.dyn_into::<js_sys::Promise>()?).await
}

fn object(fields: &[(&str, JsValue)]) -> Result<JsValue, JsValue> {
    let object = js_sys::Object::new();
    for (name, value) in fields {
        js_sys::Reflect::set(&object, &(*name).into(), value)?;
    }
    Ok(object.into())
}
