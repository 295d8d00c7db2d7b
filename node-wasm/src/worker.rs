//! The page's end of the compute worker: asks, and hands answers to whoever asked.
//! It starts the worker at the first question, so that nobody downloads an engine for nothing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use jobs::{Answer, Ask, Request, Told, Update};
use js_sys::Array;
use serde::Serialize as _;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Blob, BlobPropertyBag, ErrorEvent, MessageEvent, Url, WorkerOptions, WorkerType};

use crate::blobs::Wanted;
use crate::error::{Error, thrown};

/// Where the build puts the worker.
const WORKER_URL: &str = "/compute_loader.js";

/// A compute worker. Clones share it.
#[derive(Clone)]
pub(crate) struct Worker {
    shared: Rc<RefCell<Shared>>,
}

struct Shared {
    /// Whose worker it is: scheme, host and port.
    origin: String,
    running: Option<Running>,
    last_id: u64,
    /// Whether models may be kept beyond this tab.
    persistent: bool,
    waiting: HashMap<u64, Waiting>,
    /// Where questions for peers go, once there is a net.
    peers: Option<mpsc::Sender<Wanted>>,
}

struct Running {
    worker: web_sys::Worker,
    /// What it was started by, until it runs.
    address: Option<Address>,
    /// Questions asked before the worker said that it listens: a message posted earlier would
    /// find no handler and be lost.
    until_ready: Option<Vec<JsValue>>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

struct Waiting {
    answer: oneshot::Sender<Result<Answer, Error>>,
    progress: Option<Box<dyn FnMut(u64, u64)>>,
}

impl Worker {
    /// The worker that the relay at `origin` serves, which keeps models beyond this tab, or does not; nothing is
    /// fetched yet.
    pub(crate) fn of(origin: &str, persistent: bool) -> Worker {
        Worker {
            shared: Rc::new(RefCell::new(Shared {
                origin: origin.to_owned(),
                running: None,
                last_id: 0,
                persistent,
                waiting: HashMap::new(),
                peers: None,
            })),
        }
    }

    /// Asks; the future is the end. The question is posted at once, so that questions keep their
    /// order however late their answers are awaited.
    pub(crate) fn ask(&self, ask: Ask) -> impl Future<Output = Result<Answer, Error>> + 'static {
        self.ask_with(ask, None)
    }

    /// The same, and hears of the bytes as they arrive.
    pub(crate) fn ask_with(
        &self,
        ask: Ask,
        progress: Option<Box<dyn FnMut(u64, u64)>>,
    ) -> impl Future<Output = Result<Answer, Error>> + 'static {
        let (sender, answer) = oneshot::channel();
        let posted = self.post(
            ask,
            Waiting {
                answer: sender,
                progress,
            },
        );
        async move {
            posted?;
            answer
                .await
                .unwrap_or_else(|_| Err(Error::new("aborted", "the compute worker was stopped")))
        }
    }

    /// Hands the worker's questions for peers to whoever asks them. Until then nobody is asked.
    pub(crate) fn on_peers(&self, questions: mpsc::Sender<Wanted>) {
        self.shared.borrow_mut().peers = Some(questions);
    }

    /// Whether the worker was started: nothing is held where it was not.
    pub(crate) fn is_running(&self) -> bool {
        self.shared.borrow().running.is_some()
    }

    /// Ends the worker at once: whatever it computed stops here.
    pub(crate) fn stop(&self) {
        let mut shared = self.shared.borrow_mut();
        if let Some(running) = shared.running.take() {
            running.worker.set_onmessage(None);
            running.worker.set_onerror(None);
            running.worker.terminate();
        }
        shared.waiting.clear();
    }

    fn post(&self, ask: Ask, waiting: Waiting) -> Result<(), Error> {
        let mut shared = self.shared.borrow_mut();
        if shared.running.is_none() {
            let mut running = start(&self.shared, &shared.origin)?;
            // Each fresh worker hears this first; nobody waits for its answer.
            let keep = Ask::Keep {
                persistent: shared.persistent,
            };
            running
                .until_ready
                .get_or_insert_default()
                .push(message(0, keep)?);
            shared.running = Some(running);
        }
        shared.last_id += 1;
        let id = shared.last_id;
        let message = message(id, ask)?;
        let Some(running) = &mut shared.running else {
            return Ok(());
        };
        match &mut running.until_ready {
            Some(queue) => queue.push(message),
            None => send(&running.worker, &message)?,
        }
        shared.waiting.insert(id, waiting);
        Ok(())
    }
}

fn message(id: u64, ask: Ask) -> Result<JsValue, Error> {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_large_number_types_as_bigints(true);
    Request { id, ask }
        .serialize(&serializer)
        .map_err(|e| Error::internal(format!("a question to the compute worker: {e}")))
}

fn send(worker: &web_sys::Worker, message: &JsValue) -> Result<(), Error> {
    worker
        .post_message(message)
        .map_err(|e| Error::internal(format!("the compute worker: {}", thrown(&e))))
}

