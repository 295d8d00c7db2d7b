//! The node: hands every input to the part it concerns, and collects what the parts want done.
//! It decides nothing itself.

use std::collections::BTreeMap;

use identity::{NodeId, Signature};
use protocol::{Addresses, Fault, Heard, JobId, Message, ModelId, Offer, Open, PeerId, SwarmId};
use registry::Registry;

use crate::acquaintances::Acquaintances;
use crate::caller;
use crate::config::Config;
use crate::desk::{Desk, Inner, Owner};
use crate::io::{Ask, Code, EffectId, Event, Input, Now, Output, RequestId, StreamId};
use crate::lending::Lending;
use crate::myself::Myself;
use crate::peers::{Peers, Whose};
use crate::presence::Presence;
use crate::receipts::Receipts;
use crate::registries::Registries;
use crate::request::{Phase, Request, World};
use crate::reroute::Introduction;
use crate::snapshot::{RequestRow, Snapshot, SwarmRow};
use crate::worker::Worker;

/// Answers at a time: a person reads one, an API user asks for a few.
const MAX_REQUESTS: usize = 16;
/// Streams of others that have not said what they are for; beyond this the oldest is let go.
const MAX_STRANGERS: usize = 64;
/// And each is let go after this long.
const STRANGER_MS: u64 = 30_000;
/// How often an answer that others compute looks for those who could take over.
const LOOK_AROUND_MS: u64 = 2_000;
/// Woken this much later than asked for, this device itself slept, and nobody else was late.
const SLEPT_MS: u64 = 3_000;

/// A peer of the swarm: asks, computes, keeps track. See the crate's head for the drain rule.
pub struct Node {
    desk: Desk,
    myself: Myself,
    peers: Peers,
    registries: Registries,
    worker: Worker,
    lending: Lending,
    presence: Presence,
    requests: BTreeMap<RequestId, Request>,
    receipts: Receipts,
    acquaintances: Acquaintances,
    intro: Introduction,
    /// The swarm that is open to everybody.
    home: SwarmId,
    jobs: u64,
    /// The last `WakeAt`.
    wake: Option<Now>,
}

impl Node {
    /// A node that knows nobody and does nothing.
    pub fn new(config: Config) -> Node {
        let myself = Myself::new(config.session);
        Node {
            desk: Desk::new(config.me, config.start, config.clock),
            registries: Registries::new(myself.id()),
            myself,
            peers: Peers::default(),
            worker: Worker::default(),
            lending: Lending::new(config.swarm),
            presence: Presence::default(),
            requests: BTreeMap::new(),
            receipts: Receipts::default(),
            acquaintances: Acquaintances::default(),
            intro: Introduction::default(),
            home: config.swarm,
            // As with sessions: no name comes twice.
            jobs: config.start.wrapping_mul(1_000),
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

    /// The registry of a swarm that is followed: members, roles, records.
    pub fn registry(&self, swarm: &SwarmId) -> Option<&Registry> {
        self.registries.get(swarm)
    }

    /// Who lends layers of a model, and where to reach them: whoever computes it can hand its bytes on.
    pub fn lenders(&self, model: &ModelId) -> Vec<(PeerId, Addresses)> {
        self.peers.lenders(model, self.desk.now)
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
            waiting: request.waiting,
            stages: stages(request),
        };
        let swarm = |(registry, standing): (&Registry, registry::Standing)| SwarmRow {
            swarm: SwarmId(*registry.id().as_bytes()),
            name: registry.state().name().to_owned(),
            role: standing.role,
            blocked: standing.blocked,
            halted: registry.state().halted().map(str::to_owned),
            members: registry.state().members().count(),
            sequence: registry.head().sequence,
        };
        Snapshot {
            me: self.desk.me.clone(),
            home: self.home,
            online: self.desk.online_since.is_some(),
            peers: self.peers.rows(connected, self.desk.now),
            lending: self.lending.state(&self.worker),
            terms: self.lending.terms().cloned(),
            serving: self.worker.serving(&self.desk.me),
            served_positions: self.worker.served_positions,
            requests: self.requests.values().map(row).collect(),
            swarms: self.registries.all(&self.desk).into_iter().map(swarm).collect(),
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.desk.now;
        match input {
            Input::Relay { up } => {
                self.desk.online_since = up.then(|| self.desk.online_since.unwrap_or(now));
                self.lending.refresh(now);
                self.presence.refresh();
            }
            Input::Addresses(addresses) => {
                self.desk.addresses = addresses;
                self.lending.refresh(now);
                self.presence.refresh();
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
                if let Some(turned) = self.worker.computed(effect, result, &mut self.desk) {
                    self.lending
                        .turned(turned, &mut self.worker, &self.myself, &mut self.desk);
                }
            }
            Input::Signed { effect, signature } => self.signed(effect, signature.as_ref()),
            Input::Clock(clock) => self.desk.set_clock(clock),
            Input::Identity(identity) => {
                self.myself.become_somebody(identity);
                self.registries.become_somebody(self.myself.id());
            }
            Input::Follow(registry) => self.registries.follow(*registry, &self.peers, &mut self.desk),
            Input::Unfollow { swarm } => self.registries.unfollow(&swarm),
            Input::Record { swarm, record } => {
                self.registries
                    .publish_record(&swarm, *record, &self.peers, &mut self.desk);
            }
            Input::Statement { swarm, statement } => {
                self.registries
                    .publish_statement(&swarm, *statement, &self.peers, &mut self.desk);
            }
            Input::Lend(lend) => {
                self.lending
                    .start(*lend, &mut self.worker, &self.myself, &mut self.desk);
                self.look_at_standing();
            }
            Input::Terms(policy) => {
                if self.lending.set_terms(*policy, &mut self.worker, now) {
                    self.look_at_standing();
                }
            }
            Input::StopLending => self.lending.stop(&mut self.worker, &self.myself, &mut self.desk),
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
                self.lending.stop(&mut self.worker, &self.myself, &mut self.desk);
            }
            Input::Tick => {}
        }
    }

    /// What follows from any input: computing goes on, deadlines are kept, the next one is said.
    fn settle(&mut self) {
        if self.registries.take_changed() {
            self.look_at_standing();
        }
        let mut wake = earlier(self.worker.tick(&mut self.desk), self.drop_silent());
        wake = earlier(wake, self.myself.tick(&mut self.desk));
        wake = earlier(wake, self.registries.tick(&self.peers, &mut self.desk));
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
            self.lending
                .tick(&mut self.worker, &self.peers, &self.myself, &mut self.desk),
        );
        let lent_to = self.lending.announced_in();
        wake = earlier(
            wake,
            self.presence.tick(
                lent_to,
                &self.registries,
                &self.peers,
                &self.myself,
                &mut self.desk,
            ),
        );
        wake = earlier(wake, self.look_around());
        for over in self.desk.take_over() {
            self.receipts.over(over, &mut self.desk);
        }
        wake = earlier(wake, self.receipts.tick(&self.myself, &mut self.desk));
        self.requests.retain(|_, request| request.phase != Phase::Over);
        for request in self.requests.values() {
            wake = earlier(wake, request.wake());
        }
        if let Some(at) = wake.filter(|_| wake != self.wake) {
            self.desk.output(Output::WakeAt(at));
        }
        self.wake = wake;
    }

