//! The GPU of this worker: looked at first, opened at the first stage that may use it, shared by all of them.
//! Does not compute. It is asked only once something is to be computed, which is after the user's consent.

use std::cell::RefCell;
use std::rc::Rc;

use engine::{Choice, Gpu};
use jobs::{Backend, Failure};
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::failure::failure;

/// Words by which software adapters are known: of Chromium, Mesa, Windows, Apple's simulator.
const SOFTWARE: [&str; 5] = ["swiftshader", "llvmpipe", "lavapipe", "basic render", "software"];

/// No honest adapter has a longer name.
const MAX_NAME_CHARS: usize = 64;

/// The device, once it is open.
#[derive(Default)]
pub(crate) struct Device {
    open: RefCell<Option<Rc<Gpu>>>,
}

/// What the browser says of its adapter.
struct Seen {
    name: String,
    software: bool,
    /// The fewest threads of a subgroup; 0 where the browser has none.
    subgroup: u32,
    adapter: JsValue,
}

impl Device {
    /// The GPU that `backend` asks for: none where the CPU computes, or computes better.
    ///
    /// # Errors
    /// `no_webgpu` when a GPU was asked for by name and there is none.
    pub(crate) async fn wanted(&self, backend: Backend) -> Result<Option<Rc<Gpu>>, Failure> {
        if backend == Backend::Cpu {
            return Ok(None);
        }
        let open = self.open.borrow().clone().filter(|gpu| gpu.check().is_ok());
        let gpu = match open {
            Some(gpu) => Ok(gpu),
            None => open_device(backend).await,
        };
        match gpu {
            // A software adapter is slower than our own code for the CPU.
            Ok(gpu) if backend == Backend::Auto && gpu.adapter().software => Ok(None),
            Ok(gpu) => {
                self.open.replace(Some(Rc::clone(&gpu)));
                Ok(Some(gpu))
            }
            Err(reason) if backend == Backend::Auto => {
                web_sys::console::info_1(&format!("computing on the processor: {reason}").into());
                Ok(None)
            }
            Err(reason) => Err(failure("no_webgpu", reason)),
        }
    }
}

async fn open_device(backend: Backend) -> Result<Rc<Gpu>, String> {
    let seen = look().await.ok().flatten().ok_or("this browser offers no gpu")?;
    if backend == Backend::Auto && seen.software {
        return Err(format!("{} is a software adapter", seen.name));
    }
    let mut opened = None;
    // A processor that plays a GPU exchanges nothing faster.
    if seen.subgroup > 0 && !seen.software {
        opened = open_with_subgroups(&seen).await;
    }
    let mut gpu = match opened {
        Some(gpu) => gpu,
        None => Gpu::open(Choice::Any).await.map_err(|error| error.to_string())?,
    };
    web_sys::console::info_1(&format!("computing on {}: {}", seen.name, gpu.variants()).into());
    gpu.rename(seen.name, seen.software);
    Ok(Rc::new(gpu))
}

/// Opens the adapter that was seen with its subgroups: the library that we compute through does not ask for them yet.
async fn open_with_subgroups(seen: &Seen) -> Option<Gpu> {
    let entry = gpu_of_navigator().ok()?;
    lead(&entry, &seen.adapter).ok()?;
    let opened = Gpu::open(Choice::Any).await;
    // Our own entry hid the browser's, which is there again.
    Reflect::delete_property(entry.unchecked_ref(), &"requestAdapter".into()).ok()?;
    let gpu = opened.ok()?;
    gpu.use_subgroups(seen.subgroup).await;
    Some(gpu)
}

/// Makes the next request for an adapter get this one, and the request for its device one with subgroups.
fn lead(entry: &JsValue, adapter: &JsValue) -> Result<(), JsValue> {
    let request: Function = Reflect::get(adapter, &"requestDevice".into())?.dyn_into()?;
    let request = request.bind0(adapter);
    let device = Closure::once_into_js(move |descriptor: JsValue| -> Result<JsValue, JsValue> {
        let features: Array = Reflect::get(&descriptor, &"requiredFeatures".into())?.dyn_into()?;
        features.push(&"subgroups".into());
        request.call1(&JsValue::UNDEFINED, &descriptor)
    });
    Reflect::set(adapter, &"requestDevice".into(), &device)?;
    let adapter = adapter.clone();
    let this = Closure::once_into_js(move |_: JsValue| Promise::resolve(&adapter));
    Reflect::set(entry, &"requestAdapter".into(), &this)?;
    Ok(())
}

fn gpu_of_navigator() -> Result<JsValue, JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    Reflect::get(&navigator, &"gpu".into())
}

/// Asks the browser itself: the library that we compute through does not pass on what the adapter is.
async fn look() -> Result<Option<Seen>, JsValue> {
    let gpu = gpu_of_navigator()?;
    if gpu.is_undefined() || gpu.is_null() {
        return Ok(None);
    }
    let request: Function = Reflect::get(&gpu, &"requestAdapter".into())?.dyn_into()?;
    let options = Object::new();
    Reflect::set(&options, &"powerPreference".into(), &"high-performance".into())?;
    let asked: Promise = request.call1(&gpu, &options)?.dyn_into()?;
    let adapter = JsFuture::from(asked).await?;
    if adapter.is_null() || adapter.is_undefined() {
        return Ok(None);
    }
    let info = Reflect::get(&adapter, &"info".into())?;
    let word = |key: &str| {
        let word = Reflect::get(&info, &key.into())
            .ok()
            .and_then(|word| word.as_string());
        word.unwrap_or_default()
    };
    let words = [
        word("vendor"),
        word("architecture"),
        word("device"),
        word("description"),
    ];
    let fallback = [&adapter, &info].iter().any(|object| {
        let said = Reflect::get(object, &"isFallbackAdapter".into());
        said.is_ok_and(|said| said.is_truthy())
    });
    let all = words.join(" ").to_lowercase();
    let mut name: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !word.is_empty())
        .collect();
    name.dedup();
    let subgroup = if has_subgroups(&adapter) {
        let smallest = Reflect::get(&info, &"subgroupMinSize".into());
        smallest.ok().and_then(|size| size.as_f64()).unwrap_or(0.0) as u32
    } else {
        0
    };
    Ok(Some(Seen {
        name: name.join(" ").chars().take(MAX_NAME_CHARS).collect(),
        software: fallback || SOFTWARE.iter().any(|word| all.contains(word)),
        subgroup,
        adapter,
    }))
}

fn has_subgroups(adapter: &JsValue) -> bool {
    let has = || {
        let features = Reflect::get(adapter, &"features".into())?;
        let has: Function = Reflect::get(&features, &"has".into())?.dyn_into()?;
        has.call1(&features, &"subgroups".into())
    };
    has().is_ok_and(|has: JsValue| has.is_truthy())
}
