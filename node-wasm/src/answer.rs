//! One answer on its way to the page: ids become text, in order, in the worker.
//! It chooses nothing: the node says what happened, this writes it down.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures::channel::mpsc;
use futures::{SinkExt as _, StreamExt as _};
use jobs::{Answer, Ask};
use node::RouteSheet;
use node::io::{Event, Now};

use crate::barred;
use crate::chat::{ChatEvent, FinishReason, HopInfo, RouteInfo};
use crate::error::Error;
use crate::view::View;
use crate::worker::Worker;

/// Events of one answer that wait for their text; a model that is faster than the page paints
/// loses nothing, since several tokens are decoded at once.
const MAX_EVENTS: usize = 4096;

/// Whether more is to come.
#[derive(PartialEq, Eq)]
pub(crate) enum Next {
    More,
    Over,
}

/// Writes one answer down.
pub(crate) struct Scribe {
    events: mpsc::Sender<Event>,
}

impl Scribe {
    /// Starts to write to the page.
    pub(crate) fn start(text: Text, view: Rc<RefCell<View>>, page: mpsc::Sender<ChatEvent>) -> Scribe {
        let (events, queue) = mpsc::channel(MAX_EVENTS);
        let desk = Desk {
            text,
            view,
            page,
            start_ms: js_sys::Date::now(),
            tokens: 0,
            heard_ms: None,
            decoded: None,
        };
        wasm_bindgen_futures::spawn_local(desk.run(queue));
        Scribe { events }
    }

    /// Takes the node's word.
    pub(crate) fn write(&mut self, event: Event) -> Next {
        let next = match event {
            Event::Finished { .. } | Event::Failed { .. } => Next::Over,
            Event::Token { .. } | Event::Waiting { .. } | Event::Resumed => Next::More,
        };
        // A page that no longer listens has cancelled already.
        let _ = self.events.try_send(event);
        next
    }
}

/// How ids of this answer become text.
pub(crate) struct Text {
    pub(crate) worker: Worker,
    pub(crate) model: String,
    /// The worker's name for what it keeps between two calls.
    pub(crate) decoder: u64,
    /// No text came before.
    pub(crate) from_nothing: bool,
    /// Tokens of the question.
    pub(crate) prompt_tokens: u32,
}

struct Desk {
    text: Text,
    view: Rc<RefCell<View>>,
    page: mpsc::Sender<ChatEvent>,
    start_ms: f64,
    tokens: u32,
    /// When the latest token was heard of.
    heard_ms: Option<f64>,
    /// When the first token came, and the latest.
    decoded: Option<(Now, Now)>,
}

impl Desk {
    async fn run(mut self, mut queue: mpsc::Receiver<Event>) {
        let mut next = queue.next().await;
        while let Some(event) = next {
            match event {
                Event::Token { id, at, .. } => {
                    let mut ids = vec![id];
                    self.heard_ms = Some(js_sys::Date::now());
                    let first = self.decoded.map_or(at, |(first, _)| first);
                    self.decoded = Some((first, at));
                    // All tokens that are here already go in one question.
                    next = loop {
                        match queue.try_recv() {
                            Ok(Event::Token { id, at, .. }) => {
                                ids.push(id);
                                self.decoded = Some((first, at));
                            }
                            Ok(other) => break Some(other),
                            Err(_) => break None,
                        }
                    };
                    self.write_text(ids, false).await;
                    if next.is_none() {
                        next = queue.next().await;
                    }
                    continue;
                }
                Event::Waiting { reason } => {
                    self.tell(ChatEvent::Waiting {
                        reason: reason.as_str().to_owned(),
                    })
                    .await;
                }
                Event::Resumed => self.tell(ChatEvent::Resumed).await,
                Event::Finished { reason, route } => {
                    self.write_text(Vec::new(), true).await;
                    self.route(&route).await;
                    let finish_reason = match reason {
                        node::io::FinishReason::Stop => FinishReason::Stop,
                        node::io::FinishReason::Length => FinishReason::Length,
                    };
                    // The node's last word comes a moment after the last token.
                    let ms = self.heard_ms.unwrap_or_else(js_sys::Date::now) - self.start_ms;
                    return self
                        .tell(ChatEvent::Done {
                            finish_reason,
                            prompt_tokens: self.text.prompt_tokens,
                            tokens: self.tokens,
                            ms,
                        })
                        .await;
                }
                Event::Failed {
                    code,
                    ground,
                    message,
                    route,
                } => {
                    self.write_text(Vec::new(), true).await;
                    self.route(&route).await;
                    let end = if code == node::io::Code::Aborted {
                        let ms = js_sys::Date::now() - self.start_ms;
                        ChatEvent::Done {
                            finish_reason: FinishReason::Stopped,
                            prompt_tokens: self.text.prompt_tokens,
                            tokens: self.tokens,
                            ms,
                        }
                    } else {
                        let reason = ground.and_then(barred::word);
                        ChatEvent::Failed(Error {
                            reason,
                            ..Error::from_code(code.as_str(), message)
                        })
                    };
                    return self.tell(end).await;
                }
            }
            next = queue.next().await;
        }
    }

    async fn write_text(&mut self, ids: Vec<u32>, last: bool) {
        self.tokens = self
            .tokens
            .saturating_add(u32::try_from(ids.len()).unwrap_or(u32::MAX));
        let Text {
            model,
            decoder,
            from_nothing,
            ..
        } = &self.text;
        let ask = Ask::Decode {
            model: model.clone(),
            decoder: *decoder,
            from_nothing: *from_nothing,
            ids: ids.clone(),
            last,
        };
        match self.text.worker.ask(ask).await {
            Ok(Answer::Text(text)) if text.is_empty() && ids.is_empty() => {}
            Ok(Answer::Text(text)) => self.tell(ChatEvent::Text { text, token_ids: ids }).await,
            Ok(_) => tracing::error!("the worker answered something else than text"),
            Err(error) => self.tell(ChatEvent::Failed(error)).await,
        }
    }

    async fn route(&mut self, sheet: &RouteSheet) {
        let backends: HashMap<String, String> = self.view.borrow().backends();
        let hops = sheet
            .hops
            .iter()
            .map(|hop| {
                let layers = (hop.layers.first(), hop.layers.end());
                let known = if hop.here {
                    self.view.borrow().own_backend(layers)
                } else {
                    backends
                        .get(hop.peer.as_str())
                        .map(|backend| (backend.clone(), String::new()))
                };
                let (backend, adapter) = known.unwrap_or_else(|| ("unknown".to_owned(), String::new()));
                HopInfo {
                    peer: (!hop.here).then(|| hop.peer.to_string()),
                    first: layers.0,
                    end: layers.1,
                    backend,
                    adapter,
                    ms: hop.compute_ms as f64 / f64::from(hop.steps.max(1)),
                    steps: hop.steps,
                    wait_ms: hop.queue_ms as f64 / f64::from(hop.steps.max(1)),
                    lost: hop.lost,
                }
            })
            .collect();
        let bytes = sheet.hops.iter().map(|hop| hop.bytes).sum();
        let route = RouteInfo {
            hops,
            replays: sheet.replays,
            bytes,
            tokens: sheet.tokens,
            trips: sheet.trips,
            drafted: sheet.drafted,
            agreed: sheet.agreed,
            longest_stall_ms: sheet.longest_stall_ms,
            decode_ms: self.decoded.map_or(0, |(first, last)| last.since(first)),
        };
        self.tell(ChatEvent::Route(route)).await;
    }

    async fn tell(&mut self, event: ChatEvent) {
        // A page that no longer listens has cancelled already.
        let _ = self.page.send(event).await;
    }
}