    /// Sees to it that whoever may be needed next is within reach. Answers when to look again.
    fn look_around(&mut self) -> Option<Now> {
        let computed_by_others = |request: &Request| {
            request.phase == Phase::Running && request.answered() > 0 && !request.is_local()
        };
        if !self.requests.values().any(computed_by_others) {
            return None;
        }
        let now = self.desk.now;
        if let Err(next) = self.acquaintances.due(LOOK_AROUND_MS, now) {
            return Some(next);
        }
        let mut stand_ins = Vec::new();
        self.with_requests(|request, _, world| stand_ins.extend(request.alternates(world)));
        self.acquaintances.meet(stand_ins, &self.peers, &mut self.desk);
        Some(now.plus_ms(LOOK_AROUND_MS))
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

    fn signed(&mut self, effect: EffectId, signature: Option<&Signature>) {
        if self.lending.signed(effect, signature, &mut self.desk)
            || self.presence.signed(effect, signature, &mut self.desk)
        {
            return;
        }
        if self.myself.signed(effect, signature, self.desk.now) {
            // Offers say whose device this is as soon as it can be shown.
            self.lending.refresh(self.desk.now);
            return self.introduce();
        }
        self.receipts
            .signed(effect, signature, &self.myself, &mut self.desk);
    }

    /// A registry changed, or who this node is: what follows for what it does, for whom, and with whom.
    fn look_at_standing(&mut self) {
        self.intro.member_of.clear();
        self.intro.halted.clear();
        for (registry, standing) in self.registries.all(&self.desk) {
            let swarm = SwarmId(*registry.id().as_bytes());
            if standing.role.is_some() {
                self.intro.member_of.insert(swarm);
            }
            if standing.halted {
                self.intro.halted.insert(swarm);
            }
        }
        self.introduce();
        let (registries, desk, owner, home) = (&self.registries, &self.desk, self.myself.owner(), self.home);
        self.peers
            .look_whose(|swarm, who| whose(swarm, who, home, owner, registries, desk));
        let lent_to = self.lending.swarm();
        let standing = registries.standing(&lent_to, self.myself.id(), desk);
        let head = registries.head(&lent_to);
        if self.lending.registry != head {
            self.lending.registry = head;
            self.lending.refresh(self.desk.now);
        }
        self.lending
            .look_at_standing(&standing, &mut self.worker, &self.myself, &mut self.desk);
        for swarm in &self.intro.halted {
            self.worker.halt(swarm, &mut self.desk);
            let of_swarm = |request: &&mut Request| request.swarm == *swarm && !request.is_local();
            for request in self.requests.values_mut().filter(of_swarm) {
                request.fail_halted(&mut self.desk);
            }
        }
        let (registries, peers) = (&self.registries, &self.peers);
        let caller = |peer: &PeerId, open: &Open, desk: &Desk| {
            caller::of(
                peer,
                open,
                peers.is_mine(peer),
                (registries, owner, &lent_to),
                desk,
            )
        };
        self.worker.look_at_callers(caller, &mut self.desk);
        self.with_requests(|request, intro, world| {
            if request.drop_unfit(intro, world) {
                request.reroute(intro, world);
            }
        });
    }

    fn introduce(&mut self) {
        self.intro.named = self.myself.owned().cloned().map(Box::new);
        self.intro.nameless = self.myself.nameless().cloned().map(Box::new);
        self.intro.awaited = self.myself.owner().is_some() && self.intro.named.is_none();
    }

    fn ask(&mut self, ask: Ask) {
        let id = ask.request;
        self.jobs = self.jobs.wrapping_add(1);
        let (job, swarm) = (JobId(self.jobs), ask.swarm.unwrap_or(self.home));
        let refused = if swarm != self.home && self.registries.get(&swarm).is_none() {
            Err("a swarm that this node knows nothing of")
        } else if self.requests.contains_key(&id) {
            Err("a request of this name is under way")
        } else if self.requests.len() >= MAX_REQUESTS {
            Err("too many answers at once")
        } else {
            Request::new(ask, job, swarm, self.desk.now)
        };
        match refused {
            Ok(mut request) if self.intro.halted.contains(&swarm) && !request.is_local() => {
                request.fail_halted(&mut self.desk);
            }
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
                        ground: None,
                        message,
                        route: Default::default(),
                    },
                );
            }
        }
    }

    fn offer(&mut self, from: &PeerId, bytes: &[u8]) {
        let Heard { offer, owner } = match Offer::open(bytes, self.desk.wall()) {
            // Nobody speaks for another.
            Ok(heard)
                if heard.offer.peer == *from
                    && *from != self.desk.me
                    && (heard.offer.swarm == self.home
                        || self.registries.get(&heard.offer.swarm).is_some()) =>
            {
                heard
            }
            Ok(_) => return,
            Err(error) => {
                tracing::debug!(peer = from.short(), %error, "an offer that is none");
                return;
            }
        };
        let swarm = offer.swarm;
        let (registries, desk, me) = (&self.registries, &self.desk, self.myself.owner());
        let whose = whose(
            &swarm,
            owner.map(|owner| owner.node_id()),
            self.home,
            me,
            registries,
            desk,
        );
        if whose.blocked {
            return self.peers.withdraw(from);
        }
        if !self.peers.is_present(from, &swarm, self.desk.now) {
            self.presence.answer(&swarm);
        }
        if let Some(head) = offer.registry {
            if self.registries.is_behind(&swarm, head) {
                self.presence.answer(&swarm);
            }
            self.registries
                .heard_head(&swarm, head, from, &offer.addresses, &mut self.desk);
        }
        let owner = owner.map(|owner| owner.node_id());
        if self.peers.offer(offer, owner, whose, self.desk.now) {
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
            Owner::Settling => self
                .receipts
                .received(stream, message, &self.myself, &mut self.desk),
            Owner::Registry => self
                .registries
                .received(stream, message, &self.peers, &mut self.desk),
            Owner::Stranger => match message {
                Message::Open(open) => {
                    let mine = self.peers.is_mine(&peer);
                    let (registries, owner, swarm) =
                        (&self.registries, self.myself.owner(), self.lending.swarm());
                    let who = peer.clone();
                    let caller = |open: &Open, desk: &Desk| {
                        caller::of(&who, open, mine, (registries, owner, &swarm), desk)
                    };
                    self.worker.open(stream, peer, open, caller, &mut self.desk);
                }
                Message::RegistryAsk(_) | Message::RegistryPage(_) => {
                    self.registries
                        .received(stream, message, &self.peers, &mut self.desk);
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
            Owner::Settling => self.receipts.closed(stream, &mut self.desk),
            Owner::Registry => self.registries.closed(stream),
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

/// What the owner of a peer is to this node and to the swarm that the peer works in.
fn whose(
    swarm: &SwarmId,
    who: Option<NodeId>,
    home: SwarmId,
    me: Option<NodeId>,
    registries: &Registries,
    desk: &Desk,
) -> Whose {
    let open = *swarm == home;
    let Some(who) = who else {
        return Whose {
            may_work: open,
            ..Whose::default()
        };
    };
    let standing = registries.standing(swarm, who, desk);
    Whose {
        mine: Some(who) == me || registries.is_mine(who, desk),
        may_work: open || standing.role.is_some(),
        blocked: standing.blocked,
    }
}

fn earlier(a: Option<Now>, b: Option<Now>) -> Option<Now> {
    [a, b].into_iter().flatten().min()
}
