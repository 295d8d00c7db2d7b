//! An answer as a page reads it: one plain event after the other.
//! Chunks in OpenAI's shape are made of them by `manyhands.js`.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use futures::StreamExt as _;
use futures::stream::{AbortHandle, Abortable};
use node_wasm::{ChatEvent, ChatStream, FinishReason, RouteInfo};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::thrown;

/// An answer on its way.
#[wasm_bindgen]
pub struct Answer {
    stream: RefCell<Option<Abortable<ChatStream>>>,
    /// Ends the stream also while `next` has it and waits.
    stopping: AbortHandle,
    model: Rc<OnceCell<String>>,
}

/// What `next` resolves to.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Event {
    Text {
        text: String,
        token_ids: Vec<u32>,
    },
    Waiting {
        reason: String,
    },
    Resumed,
    Route(Route),
    Done {
        finish_reason: &'static str,
        prompt_tokens: u32,
        tokens: u32,
        ms: f64,
    },
}

#[derive(Serialize)]
struct Route {
    hops: Vec<Hop>,
    replays: u32,
    bytes: u64,
    trips: u32,
    drafted: u32,
    agreed: u32,
    longest_stall_ms: u64,
    decode_ms: u64,
}

#[derive(Serialize)]
struct Hop {
    peer: Option<String>,
    layers: (u32, u32),
    backend: String,
    ms: f64,
    wait_ms: f64,
    steps: u32,
    lost: bool,
}

impl Answer {
    pub(crate) fn new(stream: ChatStream) -> Answer {
        let model = stream.model();
        let (stopping, registration) = AbortHandle::new_pair();
        Answer {
            stream: RefCell::new(Some(Abortable::new(stream, registration))),
            stopping,
            model,
        }
    }
}

#[wasm_bindgen]
impl Answer {
    /// The next event, or nothing after the last; throws when the answer failed.
    pub async fn next(&self) -> Result<JsValue, JsValue> {
        let Some(mut stream) = self.stream.borrow_mut().take() else {
            return Ok(JsValue::UNDEFINED);
        };
        let event = match stream.next().await {
            None => return Ok(JsValue::UNDEFINED),
            Some(ChatEvent::Failed(error)) => return Err(thrown(&error)),
            Some(ChatEvent::Text { text, token_ids }) => Event::Text { text, token_ids },
            Some(ChatEvent::Waiting { reason }) => Event::Waiting { reason },
            Some(ChatEvent::Resumed) => Event::Resumed,
            Some(ChatEvent::Route(route)) => Event::Route(route.into()),
            Some(ChatEvent::Done {
                finish_reason,
                prompt_tokens,
                tokens,
                ms,
            }) => {
                let finish_reason = match finish_reason {
                    FinishReason::Stop | FinishReason::Stopped => "stop",
                    FinishReason::Length => "length",
                };
                Event::Done {
                    finish_reason,
                    prompt_tokens,
                    tokens,
                    ms,
                }
            }
        };
        *self.stream.borrow_mut() = Some(stream);
        Ok(serde_wasm_bindgen::to_value(&event)?)
    }

    /// The id of the model that answers; known from the first event on.
    pub fn model(&self) -> Option<String> {
        self.model.get().cloned()
    }

    /// Stops the work everywhere; a `next` that waits resolves to nothing at once.
    pub fn stop(&self) {
        self.stopping.abort();
        self.stream.borrow_mut().take();
    }
}

impl From<RouteInfo> for Route {
    fn from(route: RouteInfo) -> Route {
        Route {
            hops: route
                .hops
                .into_iter()
                .map(|hop| Hop {
                    peer: hop.peer,
                    layers: (hop.first, hop.end),
                    backend: hop.backend,
                    ms: hop.ms,
                    wait_ms: hop.wait_ms,
                    steps: hop.steps,
                    lost: hop.lost,
                })
                .collect(),
            replays: route.replays,
            bytes: route.bytes,
            trips: route.trips,
            drafted: route.drafted,
            agreed: route.agreed,
            longest_stall_ms: route.longest_stall_ms,
            decode_ms: route.decode_ms,
        }
    }
}
