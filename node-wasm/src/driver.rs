//! The loop between the node and the browser: one input, drain the outputs, wait.
//! It decides nothing: what to do is the node's word, how it is done is elsewhere.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use futures::{FutureExt as _, StreamExt as _};
use gloo::timers::future::TimeoutFuture;
use node::Node;
use node::io::{Effect, Input, Keep, Now, Output, RequestId, StreamId};
use protocol::{ModelId, SwarmId};

use crate::answer;
use crate::command::Command;
use crate::effects::Effects;
use crate::net::{self, Net};
use crate::roll::Roll;
use crate::streams::{self, StreamEvent, StreamHandle};
use crate::view::View;

/// Happenings between two turns of the loop; whoever makes more has to wait.
pub(crate) const MAX_HAPPENINGS: usize = 1024;
/// The longest sleep: also what a suspended tab needs to notice that time has passed.
const LONGEST_SLEEP_MS: u64 = 1_000;

/// What the driver hears.
pub(crate) enum Happening {
    Net(net::Event),
    Stream(StreamEvent<StreamId>),
    Input(Input),
    Command(Command),
    /// A prepared question, and where its answer goes.
    Asked(Box<node::io::Ask>, answer::Scribe),
    /// Who lends a model?
    Lenders(ModelId, oneshot::Sender<Lenders>),
}

impl From<StreamEvent<StreamId>> for Happening {
    fn from(event: StreamEvent<StreamId>) -> Self {
        Happening::Stream(event)
    }
}

/// Peers, and where to reach them.
pub(crate) type Lenders = Vec<(protocol::PeerId, protocol::Addresses)>;

/// What went out for others since the tab was opened.
#[derive(Default)]
pub(crate) struct Given {
    /// Sessions that were opened here.
    pub(crate) jobs: u64,
    pub(crate) bytes: u64,
    streams: HashSet<StreamId>,
}

/// Everything that the loop holds.
pub(crate) struct Driver {
    pub(crate) node: Node,
    pub(crate) net: Net,
    pub(crate) effects: Effects,
    pub(crate) view: Rc<RefCell<View>>,
    pub(crate) roll: Rc<Roll>,
    pub(crate) happenings: mpsc::Sender<Happening>,
    pub(crate) queue: mpsc::Receiver<Happening>,
    pub(crate) clock: Clock,
    streams: HashMap<StreamId, StreamHandle>,
    scribes: HashMap<RequestId, answer::Scribe>,
    incoming: u64,
    given: Given,
    wake_at: Option<Now>,
}

impl Driver {
    /// Puts the parts together; [`Driver::run`] sets them going.
    pub(crate) fn new(
        node: Node,
        net: Net,
        effects: Effects,
        view: Rc<RefCell<View>>,
        roll: Rc<Roll>,
        (happenings, queue): (mpsc::Sender<Happening>, mpsc::Receiver<Happening>),
    ) -> Driver {
        Driver {
            node,
            net,
            effects,
            view,
            roll,
            happenings,
            queue,
            clock: Clock::start(),
            streams: HashMap::new(),
            scribes: HashMap::new(),
            incoming: 0,
            given: Given::default(),
            wake_at: None,
        }
    }

    /// Runs until the node is stopped.
    pub(crate) async fn run(mut self) {
        loop {
            let mut timer = TimeoutFuture::new(self.sleep_ms()).fuse();
            let happening = futures::select! {
                happening = self.queue.next() => happening,
                () = timer => Some(Happening::Input(Input::Tick)),
            };
            match happening {
                Some(Happening::Command(Command::Stop)) | None => break,
                Some(happening) => self.turn(happening),
            }
            self.view
                .borrow_mut()
                .refresh(&self.node, &self.clock, &self.given);
        }
        self.input(Input::Leaving);
    }

    fn turn(&mut self, happening: Happening) {
        match happening {
            Happening::Net(event) => {
                if let net::Event::RelayUp { address } = &event {
                    self.input(Input::Addresses(addresses(address)));
                }
                let input = self.view.borrow_mut().hear(event);
                if let Some(input) = input {
                    self.input(input);
                }
            }
            Happening::Stream(event) => self.on_stream(event),
            Happening::Input(input) => self.input(input),
            Happening::Command(command) => {
                if let Some(input) = command.into_input() {
                    self.input(input);
                }
            }
            Happening::Asked(ask, scribe) => {
                self.scribes.insert(ask.request, scribe);
                self.input(Input::Ask(*ask));
            }
            Happening::Lenders(model, asked) => {
                // An error means that whoever asked has given up.
                let _ = asked.send(self.node.lenders(&model));
            }
        }
    }