/// The address to start the worker by. A page starts no worker from another origin, so on a page that is not ours the
/// worker is a module of the page's own which does nothing but import ours.
fn address(origin: &str) -> Result<Address, JsValue> {
    let here = web_sys::window().and_then(|window| window.location().origin().ok());
    if here.as_deref() == Some(origin) {
        return Ok(Address {
            text: WORKER_URL.to_owned(),
            made_here: false,
        });
    }
    // A dynamic import is a script to the page's policy, a static one would be a worker of another origin.
    let script = format!("import({:?});", format!("{origin}{WORKER_URL}"));
    let options = BlobPropertyBag::new();
    options.set_type("text/javascript");
    let blob = Blob::new_with_str_sequence_and_options(&Array::of1(&script.into()), &options)?;
    Ok(Address {
        text: Url::create_object_url_with_blob(&blob)?,
        made_here: true,
    })
}

/// Where a worker's script is. One that was made here is forgotten by the browser with this.
struct Address {
    text: String,
    made_here: bool,
}

impl Drop for Address {
    fn drop(&mut self) {
        if self.made_here {
            // It fails for what is no address, which this is.
            let _ = Url::revoke_object_url(&self.text);
        }
    }
}

fn start(shared: &Rc<RefCell<Shared>>, origin: &str) -> Result<Running, Error> {
    let fail = |e: JsValue| Error::internal(format!("the compute worker does not start: {}", thrown(&e)));
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    let address = address(origin).map_err(fail)?;
    let worker = web_sys::Worker::new_with_options(&address.text, &options).map_err(fail)?;
    let weak = Rc::downgrade(shared);
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let Some(shared) = weak.upgrade() else { return };
        match serde_wasm_bindgen::from_value::<Told>(event.data()) {
            Ok(told) => hear(&shared, told),
            Err(error) => tracing::error!(%error, "the compute worker said something unknown"),
        }
    });
    let weak = Rc::downgrade(shared);
    let on_error = Closure::<dyn FnMut(ErrorEvent)>::new(move |event: ErrorEvent| {
        let Some(shared) = weak.upgrade() else { return };
        // The worker is unusable after a panic: everybody who waits is told, and the next
        // question starts a fresh one.
        let (running, waiting) = {
            let mut shared = shared.borrow_mut();
            (shared.running.take(), std::mem::take(&mut shared.waiting))
        };
        // A worker that cannot be loaded fails by a plain event, which has no words.
        let why = js_sys::Reflect::get(&event, &"message".into()).ok();
        let why = why
            .and_then(|why| why.as_string())
            .unwrap_or_else(|| "it cannot be loaded".to_owned());
        let message = format!("the compute worker failed: {why}");
        for (_, waiting) in waiting {
            let _ = waiting
                .answer
                .send(Err(Error::new("device_lost", message.clone())));
        }
        if let Some(running) = running {
            running.worker.terminate();
        }
    });
    worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    Ok(Running {
        worker,
        address: Some(address),
        until_ready: Some(Vec::new()),
        _on_message: on_message,
        _on_error: on_error,
    })
}

fn hear(shared: &Rc<RefCell<Shared>>, told: Told) {
    let end = match told.update {
        Update::Ready => {
            if let Some(running) = &mut shared.borrow_mut().running {
                running.address = None;
                for message in running.until_ready.take().into_iter().flatten() {
                    if let Err(error) = send(&running.worker, &message) {
                        tracing::error!(%error, "a question was not delivered");
                    }
                }
            }
            return;
        }
        Update::Loading {
            loaded_bytes,
            total_bytes,
        } => {
            let progress = shared
                .borrow_mut()
                .waiting
                .get_mut(&told.id)
                .and_then(|w| w.progress.take());
            if let Some(mut progress) = progress {
                progress(loaded_bytes, total_bytes);
                if let Some(waiting) = shared.borrow_mut().waiting.get_mut(&told.id) {
                    waiting.progress = Some(progress);
                }
            }
            return;
        }
        Update::AskPeers {
            question,
            model,
            sought,
            patient,
        } => {
            let wanted = Wanted {
                question,
                model,
                sought,
                patient,
            };
            return ask_peers(shared, wanted);
        }
        Update::Done(answer) => Ok(answer),
        Update::Failed(failure) => Err(Error::from_code(&failure.code, failure.message)),
    };
    let waiting = shared.borrow_mut().waiting.remove(&told.id);
    if let Some(waiting) = waiting {
        let _ = waiting.answer.send(end);
    }
}

/// Where nobody can ask peers, the worker is told at once that they have nothing.
fn ask_peers(shared: &Rc<RefCell<Shared>>, wanted: Wanted) {
    let question = wanted.question;
    let asked = match &mut shared.borrow_mut().peers {
        Some(peers) => peers.try_send(wanted).is_ok(),
        None => false,
    };
    if !asked {
        let worker = Worker {
            shared: Rc::clone(shared),
        };
        let answer = worker.ask(Ask::FromPeers {
            question,
            bytes: None,
        });
        wasm_bindgen_futures::spawn_local(async move {
            let _ = answer.await;
        });
    }
}
