//! One inference that this node asked for: takes the samples of the last stage, tells the user.
//! It does not choose who computes: `reroute` does, at the start and after every loss. Nor what goes out, and when:
//! `feed` does.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    Close, CloseReason, Fault, JobId, MAX_POSITIONS, Message, PeerId, Refusal, Refused, Report, SessionId,
    SwarmId, Token, Trace, WireType,
};

use crate::desk::Desk;
use crate::draft::{Drafter, MAX_DRAFT};
use crate::feed::Trip;
use crate::io::{Ask, Code, Event, FinishReason, Mode, Now, RequestId};
use crate::peers::Peers;
use crate::place::{Place, Slot, SlotState};
use crate::reroute::Introduction;
use crate::sheet::RouteSheet;
use crate::unwanted::is_of_terms;
use crate::worker::Worker;

/// Up to this width hidden states travel exactly by default.
const EXACT_D_MODEL: u32 = 2_048;
/// A stage that refused because it was busy may be asked again after this.
const BUSY_MS: u64 = 2_000;
/// One that keeps a place in its queue is left alone for this long, where there is another way.
const QUEUED_MS: u64 = 10_000;
/// One that refused for another reason is not asked again by this request.
const REFUSED_MS: u64 = 3_600_000;
/// One that became far slower than others are is left alone for this long.
const STRAGGLER_MS: u64 = 60_000;
/// A pair of stages whose connection broke may be tried again after this; one that never came
/// about later.
const PAIR_CLOSED_MS: u64 = 5_000;
const PAIR_UNREACHABLE_MS: u64 = 30_000;

/// What a request acts on besides itself.
pub(crate) struct World<'a> {
    pub(crate) desk: &'a mut Desk,
    pub(crate) peers: &'a mut Peers,
    pub(crate) worker: &'a mut Worker,
}

/// See the file's head.
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) ask: Ask,
    pub(crate) job: JobId,
    pub(crate) swarm: SwarmId,
    pub(crate) wire: WireType,
    pub(crate) max_positions: u32,
    /// Prompt and answer.
    pub(crate) tokens: Vec<u32>,
    pub(crate) epoch: u32,
    pub(crate) places: Vec<Place>,
    /// The next position to send in this epoch.
    pub(crate) fed: u32,
    /// What was sent ends here, guesses included.
    pub(crate) sent_end: u32,
    /// Where the last wrong guesses were cut off in this epoch.
    pub(crate) rolled: u32,
    pub(crate) trip: Option<Trip>,
    pub(crate) phase: Phase,
    /// What the user was last told that it waits for.
    pub(crate) waiting: Option<Code>,
    /// Samples that were asked for.
    pub(crate) sampled: u64,
    /// This node's owner has a role in the swarm.
    pub(crate) member: bool,
    /// Whom not to ask, and until when.
    pub(crate) avoid: BTreeMap<PeerId, Now>,
    /// Whom to ask only where there is no other way, and until when: they would do it, slowly or late.
    pub(crate) slow: BTreeMap<PeerId, Now>,
    /// Who said that their terms do not allow it, for as long as nobody's standing changes.
    pub(crate) denied: BTreeSet<PeerId>,
    /// How somebody refused last: the reason to give where nobody is left.
    pub(crate) refused: Option<Refused>,
    /// This device failed to compute.
    pub(crate) here_failed: bool,
    pub(crate) sheet: RouteSheet,
    /// When to look for somebody again.
    pub(crate) look_at: Now,
    /// When the last token came, and whether the route changed since.
    pub(crate) last_token: Now,
    pub(crate) rerouted: bool,
    pub(crate) drafter: Drafter,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    /// Somebody must be found; since then.
    Seeking { since: Now },
    /// The stages compute.
    Running,
    /// The answer is whole. What stages say of their last steps may still be on its way, and is waited for until then.
    Whole { reason: FinishReason, until: Now },
    /// Over: to be forgotten.
    Over,
}

