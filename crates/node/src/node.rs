//! The node: hands every input to the part it concerns, and collects what the parts want done.
//! It decides nothing itself.

use std::collections::BTreeMap;

use protocol::{Fault, MAX_OFFER_BYTES, Message, Offer, PeerId, SwarmId};

use crate::config::Config;
use crate::desk::{Desk, Inner, Owner};
use crate::io::{Ask, Code, Event, Input, Now, Output, RequestId, StreamId};
use crate::lending::Lending;
use crate::peers::Peers;
use crate::request::{Phase, Request, World};
use crate::reroute::Introduction;
use crate::snapshot::{RequestRow, Snapshot};
use crate::worker::Worker;

/// Answers at a time: a person reads one, an API user asks for a few.
const MAX_REQUESTS: usize = 16;
/// Streams of others that have not said what they are for; beyond this the oldest is let go.
const MAX_STRANGERS: usize = 64;
/// And each is let go after this long.
const STRANGER_MS: u64 = 30_000;
/// Woken this much later than asked for, this device itself slept, and nobody else was late.
const SLEPT_MS: u64 = 3_000;

/// A peer of the swarm: asks, computes, keeps track. See the crate's head for the drain rule.
pub struct Node {
    desk: Desk,
    peers: Peers,
    worker: Worker,
    lending: Lending,
    requests: BTreeMap<RequestId, Request>,
    intro: Introduction,
    swarm: SwarmId,
    online: bool,
    /// The last `WakeAt`.
    wake: Option<Now>,
}

impl Node {
    /// A node that knows nobody and does nothing.
    pub fn new(config: Config) -> Node {
        Node {
            desk: Desk::new(config.me, config.start),
            peers: Peers::default(),
            worker: Worker::default(),
            lending: Lending::new(config.swarm, config.start),
            requests: BTreeMap::new(),
            intro: Introduction {
                swarm: config.swarm,
                delegation: config.delegation,
            },
            swarm: config.swarm,
            online: false,
            wake: None,
        }
    }

