//! The GPU of this worker: looked at first, opened at the first stage that may use it, shared by all of them.
//! Does not compute. It is asked only once something is to be computed, which is after the user's consent.

use std::cell::RefCell;
use std::rc::Rc;

use engine::{Choice, Gpu};
use jobs::{Backend, Failure};
use js_sys::{Function, Object, Promise, Reflect};
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
    let mut gpu = Gpu::open(Choice::Any).await.map_err(|error| error.to_string())?;
    gpu.rename(seen.name, seen.software);
    Ok(Rc::new(gpu))
}

/// Asks the browser itself: the library that we compute through does not pass on what the adapter is.
async fn look() -> Result<Option<Seen>, JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    let gpu = Reflect::get(&navigator, &"gpu".into())?;
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
    Ok(Some(Seen {
        name: name.join(" ").chars().take(MAX_NAME_CHARS).collect(),
        software: fallback || SOFTWARE.iter().any(|word| all.contains(word)),
    }))
}