impl Request {
    /// Takes the question, or says why it makes no sense.
    pub(crate) fn new(ask: Ask, job: JobId, swarm: SwarmId, now: Now) -> Result<Request, &'static str> {
        let prompt = ask.prompt.len() as u64;
        let room = prompt + u64::from(ask.max_tokens) + u64::from(MAX_DRAFT);
        if ask.prompt.is_empty() || ask.max_tokens == 0 {
            return Err("an empty prompt, or no token asked for");
        }
        if room > u64::from(MAX_POSITIONS) {
            return Err("prompt and answer are longer than any context");
        }
        if ask.model.layers == 0 || ask.model.d_model == 0 {
            return Err("a model without layers");
        }
        if ask.sampling.check().is_err() {
            return Err("the sampling settings make no sense");
        }
        let exact = ask.model.d_model <= EXACT_D_MODEL;
        let wire = ask
            .wire
            .unwrap_or(if exact { WireType::F32 } else { WireType::F16 });
        Ok(Request {
            id: ask.request,
            job,
            swarm,
            wire,
            max_positions: room as u32,
            tokens: ask.prompt.clone(),
            ask,
            epoch: 0,
            places: Vec::new(),
            fed: 0,
            sent_end: 0,
            rolled: 0,
            trip: None,
            phase: Phase::Seeking { since: now },
            waiting: None,
            sampled: 0,
            member: false,
            avoid: BTreeMap::new(),
            slow: BTreeMap::new(),
            denied: BTreeSet::new(),
            refused: None,
            here_failed: false,
            sheet: RouteSheet::default(),
            look_at: now,
            last_token: now,
            rerouted: false,
            drafter: Drafter::new(),
        })
    }

    /// This device alone computes.
    pub(crate) fn is_local(&self) -> bool {
        self.ask.mode == Mode::Local || (self.ask.mode == Mode::Auto && self.ask.local_ready)
    }

    /// A message of a stage. Answers whether the route must change.
    pub(crate) fn received(&mut self, session: SessionId, message: Message, world: &mut World<'_>) -> bool {
        let now = world.desk.now;
        match message {
            Message::Opened(opened) => {
                if let Some(slot) = self.slot(session).filter(|slot| slot.is_alive()) {
                    slot.state = SlotState::Serving;
                    slot.due = None;
                    slot.queued = false;
                    slot.pace.expect(opened.us_per_token);
                }
                self.say_waiting(world.desk);
                self.feed(world.desk);
                false
            }
            Message::Token(token) => self.token(session, token, world),
            Message::Trace(trace) => {
                self.trace(session, &trace, world.peers, now);
                if let Phase::Whole { reason, .. } = self.phase {
                    self.finish(reason, world.desk);
                    return false;
                }
                self.straggles(session, world) && self.leave_for(session, STRAGGLER_MS, world)
            }
            Message::Ack(ack) => {
                if let Some(slot) = self.slot(session) {
                    slot.credit.grant(ack.credit_bytes);
                    slot.heard(now);
                }
                self.feed(world.desk);
                false
            }
            Message::Refused(refused) => {
                let of_terms = is_of_terms(&refused);
                if let Some(slot) = self.slot(session).filter(|_| of_terms) {
                    let peer = slot.peer.clone();
                    self.denied.insert(peer);
                }
                let wait = if refused.why == Refusal::Busy && !of_terms {
                    BUSY_MS
                } else {
                    REFUSED_MS
                };
                self.refused = Some(refused);
                self.lose(session, Some(wait), false, world)
            }
            Message::Queued(_) => {
                if let Some(slot) = self.slot(session) {
                    slot.queued = true;
                    slot.heard(now);
                }
                if self.has_other_way(session, world) {
                    return self.leave_for(session, QUEUED_MS, world);
                }
                self.say_waiting(world.desk);
                false
            }
            Message::Leaving(_) => {
                if let Some(slot) = self.slot(session) {
                    world.peers.withdraw(&slot.peer);
                }
                self.lose(session, None, false, world)
            }
            Message::Report(report) => self.report(session, &report, world),
            Message::Close(_) => self.lose(session, Some(BUSY_MS), false, world),
            // What no stage has to say to a requester.
            Message::Hello(_)
            | Message::Open(_)
            | Message::Step(_)
            | Message::Replay(_)
            | Message::Settle(_)
            | Message::Receipt(_)
            | Message::RegistryAsk(_)
            | Message::RegistryPage(_) => self.lose(session, None, true, world),
        }
    }

    /// A stage is lost. Answers whether the route must change.
    pub(crate) fn lose(
        &mut self,
        session: SessionId,
        avoid_ms: Option<u64>,
        at_fault: bool,
        world: &mut World<'_>,
    ) -> bool {
        let now = world.desk.now;
        let Some(slot) = self.slot(session).filter(|slot| slot.is_alive()) else {
            return false;
        };
        slot.state = SlotState::Dead;
        let (peer, control, hop) = (slot.peer.clone(), slot.control, slot.hop);
        world.desk.send(
            control,
            Message::Close(Close {
                reason: CloseReason::Replaced,
            }),
        );
        world.desk.close(control);
        if at_fault {
            world.peers.failed(&peer, now);
        }
        if let Some(ms) = avoid_ms {
            self.avoid.insert(peer, now.plus_ms(ms));
        }
        if let Phase::Whole { reason, .. } = self.phase {
            // It did its part; what else it had to say is not waited for.
            self.finish(reason, world.desk);
            return false;
        }
        for place in &mut self.places {
            if place.standby.as_ref().is_some_and(|slot| slot.session == session) {
                // Nothing depends on a standby.
                place.standby = None;
                return false;
            }
        }
        if let Some(hop) = self.sheet.hops.get_mut(hop) {
            hop.lost = true;
        }
        true
    }

    /// A stage that does what it can is left, since others are faster. Answers whether the route must change.
    fn leave_for(&mut self, session: SessionId, ms: u64, world: &mut World<'_>) -> bool {
        if let Some(peer) = self.slot(session).map(|slot| slot.peer.clone()) {
            self.slow.insert(peer, world.desk.now.plus_ms(ms));
        }
        self.lose(session, None, false, world)
    }

    /// Somebody's standing changed: stages on devices that have no business in this any more are lost, and whoever
    /// said no may say yes now. Answers whether the route must change.
    pub(crate) fn drop_unfit(&mut self, intro: &Introduction, world: &mut World<'_>) -> bool {
        if self.is_local() || self.is_answered() {
            return false;
        }
        self.member = intro.is_member(&self.swarm);
        for peer in std::mem::take(&mut self.denied) {
            self.avoid.remove(&peer);
        }
        let whom = self.whom(true);
        let slots = self.places.iter().flat_map(Place::slots);
        let unfit: Vec<SessionId> = slots
            .filter(|slot| slot.is_alive() && slot.peer != world.desk.me)
            .filter(|slot| !world.peers.may_serve(&slot.peer, whom))
            .map(|slot| slot.session)
            .collect();
        let mut lost = false;
        for session in unfit {
            lost |= self.lose(session, None, false, world);
        }
        lost
    }

    /// This device slept: everybody's time begins anew.
    pub(crate) fn forgive(&mut self, now: Now) {
        for slot in self.places.iter_mut().flat_map(Place::slots_mut) {
            slot.due = slot.due.map(|_| now);
            slot.heard(now);
        }
    }

    /// The first stage that has kept this node waiting too long.
    pub(crate) fn overdue(&self, now: Now) -> Option<SessionId> {
        let late = |slot: &Slot, available| slot.deadline(available).is_some_and(|deadline| deadline <= now);
        self.slots()
            .find(|(slot, available)| late(slot, *available))
            .map(|(slot, _)| slot.session)
    }

    /// When to look at the deadlines again.
    pub(crate) fn deadline(&self) -> Option<Now> {
        self.slots()
            .filter_map(|(slot, available)| slot.deadline(available))
            .min()
    }

    /// Slots, each with the positions that are there for it to compute.
    fn slots(&self) -> impl Iterator<Item = (&Slot, u32)> {
        let mut available = self.sent_end;
        self.places.iter().flat_map(move |place| {
            let here = available;
            available = place.active.has;
            place.slots().map(move |slot| (slot, here))
        })
    }

    pub(crate) fn slot(&mut self, session: SessionId) -> Option<&mut Slot> {
        self.places
            .iter_mut()
            .flat_map(Place::slots_mut)
            .find(|slot| slot.session == session)
    }

    pub(crate) fn watch(&mut self, now: Now) {
        let mut available = self.sent_end;
        for place in &mut self.places {
            for slot in place.slots_mut() {
                slot.watch(available, now);
            }
            available = place.active.has;
        }
    }

    /// No stage has anything left to compute.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.phase, Phase::Whole { .. } | Phase::Over)
    }

    /// Tokens still to come.
    pub(crate) fn left(&self) -> u32 {
        self.ask.max_tokens.saturating_sub(self.answered())
    }

    pub(crate) fn answered(&self) -> u32 {
        (self.tokens.len() - self.ask.prompt.len()) as u32
    }

    fn token(&mut self, session: SessionId, token: Token, world: &mut World<'_>) -> bool {
        let now = world.desk.now;
        let from_head = self
            .places
            .last()
            .is_some_and(|place| place.active.session == session);
        if token.epoch != self.epoch || self.phase != Phase::Running || !from_head {
            return false;
        }
        let Some(trip) = self
            .trip
            .take_if(|trip| trip.position == token.position && trip.drafts.len() + 1 == token.ids.len())
        else {
            return self.lose(session, None, true, world);
        };
        if self.rerouted {
            let stall = now.since(self.last_token);
            self.sheet.longest_stall_ms = self.sheet.longest_stall_ms.max(stall);
        }
        (self.last_token, self.rerouted) = (now, false);
        let mut agreed = 0;
        for (i, id) in token.ids.iter().enumerate() {
            if self.ask.stop.contains(id) {
                self.finish(FinishReason::Stop, world.desk);
                return false;
            }
            let position = self.tokens.len() as u32;
            self.tokens.push(*id);
            self.sheet.tokens += 1;
            world.desk.event(
                self.id,
                Event::Token {
                    position,
                    id: *id,
                    at: now,
                },
            );
            if self.left() == 0 {
                self.finish(FinishReason::Length, world.desk);
                return false;
            }
            if trip.drafts.get(i) != Some(id) {
                break;
            }
            agreed += 1;
        }
        let drafted = trip.drafts.len() as u32;
        self.sheet.drafted += drafted;
        self.sheet.agreed += agreed;
        self.drafter.learn(drafted, agreed);
        // All but the newest token are in the caches, and after them guesses that were wrong: the
        // next step cuts them off.
        self.fed = self.tokens.len() as u32 - 1;
        self.sent_end = self.fed;
        if agreed < drafted {
            self.rolled = self.fed;
        }
        for slot in self.places.iter_mut().flat_map(Place::slots_mut) {
            slot.has = slot.has.min(self.fed);
        }
        self.feed(world.desk);
        false
    }

    fn trace(&mut self, session: SessionId, trace: &Trace, peers: &mut Peers, now: Now) {
        // Done is done, whatever the route is by now.
        if let Some(slot) = self.slot(session) {
            slot.told.note(trace);
        }
        if trace.epoch != self.epoch {
            return;
        }
        // A late word about wrong guesses says nothing about what was sent since.
        let most = if trace.first_position < self.rolled {
            self.rolled
        } else {
            self.sent_end
        };
        let end = trace.first_position.saturating_add(trace.positions);
        let Some(slot) = self.slot(session) else { return };
        slot.progressed(end.min(most), trace.positions, now);
        slot.cost.note(trace);
        let layers = u64::from(slot.stage.layers.end() - slot.stage.layers.first()).max(1);
        if trace.positions == 1 {
            peers.measured(&slot.peer, u64::from(trace.compute_ms) * 1_000 / layers);
        }
        let hop = slot.hop;
        if let Some(hop) = self.sheet.hops.get_mut(hop) {
            hop.steps = hop.steps.saturating_add(1);
            hop.queue_ms = hop.queue_ms.saturating_add(u64::from(trace.queue_ms));
            hop.compute_ms = hop.compute_ms.saturating_add(u64::from(trace.compute_ms));
            hop.bytes = hop.bytes.saturating_add(u64::from(trace.bytes));
        }
        self.watch(now);
    }

    fn report(&mut self, session: SessionId, report: &Report, world: &mut World<'_>) -> bool {
        if report.epoch != self.epoch {
            return false;
        }
        let now = world.desk.now;
        let Some(at) = self
            .places
            .iter()
            .position(|place| place.slots().any(|slot| slot.session == session))
        else {
            return false;
        };
        let me = world.desk.me.clone();
        let Some(accused) = report.peer.as_ref().filter(|_| report.fault != Fault::Compute) else {
            let here = self.slot(session).is_some_and(|slot| slot.peer == me);
            self.here_failed |= here;
            return self.lose(session, here.then_some(REFUSED_MS), true, world);
        };
        if *accused == me {
            // It says that this very node sent nonsense: it and this node do not go together.
            return self.lose(session, Some(REFUSED_MS), false, world);
        }
        let neighbours = [at.checked_add(1), at.checked_sub(1)].into_iter().flatten();
        let victim = neighbours
            .filter_map(|at| self.places.get(at))
            .flat_map(Place::slots)
            .find(|slot| slot.peer == *accused && slot.is_alive())
            .map(|slot| slot.session);
        let Some(victim) = victim else { return false };
        let Some(reporter) = self.slot(session).map(|slot| slot.peer.clone()) else {
            return false;
        };
        // Who of the two is to blame is not known here, so neither is: they are not paired again
        // for a while.
        let wait = if report.fault == Fault::Unreachable {
            PAIR_UNREACHABLE_MS
        } else {
            PAIR_CLOSED_MS
        };
        world.peers.pair_failed(&reporter, accused, wait, now);
        self.lose(victim, None, false, world)
    }
}