    /// Takes one input. Time does not go back: an earlier `now` counts as the latest one.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        self.desk.now = self.desk.now.max(now);
        if self.wake.is_some_and(|wake| now.since(wake) >= SLEPT_MS) {
            self.requests
                .values_mut()
                .for_each(|request| request.forgive(now));
        }
        self.input(input);
        while let Some(inner) = self.desk.poll_inner() {
            match inner {
                Inner::Received(stream, message) => self.received(stream, message),
                Inner::Closed(stream) => self.closed(stream, Fault::Closed),
            }
        }
        self.settle();
    }

    /// The next thing to do; `None` until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.desk.poll_output()
    }

    /// What a screen may know.
    pub fn snapshot(&self) -> Snapshot {
        let connected = |peer: &PeerId| self.desk.is_connected(peer);
        let stages = |request: &Request| {
            let slots = request.places.iter().map(|place| &place.active);
            slots.map(|slot| (slot.peer.clone(), slot.stage.layers)).collect()
        };
        let row = |request: &Request| RequestRow {
            request: request.id,
            tokens: request.answered(),
            waiting: matches!(request.phase, Phase::Seeking { said: true, .. }).then_some(Code::NoRoute),
            stages: stages(request),
        };
        Snapshot {
            me: self.desk.me.clone(),
            online: self.online,
            peers: self.peers.rows(connected, self.desk.now),
            lending: self.lending.state(&self.worker),
            serving: self.worker.serving(&self.desk.me),
            served_positions: self.worker.served_positions,
            requests: self.requests.values().map(row).collect(),
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.desk.now;
        match input {
            Input::Relay { up } => {
                self.online = up;
                self.lending.refresh(now);
            }
            Input::Addresses(addresses) => {
                self.desk.addresses = addresses;
                self.lending.refresh(now);
            }
            Input::PeerConnected { peer } => self.desk.peer_connected(&peer),
            Input::PeerDisconnected { peer } => self.peer_gone(&peer, Fault::Closed),
            Input::ConnectFailed { peer } if !self.desk.is_connected(&peer) => {
                self.peer_gone(&peer, Fault::Unreachable);
            }
            Input::ConnectFailed { .. } => {}
            Input::RoundTrip { peer, ms } => self.peers.round_trip(&peer, ms),
            Input::Owner { peer, mine } => self.peers.owner(&peer, mine),
            Input::OfferReceived { from, bytes } => self.offer(&from, &bytes),
            Input::StreamOpened { stream } => self.desk.opened(stream),
            Input::StreamFailed { stream } => self.closed(stream, Fault::Unreachable),
            Input::InboundStream { stream, peer } => {
                self.desk.accept(stream, peer);
                if let (MAX_STRANGERS.., Some((_, oldest))) = self.desk.strangers() {
                    self.worker.forget(oldest);
                    self.desk.close(oldest);
                }
            }
            Input::Received { stream, message } => self.received(stream, message),
            Input::StreamClosed { stream } => self.closed(stream, Fault::Closed),
            Input::Computed { effect, result } => {
                if let Some(result) = self.worker.computed(effect, result, &mut self.desk) {
                    self.lending.loaded(result, &mut self.worker, &mut self.desk);
                }
            }
            Input::Signed { effect, record } => {
                self.lending.signed(effect, record, &mut self.desk);
            }
            Input::Lend(lend) => self.lending.start(lend, &mut self.worker, &mut self.desk),
            Input::StopLending => self.lending.stop(&mut self.worker, &mut self.desk),
            Input::Conditions { background, power } => {
                (self.lending.background, self.lending.power) = (background, power);
                self.lending.refresh(now);
            }
            Input::Ask(ask) => self.ask(ask),
            Input::Cancel { request } => {
                if let Some(request) = self.requests.get_mut(&request) {
                    request.fail(Code::Aborted, "cancelled", &mut self.desk);
                }
            }
            Input::Leaving => {
                self.worker.leaving(&mut self.desk);
                self.lending.stop(&mut self.worker, &mut self.desk);
            }
            Input::Tick => {}
        }
    }

    /// What follows from any input: computing goes on, deadlines are kept, the next one is said.
    fn settle(&mut self) {
        let mut wake = earlier(self.worker.tick(&mut self.desk), self.drop_silent());
        self.with_requests(|request, intro, world| {
            if request.tick(world) {
                request.reroute(intro, world);
            }
        });
        self.worker.pump(&mut self.desk);
        while let Some(inner) = self.desk.poll_inner() {
            match inner {
                Inner::Received(stream, message) => self.received(stream, message),
                Inner::Closed(stream) => self.closed(stream, Fault::Closed),
            }
            self.worker.pump(&mut self.desk);
        }
        wake = earlier(
            wake,
            self.lending.tick(&mut self.worker, &self.peers, &mut self.desk),
        );
        self.requests.retain(|_, request| request.phase != Phase::Over);
        for request in self.requests.values() {
            wake = earlier(wake, request.wake());
        }
        if let Some(at) = wake.filter(|_| wake != self.wake) {
            self.desk.output(Output::WakeAt(at));
        }
        self.wake = wake;
    }

    /// Lets go of streams that never say what they are for. Answers when to look again.
    fn drop_silent(&mut self) -> Option<Now> {
        loop {
            let (since, oldest) = self.desk.strangers().1?;
            if self.desk.now.since(since) < STRANGER_MS {
                return Some(since.plus_ms(STRANGER_MS));
            }
            self.worker.forget(oldest);
            self.desk.close(oldest);
        }
    }

    fn ask(&mut self, ask: Ask) {
        let id = ask.request;
        let refused = if self.requests.contains_key(&id) {
            Err("a request of this name is under way")
        } else if self.requests.len() >= MAX_REQUESTS {
            Err("too many answers at once")
        } else {
            Request::new(ask, self.desk.now)
        };
        match refused {
            Ok(request) => {
                self.requests.insert(id, request);
                self.with_request(id, |request, intro, world| request.reroute(intro, world));
            }
            Err(message) => {
                let (code, message) = (Code::BadRequest, message.to_owned());
                self.desk.event(
                    id,
                    Event::Failed {
                        code,
                        message,
                        route: Default::default(),
                    },
                );
            }
        }
    }

    fn offer(&mut self, from: &PeerId, bytes: &[u8]) {
        if bytes.len() > MAX_OFFER_BYTES {
            return;
        }
        let offer = match Offer::decode(bytes) {
            // Nobody speaks for another, nor for another swarm.
            Ok(offer) if offer.peer == *from && offer.swarm == self.swarm && *from != self.desk.me => offer,
            Ok(_) => return,
            Err(error) => {
                tracing::debug!(peer = from.short(), %error, "an offer that is none");
                return;
            }
        };
        if self.peers.offer(offer, self.desk.now) {
            self.with_requests(|request, intro, world| {
                if matches!(request.phase, Phase::Seeking { .. }) {
                    request.reroute(intro, world);
                }
            });
        }
    }

    fn received(&mut self, stream: StreamId, message: Message) {
        let Some((peer, owner)) = self.desk.line(stream) else {
            return;
        };
        let (peer, owner) = (peer.clone(), owner.clone());
        match owner {
            Owner::Request { request, session } => self.with_request(request, |request, intro, world| {
                if request.received(session, message, world) {
                    request.reroute(intro, world);
                }
            }),
            Owner::Control(key) | Owner::Previous(key) | Owner::Next { job: key, .. } => {
                self.worker.received(stream, &key, message, &mut self.desk);
            }
            Owner::Stranger => match message {
                Message::Open(open) => {
                    let mine = self.peers.is_mine(&peer);
                    self.worker.open(stream, peer, open, mine, &mut self.desk);
                }
                Message::Hello(hello) => self.worker.hello(stream, hello, &mut self.desk),
                Message::Step(step) => self.worker.early_step(stream, step, &mut self.desk),
                _ => self.desk.close(stream),
            },
        }
    }

    fn closed(&mut self, stream: StreamId, fault: Fault) {
        let Some((_, owner)) = self.desk.closed(stream) else {
            return;
        };
        match owner {
            Owner::Request { request, session } => self.with_request(request, |request, intro, world| {
                if request.lose(session, None, true, world) {
                    request.reroute(intro, world);
                }
            }),
            Owner::Control(key) => self.worker.closed(stream, &key, true, fault, &mut self.desk),
            Owner::Previous(key) | Owner::Next { job: key, .. } => {
                self.worker.closed(stream, &key, false, fault, &mut self.desk);
            }
            Owner::Stranger => self.worker.forget(stream),
        }
    }

    fn peer_gone(&mut self, peer: &PeerId, fault: Fault) {
        for stream in self.desk.peer_gone(peer) {
            self.closed(stream, fault);
        }
    }

    fn with_request(&mut self, id: RequestId, act: impl FnOnce(&mut Request, &Introduction, &mut World<'_>)) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        let mut world = World {
            desk: &mut self.desk,
            peers: &mut self.peers,
            worker: &mut self.worker,
        };
        act(request, &self.intro, &mut world);
    }

    fn with_requests(&mut self, mut act: impl FnMut(&mut Request, &Introduction, &mut World<'_>)) {
        let mut world = World {
            desk: &mut self.desk,
            peers: &mut self.peers,
            worker: &mut self.worker,
        };
        for request in self.requests.values_mut() {
            act(request, &self.intro, &mut world);
        }
    }
}

fn earlier(a: Option<Now>, b: Option<Now>) -> Option<Now> {
    [a, b].into_iter().flatten().min()
}