    fn on_stream(&mut self, event: StreamEvent<StreamId>) {
        match event {
            StreamEvent::Incoming(peer, stream) => {
                let Ok(peer) = protocol::PeerId::new(&peer.to_base58()) else {
                    return;
                };
                self.incoming += 1;
                let id = StreamId::inbound(self.incoming);
                self.given.streams.insert(id);
                self.streams
                    .insert(id, streams::run(stream, id, self.happenings.clone()));
                self.input(Input::InboundStream { stream: id, peer });
            }
            StreamEvent::Opened(id, handle) => {
                self.streams.insert(id, handle);
                self.input(Input::StreamOpened { stream: id });
            }
            StreamEvent::Failed(id, reason) => {
                tracing::info!(?id, %reason, "a stream did not open");
                self.input(Input::StreamFailed { stream: id });
            }
            StreamEvent::Message(id, message) => self.input(Input::Received { stream: id, message }),
            StreamEvent::Closed(id, reason) => {
                tracing::debug!(?id, %reason, "a stream ended");
                self.given.streams.remove(&id);
                self.streams.remove(&id);
                self.input(Input::StreamClosed { stream: id });
            }
        }
    }

    /// The drain rule: all outputs are done before the next input is handed in.
    fn input(&mut self, input: Input) {
        match &input {
            Input::Follow(registry) => self.net.follow(&SwarmId(*registry.id().as_bytes())),
            Input::Unfollow { swarm } => self.net.unfollow(swarm),
            _ => {}
        }
        self.node.handle_input(self.clock.now(), input);
        while let Some(output) = self.node.poll_output() {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Connect { peer, addresses } => self.net.connect(&peer, &addresses),
            Output::OpenStream { stream, peer } => match peer.as_str().parse() {
                Ok(peer) => {
                    streams::open(self.net.streams.clone(), peer, stream, self.happenings.clone());
                }
                Err(_) => self.later(Input::StreamFailed { stream }),
            },
            Output::Send { stream, message } => self.send(stream, &message),
            Output::CloseStream { stream } => {
                self.given.streams.remove(&stream);
                self.streams.remove(&stream);
            }
            Output::Effect {
                effect: Effect::Publish { swarm, record },
                ..
            } => self.net.publish(&swarm, record),
            Output::Effect { id, effect } => self.effects.perform(id, effect, &self.happenings),
            Output::Event { request, event } => {
                if let Some(scribe) = self.scribes.get_mut(&request)
                    && scribe.write(event) == answer::Next::Over
                {
                    self.scribes.remove(&request);
                }
            }
            Output::Keep(keep) => self.keep(keep),
            Output::WakeAt(at) => self.wake_at = Some(at),
        }
    }

    /// What the node wants to know again after a restart.
    fn keep(&self, keep: Keep) {
        match keep {
            Keep::Receipt(receipt) => wasm_bindgen_futures::spawn_local(async move {
                if let Err(error) = crate::receipts::keep(&receipt).await {
                    tracing::warn!(%error, "a receipt could not be kept");
                }
            }),
            Keep::Record { swarm, record } => self.roll.record(swarm, *record),
            Keep::Statement { swarm, statement } => self.roll.statement(swarm, *statement),
        }
    }

    fn send(&mut self, stream: StreamId, message: &protocol::Message) {
        let Some(handle) = self.streams.get_mut(&stream) else {
            return;
        };
        match handle.send(message) {
            // Streams that others opened are those on which we work for them.
            Ok(bytes) if self.given.streams.contains(&stream) => {
                self.given.bytes = self.given.bytes.saturating_add(bytes);
                self.given.jobs += u64::from(matches!(message, protocol::Message::Opened(_)));
            }
            Ok(_) => {}
            Err(reason) => self.give_up(stream, &reason),
        }
    }

    fn give_up(&mut self, stream: StreamId, reason: &str) {
        tracing::warn!(?stream, %reason, "a stream is given up");
        self.given.streams.remove(&stream);
        self.streams.remove(&stream);
        self.later(Input::StreamClosed { stream });
    }

    /// An input that an output brings about: handed in after all other outputs.
    fn later(&self, input: Input) {
        let mut happenings = self.happenings.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let _ = futures::SinkExt::send(&mut happenings, Happening::Input(input)).await;
        });
    }

    fn sleep_ms(&self) -> u32 {
        let node = self.wake_at.map(|at| at.since(self.clock.now()));
        let view = self.view.borrow().next_refresh_ms();
        let until = node.into_iter().chain(view).min();
        u32::try_from(until.map_or(LONGEST_SLEEP_MS, |ms| ms.min(LONGEST_SLEEP_MS))).unwrap_or(u32::MAX)
    }
}

fn addresses(address: &libp2p::Multiaddr) -> protocol::Addresses {
    let text = protocol::Address::new(address.to_string()).ok();
    protocol::Addresses::new(text.into_iter().collect()).unwrap_or_default()
}

/// Milliseconds since the node was made, from the browser's monotonic clock.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    start_ms: f64,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock {
            start_ms: monotonic_ms(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        // Both are finite and the clock does not run backwards.
        Now((monotonic_ms() - self.start_ms).max(0.0) as u64)
    }
}

fn monotonic_ms() -> f64 {
    web_sys::window()
        .and_then(|w| w.performance())
        .map_or_else(js_sys::Date::now, |p| p.now())
}
