//! Which stages a request could have: for a span of layers, for another way around one, or if only links were found.
//! It changes nothing: rerouting does.

use std::collections::BTreeMap;

use protocol::{LayerRange, PeerId, SessionId};

use crate::io::{Mode, Now};
use crate::peers::Whom;
use crate::request::{Request, World};
use crate::route::{self, Candidate, Leg};

/// Everybody who lends was heard once by then: before, nobody can say that there is nobody.
pub(crate) const GRACE_MS: u64 = 6_000;
/// A stage is left for another way when it costs this many times as much, and this much more.
const STRAGGLER_TIMES: u64 = 3;
const STRAGGLER_US: u64 = 20_000;

impl Request {
    /// Whether it is too early to say that nobody is there: not everybody was heard yet, or those who are there
    /// have not found a way to each other yet.
    pub(crate) fn may_still_come(&self, world: &World<'_>) -> bool {
        let young = |since: Now| world.desk.now.since(since) < GRACE_MS;
        // Whoever had a route once knows who is missing.
        if self.epoch == 0 && world.desk.online_since.is_none_or(young) {
            return true;
        }
        let whom = Whom {
            any_pair: true,
            ..self.whom(false)
        };
        let me = &world.desk.me;
        LayerRange::new(0, self.ask.model.layers).is_ok_and(|span| {
            self.plan_avoiding(span, (me, me), whom, &self.avoid, world)
                .is_some()
        })
    }

    /// Whether there are devices for every layer, but some of them are not for this node: their terms, their standing
    /// or their own word say so. Waiting does not change that.
    pub(crate) fn is_barred(&self, world: &World<'_>) -> bool {
        let me = &world.desk.me;
        let route = |whom: Whom, avoid: &BTreeMap<PeerId, Now>| {
            LayerRange::new(0, self.ask.model.layers)
                .ok()
                .and_then(|span| self.plan_avoiding(span, (me, me), whom, avoid, world))
                .is_some()
        };
        let said_no = self.denied.iter().map(|peer| (peer.clone(), Now(u64::MAX)));
        let any = Whom {
            on_any_terms: true,
            ..self.whom(true)
        };
        !route(self.whom(true), &said_no.collect()) && route(any, &BTreeMap::new())
    }

    pub(crate) fn whom(&self, failed_too: bool) -> Whom {
        Whom {
            swarm: (self.ask.mode != Mode::Mine).then_some(self.swarm),
            member: self.member,
            on_any_terms: false,
            any_pair: false,
            failed_too,
        }
    }

    /// The cheapest stages for a span of layers; those that were too slow only where nobody else is, and only then
    /// those that failed lately.
    pub(crate) fn plan(
        &self,
        span: LayerRange,
        from: &PeerId,
        to: &PeerId,
        world: &World<'_>,
    ) -> Option<Vec<Leg>> {
        let tries = [
            (false, &self.not_asked()),
            (false, &self.avoid),
            (true, &self.avoid),
        ];
        tries
            .into_iter()
            .find_map(|(failed_too, avoid)| {
                self.plan_avoiding(span, (from, to), self.whom(failed_too), avoid, world)
            })
            .map(|(legs, _)| legs)
    }

    /// Whether the layers of a stage can be had without it.
    pub(crate) fn has_other_way(&self, session: SessionId, world: &World<'_>) -> bool {
        let Some(at) = self
            .places
            .iter()
            .position(|place| place.active.session == session)
        else {
            return false;
        };
        let me = &world.desk.me;
        let from = at.checked_sub(1).map_or(me, |at| &self.places[at].active.peer);
        let to = self.places.get(at + 1).map_or(me, |place| &place.active.peer);
        let slot = &self.places[at].active;
        let mut others = self.not_asked();
        others.insert(slot.peer.clone(), Now(u64::MAX));
        let whom = self.whom(false);
        self.plan_avoiding(slot.stage.layers, (from, to), whom, &others, world)
            .is_some()
    }

    /// Whether a stage has become so slow that the way over others pays, replay and all.
    pub(crate) fn straggles(&mut self, session: SessionId, world: &World<'_>) -> bool {
        let Some(at) = self
            .places
            .iter()
            .position(|place| place.active.session == session)
        else {
            return false;
        };
        let Some(us) = self.places[at].active.cost.take_us() else {
            return false;
        };
        let me = &world.desk.me;
        let from = if at == 0 {
            me
        } else {
            &self.places[at - 1].active.peer
        };
        let to = self.places.get(at + 1).map_or(me, |place| &place.active.peer);
        let slot = &self.places[at].active;
        let mut others = self.not_asked();
        others.insert(slot.peer.clone(), Now(u64::MAX));
        let Some((legs, cost)) =
            self.plan_avoiding(slot.stage.layers, (from, to), self.whom(false), &others, world)
        else {
            return false;
        };
        let per_layer = |peer: &PeerId| world.peers.us_per_layer(peer, &self.ask.model.id, world.desk.now);
        let computing = |leg: &Leg| {
            per_layer(&leg.peer)
                .unwrap_or(0)
                .saturating_mul(leg.layers.len().into())
        };
        let theirs: u64 = legs.iter().map(computing).sum();
        // Slower by much, and not only because it is nearer than they are.
        theirs.saturating_mul(STRAGGLER_TIMES) + STRAGGLER_US < us && cost.us < us
    }

    /// Whom to leave alone where there is a choice.
    pub(crate) fn not_asked(&self) -> BTreeMap<PeerId, Now> {
        let mut all = self.avoid.clone();
        for (peer, until) in &self.slow {
            let known = all.entry(peer.clone()).or_default();
            *known = (*known).max(*until);
        }
        all
    }

    fn plan_avoiding(
        &self,
        span: LayerRange,
        (from, to): (&PeerId, &PeerId),
        whom: Whom,
        avoid: &BTreeMap<PeerId, Now>,
        world: &World<'_>,
    ) -> Option<(Vec<Leg>, route::Cost)> {
        let (now, me) = (world.desk.now, &world.desk.me);
        let model = &self.ask.model;
        let reach = |peer: &PeerId| world.desk.reach(peer);
        let (mut candidates, mut delays) = world.peers.candidates(&model.id, whom, reach, now);
        candidates.retain(|candidate| candidate.peer != *me);
        if self.is_local() {
            candidates.clear();
            let layers = LayerRange::new(0, model.layers).ok()?;
            candidates.push(Candidate {
                peer: me.clone(),
                layers,
                whole: true,
                us_per_layer: 0,
                distrust: 0,
            });
        } else if let Some((layers, us_per_layer)) = world.worker.own_work(&model.id) {
            candidates.push(Candidate {
                peer: me.clone(),
                layers,
                whole: true,
                us_per_layer,
                distrust: 0,
            });
        }
        delays.to_middle.insert(me.clone(), 0);
        candidates.retain(|candidate| avoid.get(&candidate.peer).is_none_or(|until| *until <= now));
        route::route(&candidates, &delays, span, from, to)
    }
}
