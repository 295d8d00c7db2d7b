//! Codes before the camera: by the browser's own reader where it has one, else by ours, which is fetched then.
//! It follows no link; whoever asked judges and shows what was read.

use std::pin::pin;

use futures::future::{Either, select};
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::HtmlElement;

use super::capabilities::get;
use super::{page, power};
use crate::frame;
use crate::state::{CodeReader, MAX_CODE_SIDE};

/// Four looks a second: quick for a person, little for a phone.
const LOOK_EVERY_MS: i32 = 250;
/// How often in a row a reader may fail before it is given up: the first frames of a camera are often none.
const MAX_FAILURES: u32 = 8;

/// Whether this browser lets this page use a camera at all.
pub fn is_possible() -> bool {
    web_sys::window()
        .is_some_and(|window| get(&get(&window.navigator(), "mediaDevices"), "getUserMedia").is_truthy())
}

/// How a look through the camera ended.
pub enum Seen {
    Code(String),
    /// It was turned off: by the person, or since nobody looks at the page.
    Stopped,
    /// It went away, or nothing here can read codes.
    Failed,
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
        let stream = wait(&devices, "getUserMedia", &[&wanted]).await?;
        let camera = Self {
            stream: SendWrapper::new(stream.clone()),
            video: SendWrapper::new(video.clone()),
        };
        js_sys::Reflect::set(&video, &"srcObject".into(), &stream)?;
        wait(&video, "play", &[]).await?;
        Ok(camera)
    }

    /// The first QR code in view, until `stop` says so or the page is hidden.
    pub async fn read(&self, stop: impl Fn() -> bool) -> Seen {
        let mut reader = Reader::of_browser().or_else(Reader::ours);
        let mut failures = 0;
        while let Some(now) = &reader {
            // A reader may take long, and whoever turned the camera off must not wait for it.
            match select(pin!(now.look(&self.video)), pin!(self.ended(&stop))).await {
                Either::Right((seen, _)) => return seen,
                Either::Left((Ok(Some(text)), _)) => return Seen::Code(text),
                Either::Left((Ok(None), _)) => failures = 0,
                Either::Left((Err(_), _)) => failures += 1,
            }
            if failures == MAX_FAILURES {
                failures = 0;
                // Some browsers have a reader that reads nothing on this system.
                reader = match now {
                    Reader::Browser(_) => Reader::ours(),
                    Reader::Ours { .. } => None,
                };
            }
            page::sleep(LOOK_EVERY_MS).await;
        }
        Seen::Failed
    }

    /// Comes back when there is nothing to look at any more.
    async fn ended(&self, stop: impl Fn() -> bool) -> Seen {
        loop {
            if stop() || power::hidden() {
                return Seen::Stopped;
            }
            if !self.is_live() {
                return Seen::Failed;
            }
            page::sleep(LOOK_EVERY_MS).await;
        }
    }

    /// Whether any of its tracks still runs: a camera can be unplugged, and a permission taken back.
    fn is_live(&self) -> bool {
        self.tracks()
            .iter()
            .any(|track| get(&track, "readyState").as_string().as_deref() == Some("live"))
    }

    fn tracks(&self) -> js_sys::Array {
        call(&self.stream, "getTracks", &[])
            .map(|tracks| js_sys::Array::from(&tracks))
            .unwrap_or_default()
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        for track in self.tracks().iter() {
            // A track that has ended already needs no stop.
            let _ = call(&track, "stop", &[]);
        }
        let _ = js_sys::Reflect::set(&self.video, &"srcObject".into(), &JsValue::NULL);
    }
}

/// What finds a code in a frame.
enum Reader {
    Browser(JsValue),
    /// Frames are drawn to a canvas that nobody sees.
    Ours {
        codes: CodeReader,
        canvas: JsValue,
        pen: JsValue,
    },
}

impl Reader {
    fn of_browser() -> Option<Self> {
        let window: JsValue = web_sys::window()?.into();
        let class: js_sys::Function = get(&window, "BarcodeDetector").dyn_into().ok()?;
        let formats = js_sys::Array::of1(&"qr_code".into());
        let options = object(&[("formats", formats.into())]).ok()?;
        let detector = js_sys::Reflect::construct(&class, &js_sys::Array::of1(&options)).ok()?;
        Some(Self::Browser(detector))
    }

    fn ours() -> Option<Self> {
        let canvas: JsValue = web_sys::window()?
            .document()?
            .create_element("canvas")
            .ok()?
            .into();
        let options = object(&[("willReadFrequently", true.into())]).ok()?;
        let pen = call(&canvas, "getContext", &[&"2d".into(), &options]).ok()?;
        pen.is_object().then(|| Self::Ours {
            codes: CodeReader::of(&page::origin()),
            canvas,
            pen,
        })
    }

    async fn look(&self, video: &HtmlElement) -> Result<Option<String>, JsValue> {
        match self {
            Self::Browser(detector) => {
                let found = wait(detector, "detect", &[video]).await?;
                Ok(get(&js_sys::Array::from(&found).get(0), "rawValue").as_string())
            }
            Self::Ours { codes, canvas, pen } => {
                let side = |name| get(video, name).as_f64().unwrap_or(0.0) as u32;
                let fitted = frame::fit(side("videoWidth"), side("videoHeight"), MAX_CODE_SIDE);
                let Some((width, height)) = fitted else {
                    return Ok(None);
                };
                js_sys::Reflect::set(canvas, &"width".into(), &width.into())?;
                js_sys::Reflect::set(canvas, &"height".into(), &height.into())?;
                let (zero, across, down) = (JsValue::from(0), width.into(), height.into());
                call(pen, "drawImage", &[video, &zero, &zero, &across, &down])?;
                let image = call(pen, "getImageData", &[&zero, &zero, &across, &down])?;
                let points: js_sys::Uint8ClampedArray = get(&image, "data").dyn_into()?;
                let read = codes.read(width, height, frame::grey(&points.to_vec())).await;
                read.map_err(|error| error.message.into())
            }
        }
    }
}

async fn wait(object: &JsValue, method: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let promise: js_sys::Promise = call(object, method, arguments)?.dyn_into()?;
    JsFuture::from(promise).await
}

fn call(object: &JsValue, method: &str, arguments: &[&JsValue]) -> Result<JsValue, JsValue> {
    let function: js_sys::Function = get(object, method).dyn_into()?;
    function.apply(object, &arguments.iter().copied().collect())
}

fn object(fields: &[(&str, JsValue)]) -> Result<JsValue, JsValue> {
    let object = js_sys::Object::new();
    for (name, value) in fields {
        js_sys::Reflect::set(&object, &(*name).into(), value)?;
    }
    Ok(object.into())
}
