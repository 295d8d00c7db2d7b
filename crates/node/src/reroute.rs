//! Who computes a request: at the start, and again whenever a stage is lost.
//! The rules of replay are here: what each stage keeps and from where on it sends again.
//!
//! A new epoch begins with every change of the route. A stage that stays keeps the positions that
//! it is known to have computed and whose tokens are settled; a new one has none. From these
//! numbers alone follows what each must send to the next: everything from where the next one's
//! positions end, kept or yet to be computed. No stage needs to know what happened, and several
//! losses at once, or a loss during a replay, are no special case.

use std::collections::BTreeSet;

use identity::Credential;
use protocol::{
    Close, CloseReason, JobKind, LayerRange, List, Message, Next, Open, PeerId, Refusal, Replay, Stage,
    SwarmId,
};

use crate::credit::Credit;
use crate::desk::Owner;
use crate::io::{Code, Mode, Now};
use crate::pace::Pace;
use crate::place::{Cost, Place, Slot, SlotState};
use crate::plan::GRACE_MS;
use crate::receipts::Tally;
use crate::request::{Phase, Request, World};
use crate::route::Leg;
use crate::sheet::Hop;

/// How long to wait for somebody who holds a missing layer.
const SEEK_MS: u64 = 60_000;
/// How often to look again while waiting, beside every time that something new is heard.
const RETRY_MS: u64 = 1_000;
/// A connected stage answers an Open within this and some round trips; one that must be dialled
/// within the other.
const OPEN_MS: u64 = 2_000;
const DIAL_MS: u64 = 12_000;
/// Loading weights here is shown to the user and may take long.
const LOAD_MS: u64 = 3_600_000;
/// An answer does not change hands for ever.
const MAX_EPOCHS: u32 = 1_000;

/// What an Open of this node says of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Introduction {
    /// To those who may know whose node this is: its owner's devices, and the members of a swarm to another member.
    pub(crate) named: Option<Box<Credential>>,
    /// That one is being signed.
    pub(crate) awaited: bool,
    /// To strangers.
    pub(crate) nameless: Option<Box<Credential>>,
    /// Swarms in which this node's owner has a role.
    pub(crate) member_of: BTreeSet<SwarmId>,
    /// Swarms in which all work stands still.
    pub(crate) halted: BTreeSet<SwarmId>,
}

impl Introduction {
    pub(crate) fn is_member(&self, swarm: &SwarmId) -> bool {
        self.member_of.contains(swarm)
    }

    fn to(&self, trusted: bool) -> Option<Box<Credential>> {
        let named = self.named.as_ref().filter(|_| trusted);
        named.or(self.nameless.as_ref()).cloned()
    }
}

impl Request {
    /// Fills the places that are empty or lost; pauses where nobody can be found.
    pub(crate) fn reroute(&mut self, intro: &Introduction, world: &mut World<'_>) {
        if self.is_answered() {
            return;
        }
        if self.epoch >= MAX_EPOCHS {
            return self.fail(Code::PeerLost, "the route changed too often", world.desk);
        }
        let now = world.desk.now;
        let me = world.desk.me.clone();
        self.promote_standbys(&me);
        self.member = intro.is_member(&self.swarm);
        let shows_name = self.member || self.ask.mode == Mode::Mine;
        if shows_name && intro.awaited && !self.is_local() {
            // Asked without it, those who would know this node take it for a stranger.
            if self.phase == Phase::Running {
                self.phase = Phase::Seeking { since: now };
            }
            self.look_at = now.plus_ms(RETRY_MS);
            return self.say(Some(Code::Connecting), world.desk);
        }
        if !self.fill(world) {
            return if self.is_local() {
                self.not_here(intro, world)
            } else {
                self.pause(now, world)
            };
        }
        if self.ask.shadow {
            self.add_standbys(world);
        }
        self.phase = Phase::Running;
        self.say_waiting(world.desk);
        self.begin_epoch(intro, world);
        self.feed(world.desk);
    }

