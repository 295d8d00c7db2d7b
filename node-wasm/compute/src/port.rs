//! The worker's end of `postMessage`: decodes questions, encodes answers, keeps their order.
//! What a question means is the desk's business.

use std::rc::Rc;

use futures::StreamExt as _;
use futures::channel::mpsc;
use jobs::{Answer, Failure, Request, Told, Update};
use serde::Serialize as _;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use crate::desk::Desk;

/// Listens for questions for as long as the worker lives.
pub(crate) fn listen(desk: Desk) {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    // The page bounds what it asks at once; a queue without a bound here cannot grow further.
    let (questions, mut queue) = mpsc::unbounded::<Request>();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        match serde_wasm_bindgen::from_value::<Request>(event.data()) {
            Ok(request) => {
                let _ = questions.unbounded_send(request);
            }
            Err(error) => web_sys::console::error_1(&format!("an unknown question: {error}").into()),
        }
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();

    let desk = Rc::new(desk);
    wasm_bindgen_futures::spawn_local(async move {
        tell(0, Update::Ready);
        while let Some(request) = queue.next().await {
            let reply = Reply { id: request.id };
            if Desk::takes_long(&request.ask) {
                // Weights arrive over the network for minutes; steps of other stages go on.
                let desk = Rc::clone(&desk);
                wasm_bindgen_futures::spawn_local(async move {
                    reply.end(desk.answer(request.ask, &reply).await);
                });
            } else {
                reply.end(desk.answer(request.ask, &reply).await);
            }
        }
    });
}

/// Where the news of one request goes.
#[derive(Clone, Copy)]
pub(crate) struct Reply {
    id: u64,
}

impl Reply {
    /// Bytes so far.
    pub(crate) fn loading(&self, loaded_bytes: u64, total_bytes: u64) {
        tell(
            self.id,
            Update::Loading {
                loaded_bytes,
                total_bytes,
            },
        );
    }

    fn end(&self, end: Result<Answer, Failure>) {
        tell(self.id, end.map_or_else(Update::Failed, Update::Done));
    }
}

/// Says something about the request `id`, or on the worker's own account with 0.
pub(crate) fn tell(id: u64, update: Update) {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_large_number_types_as_bigints(true);
    let sent = Told { id, update }
        .serialize(&serializer)
        .map_err(wasm_bindgen::JsValue::from)
        .and_then(|message| scope.post_message(&message));
    if let Err(error) = sent {
        web_sys::console::error_2(&"an answer was not delivered".into(), &error);
    }
}