    /// Looks at the clock. Answers whether the route must change.
    pub(crate) fn tick(&mut self, world: &mut World<'_>) -> bool {
        let now = world.desk.now;
        match self.phase {
            Phase::Over => false,
            Phase::Whole { reason, until } => {
                if now >= until {
                    self.conclude(reason, world.desk);
                }
                false
            }
            Phase::Seeking { since } if now.since(since) >= SEEK_MS => {
                self.give_up(world.desk);
                false
            }
            Phase::Seeking { .. } => now >= self.look_at,
            Phase::Running => {
                let mut lost = false;
                while let Some(session) = self.overdue(now) {
                    tracing::debug!(?session, "a stage kept this node waiting too long");
                    lost |= self.lose(session, None, true, world);
                }
                lost
            }
        }
    }

    /// When to look at the clock again.
    pub(crate) fn wake(&self) -> Option<Now> {
        match self.phase {
            Phase::Over => None,
            Phase::Seeking { since } => Some(self.look_at.min(since.plus_ms(SEEK_MS))),
            Phase::Running => self.deadline(),
            Phase::Whole { until, .. } => Some(until),
        }
    }

    /// This device cannot: elsewhere, if the user left that open.
    fn not_here(&mut self, intro: &Introduction, world: &mut World<'_>) {
        if self.ask.mode == Mode::Auto {
            self.ask.local_ready = false;
            self.places.clear();
            return self.reroute(intro, world);
        }
        let (code, message) = match &self.refused {
            _ if self.here_failed => (Code::DeviceLost, "this device failed to compute"),
            Some(refused) if refused.why == Refusal::WontFit => {
                (Code::WontFit, "the model does not fit this device")
            }
            _ => (
                Code::ModelRejected,
                "the model could not be loaded on this device",
            ),
        };
        self.fail(code, message, world.desk);
    }

    fn pause(&mut self, now: Now, world: &mut World<'_>) {
        if self.phase == Phase::Running {
            self.phase = Phase::Seeking { since: now };
        }
        self.look_at = now.plus_ms(RETRY_MS);
        // Not at once: who somebody is, and what a register says of them, may be on the way.
        if matches!(self.phase, Phase::Seeking { since } if now.since(since) >= GRACE_MS)
            && self.is_barred(world)
        {
            return self.fail_barred(world.desk);
        }
        let reason = if self.may_still_come(world) {
            Code::Connecting
        } else {
            Code::NoRoute
        };
        self.say(Some(reason), world.desk);
    }

    fn promote_standbys(&mut self, me: &PeerId) {
        for place in &mut self.places {
            if !place.active.is_alive()
                && let Some(standby) = place.standby.take()
            {
                place.active = standby;
            }
        }
        for at in 0..self.places.len() {
            let slot = &self.places[at].active;
            let (peer, layers) = (slot.peer.clone(), slot.stage.layers);
            if slot.is_alive() && slot.hop == Slot::NO_HOP {
                self.places[at].active.hop = self.hop(&peer, peer == *me, layers);
            }
        }
    }

    /// Finds somebody for every run of places that are lost, widening it where nobody fits.
    fn fill(&mut self, world: &mut World<'_>) -> bool {
        if self.places.is_empty() {
            let Ok(span) = LayerRange::new(0, self.ask.model.layers) else {
                return false;
            };
            let me = world.desk.me.clone();
            let Some(legs) = self.plan(span, &me, &me, world) else {
                return false;
            };
            self.places = legs.into_iter().map(|leg| self.place(leg, world)).collect();
            return true;
        }
        while let Some(first) = self.places.iter().position(|place| !place.active.is_alive()) {
            let dead = self.places[first..]
                .iter()
                .take_while(|place| !place.active.is_alive())
                .count();
            if !self.fill_run(first, first + dead, world) {
                return false;
            }
        }
        true
    }

    fn fill_run(&mut self, first: usize, end: usize, world: &mut World<'_>) -> bool {
        let count = self.places.len();
        let wider = [
            (first, end),
            (first, (end + 1).min(count)),
            (first.saturating_sub(1), end),
            (first.saturating_sub(1), (end + 1).min(count)),
            (0, count),
        ];
        for (first, end) in wider {
            let me = world.desk.me.clone();
            let from = if first == 0 {
                me.clone()
            } else {
                self.places[first - 1].active.peer.clone()
            };
            let to = self.places.get(end).map_or(me, |place| place.active.peer.clone());
            let ends = (
                self.places[first].active.stage.layers.first(),
                self.places[end - 1].active.stage.layers.end(),
            );
            let Ok(span) = LayerRange::new(ends.0, ends.1) else {
                continue;
            };
            let Some(legs) = self.plan(span, &from, &to, world) else {
                continue;
            };
            let new: Vec<Place> = legs.into_iter().map(|leg| self.place(leg, world)).collect();
            for place in self.places.splice(first..end, new) {
                for slot in place.slots().filter(|slot| slot.is_alive()) {
                    world.desk.send(
                        slot.control,
                        Message::Close(Close {
                            reason: CloseReason::Replaced,
                        }),
                    );
                    world.desk.close(slot.control);
                }
            }
            return true;
        }
        false
    }

    fn place(&mut self, leg: Leg, world: &mut World<'_>) -> Place {
        let stage = Stage::of(leg.layers, self.ask.model.layers);
        let mut active = self.new_slot(leg.peer, stage, world);
        active.hop = self.hop(&active.peer, active.peer == world.desk.me, leg.layers);
        Place {
            active,
            standby: None,
        }
    }

    fn new_slot(&self, peer: PeerId, stage: Stage, world: &mut World<'_>) -> Slot {
        let here = peer == world.desk.me;
        if here {
            world.worker.hold(self.ask.model, stage, false, world.desk);
        }
        let addresses = if here {
            world.desk.addresses.clone()
        } else {
            world.peers.addresses(&peer)
        };
        let swarm = world.peers.swarm(&peer).filter(|_| !here).unwrap_or(self.swarm);
        let trusted = self.member || self.ask.mode == Mode::Mine || world.peers.is_mine(&peer);
        let session = world.desk.new_session();
        let owner = Owner::Request {
            request: self.id,
            session,
        };
        let control = world.desk.open(&peer, &addresses, owner);
        Slot {
            peer,
            addresses,
            swarm,
            trusted,
            session,
            stage,
            control,
            state: SlotState::New,
            has: 0,
            due: None,
            pace: Pace::default(),
            cost: Cost::default(),
            told: Tally::default(),
            queued: false,
            credit: Credit::new(),
            hop: Slot::NO_HOP,
        }
    }

    fn hop(&mut self, peer: &PeerId, here: bool, layers: LayerRange) -> usize {
        let hops = &mut self.sheet.hops;
        if let Some(at) = hops
            .iter()
            .position(|hop| hop.peer == *peer && hop.layers == layers)
        {
            hops[at].lost = false;
            return at;
        }
        hops.push(Hop {
            peer: peer.clone(),
            here,
            layers,
            steps: 0,
            queue_ms: 0,
            compute_ms: 0,
            bytes: 0,
            lost: false,
        });
        hops.len() - 1
    }

    /// Who could take over which place, the fastest first: nobody who is on the route, nobody to be avoided.
    fn stand_ins(&self, at: usize, world: &World<'_>) -> Vec<PeerId> {
        let stage = self.places[at].active.stage;
        let avoided = self.not_asked();
        let reach = |peer: &PeerId| world.desk.reach(peer);
        let (mut candidates, _) =
            world
                .peers
                .candidates(&self.ask.model.id, self.whom(false), reach, world.desk.now);
        let used = |peer: &PeerId| {
            self.places
                .iter()
                .flat_map(Place::slots)
                .any(|slot| slot.peer == *peer)
        };
        candidates.retain(|candidate| {
            let covers = candidate.layers.first() <= stage.layers.first()
                && stage.layers.end() <= candidate.layers.end()
                && (!candidate.whole || candidate.layers == stage.layers);
            covers
                && candidate.peer != world.desk.me
                && !used(&candidate.peer)
                && !avoided.contains_key(&candidate.peer)
        });
        candidates.sort_by_key(|candidate| candidate.us_per_layer);
        candidates.into_iter().map(|candidate| candidate.peer).collect()
    }

    /// Whom to have within reach while others compute this: whoever could take over, the best for each place first.
    pub(crate) fn alternates(&self, world: &World<'_>) -> Vec<PeerId> {
        if self.phase != Phase::Running || self.answered() == 0 || self.is_local() {
            return Vec::new();
        }
        let of_places: Vec<Vec<PeerId>> = (0..self.places.len())
            .map(|at| self.stand_ins(at, world))
            .collect();
        let most = of_places.iter().map(Vec::len).max().unwrap_or(0);
        (0..most)
            .flat_map(|rank| of_places.iter().filter_map(move |peers| peers.get(rank)))
            .cloned()
            .collect()
    }

    /// A second peer for each place, where there is one that is not on the route.
    fn add_standbys(&mut self, world: &mut World<'_>) {
        for at in 0..self.places.len() {
            if self.places[at].standby.is_some() {
                continue;
            }
            let stage = self.places[at].active.stage;
            if let Some(peer) = self.stand_ins(at, world).into_iter().next() {
                self.places[at].standby = Some(self.new_slot(peer, stage, world));
            }
        }
    }

    /// Tells every stage what it keeps, whom it hears and whom it feeds.
    fn begin_epoch(&mut self, intro: &Introduction, world: &mut World<'_>) {
        let now = world.desk.now;
        self.epoch += 1;
        if self.epoch > 1 {
            self.sheet.replays += 1;
            self.rerouted = true;
        }
        // The newest token is fed again: its sample may have been lost on the way.
        let settled = self.tokens.len() as u32 - 1;
        for slot in self.places.iter_mut().flat_map(Place::slots_mut) {
            slot.has = if slot.state == SlotState::New {
                0
            } else {
                slot.has.min(settled)
            };
            slot.due = None;
        }
        for at in 0..self.places.len() {
            let previous = at.checked_sub(1).map(|at| self.places[at].active.peer.clone());
            let next: Vec<Next> = self
                .places
                .get(at + 1)
                .into_iter()
                .flat_map(Place::slots)
                .map(next_of)
                .collect();
            let (active, standby) = self.messages(at, previous, next, intro);
            for (slot, message) in [(0, Some(active)), (1, standby)] {
                let Some(slot) = self.places[at].slots_mut().nth(slot) else {
                    continue;
                };
                if slot.state == SlotState::New {
                    slot.state = SlotState::Opening {
                        until: now.plus_ms(patience(&slot.peer, world)),
                    };
                }
                if let Some(message) = message {
                    world.desk.send(slot.control, message);
                }
            }
        }
        let first = self.places.first();
        self.fed = first
            .into_iter()
            .flat_map(Place::slots)
            .map(|slot| slot.has)
            .min()
            .unwrap_or(0);
        self.sent_end = settled;
        self.rolled = 0;
        self.trip = None;
    }

    fn messages(
        &self,
        at: usize,
        previous: Option<PeerId>,
        next: Vec<Next>,
        intro: &Introduction,
    ) -> (Message, Option<Message>) {
        let say = |slot: &Slot, shadow: bool| {
            let next = if shadow {
                List::default()
            } else {
                List::first(next.iter().cloned())
            };
            if slot.state == SlotState::New {
                return Message::Open(Box::new(Open {
                    session: slot.session,
                    kind: JobKind::Inference,
                    swarm: slot.swarm,
                    model: self.ask.model.id,
                    stage: slot.stage,
                    epoch: self.epoch,
                    shadow,
                    previous: previous.clone(),
                    next,
                    sampling: slot.stage.head.then_some(self.ask.sampling),
                    wire: self.wire,
                    max_positions: self.max_positions,
                    delegation: intro.to(slot.trusted),
                    authorization: None,
                    job: self.job,
                }));
            }
            let (epoch, keep, previous) = (self.epoch, slot.has, previous.clone());
            Message::Replay(Replay {
                epoch,
                keep,
                previous,
                next,
                shadow,
            })
        };
        let place = &self.places[at];
        (
            say(&place.active, false),
            place.standby.as_ref().map(|slot| say(slot, true)),
        )
    }
}

fn next_of(slot: &Slot) -> Next {
    Next {
        peer: slot.peer.clone(),
        addresses: slot.addresses.clone(),
        session: slot.session,
        from: slot.has,
    }
}

fn patience(peer: &PeerId, world: &World<'_>) -> u64 {
    if *peer == world.desk.me {
        return LOAD_MS;
    }
    if !world.desk.is_connected(peer) {
        return DIAL_MS;
    }
    OPEN_MS + 4 * u64::from(world.peers.round_trip_ms(peer).unwrap_or(250))
}
