//! What is known of other peers: their offers, their distance, how they did.
//! It chooses nobody: it tells the route what each would cost.

use std::collections::BTreeMap;

use identity::NodeId;
use protocol::{Addresses, LayerRange, ModelId, Offer, PeerId, Power, SwarmId, Terms, Work};

use crate::desk::Reach;
use crate::io::Now;
use crate::route::{Candidate, Delays};
use crate::snapshot::{PeerRow, WorkRow};

/// Peers remembered. A swarm may be larger; a route needs no more.
const MAX_PEERS: usize = 2_048;
/// Pairs of peers that could not connect.
const MAX_PAIRS: usize = 1_024;
/// A peer that failed is left alone for this long, twice as long after each further time.
const AVOID_MS: u64 = 15_000;
const MAX_AVOID_MS: u64 = 600_000;
/// A pair that could not connect is tried again after this where there is no other way.
const RETRY_PAIR_MS: u64 = 3_000;
/// The way to a peer that nobody measured.
const UNKNOWN_ONE_WAY_US: u64 = 40_000;
/// A link said to be this long does not exist.
const NO_LINK: u32 = u32::MAX;
/// A worker that is full keeps a place in its queue: asked only where nobody else is (halves of its time per token).
const FULL: u64 = 16;
/// A worker whose rows come one after the other is as fast as it says at an answer and slower at its prompt and at a
/// replay: asked where nobody else is nearly as fast (halves of its time per token).
const ROW_BY_ROW: u64 = 1;
/// To dial first costs about this much, spread over an answer.
const DIAL_US: u64 = 2_000;

/// See the file's head.
#[derive(Default)]
pub(crate) struct Peers {
    /// Offers that others have made since the start.
    pub(crate) offers_heard: u64,
    table: BTreeMap<PeerId, Peer>,
    pairs: BTreeMap<(PeerId, PeerId), Pair>,
}

/// Two peers whose connection broke or never came about.
#[derive(Clone, Copy, Debug)]
struct Pair {
    avoid_until: Now,
    /// Where there is no other way it is tried again from then on.
    retry_from: Now,
    times: u32,
}

#[derive(Clone, Debug, Default)]
struct Peer {
    offer: Option<Offer>,
    heard: Now,
    expires: Now,
    /// Where it was heard. As many as this node follows: no other swarm's offers come here.
    here: BTreeMap<SwarmId, Here>,
    round_trip_ms: Option<u32>,
    /// Said by the shell.
    mine: bool,
    /// Whose device it is, where its offer proves it.
    owner: Option<NodeId>,
    /// What follows from that.
    whose: Whose,
    /// Where it last offered something.
    swarm: Option<SwarmId>,
    failures: u32,
    failed: Option<Now>,
    avoid_until: Now,
    /// Measured here, one token through one layer.
    us_per_layer: Option<u64>,
}

/// A peer in a swarm.
#[derive(Clone, Debug, Default)]
struct Here {
    addresses: Addresses,
    /// The last number seen: outlives the offer, so that an old one cannot come back.
    sequence: u64,
    until: Now,
}

/// What the owner of a peer is to this node and to the swarm that the peer works in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Whose {
    /// This node's owner, or somebody in a swarm of theirs.
    pub(crate) mine: bool,
    /// The swarm is open to every worker, or this one has a role in it.
    pub(crate) may_work: bool,
    /// Kept out of the swarm by name.
    pub(crate) blocked: bool,
}

/// Whom a request may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Whom {
    /// Strangers' devices of this swarm; `None`: only this node's owner's, wherever they work.
    pub(crate) swarm: Option<SwarmId>,
    /// This node's owner has a role in the swarm.
    pub(crate) member: bool,
    /// Also those whose terms or standing say no: only to see whether that is all that is in the way.
    pub(crate) on_any_terms: bool,
    /// Also pairs that could not connect: only to see whether that is all that is in the way.
    pub(crate) any_pair: bool,
    /// For want of others also those that failed lately, if they have announced themselves since.
    pub(crate) failed_too: bool,
}

impl Peers {
    /// Takes an offer; answers whether it says anything new about work.
    pub(crate) fn offer(&mut self, offer: Offer, owner: Option<NodeId>, whose: Whose, now: Now) -> bool {
        if !self.table.contains_key(&offer.peer) {
            self.make_room(now);
        }
        let peer = self.table.entry(offer.peer.clone()).or_default();
        let until = now.plus_ms(u64::from(offer.lifetime_s) * 1_000);
        let here = peer.here.entry(offer.swarm).or_default();
        if offer.sequence <= here.sequence {
            return false;
        }
        *here = Here {
            addresses: offer.addresses.clone(),
            sequence: offer.sequence,
            until,
        };
        self.offers_heard += 1;
        // Who works in one swarm and is merely here in another takes nothing back by saying so.
        let works_elsewhere = |old: &Offer| old.work.is_some() && old.swarm != offer.swarm;
        if offer.work.is_none() && peer.expires > now && peer.offer.as_ref().is_some_and(works_elsewhere) {
            return false;
        }
        let news = peer.offer.as_ref().and_then(|old| old.work.as_ref()) != offer.work.as_ref()
            || (peer.owner, peer.whose) != (owner, whose)
            || peer.failed.is_some_and(|failed| peer.heard <= failed);
        (peer.owner, peer.whose, peer.swarm) = (owner, whose, Some(offer.swarm));
        (peer.heard, peer.expires) = (now, until);
        peer.offer = Some(offer);
        news
    }

    /// Whether a peer was heard in a swarm lately.
    pub(crate) fn is_present(&self, peer: &PeerId, swarm: &SwarmId, now: Now) -> bool {
        let here = self.table.get(peer).and_then(|peer| peer.here.get(swarm));
        here.is_some_and(|here| here.until > now)
    }

    /// A peer goes: it offers nothing until it says otherwise.
    pub(crate) fn withdraw(&mut self, peer: &PeerId) {
        if let Some(peer) = self.table.get_mut(peer) {
            peer.offer = None;
        }
    }

    pub(crate) fn round_trip(&mut self, peer: &PeerId, ms: u32) {
        if let Some(peer) = self.known(peer) {
            // A little memory, so that one slow ping does not send everything elsewhere.
            let old = peer.round_trip_ms.unwrap_or(ms);
            peer.round_trip_ms = Some((3 * u64::from(old) + u64::from(ms)).div_ceil(4) as u32);
        }
    }

    pub(crate) fn owner(&mut self, peer: &PeerId, mine: bool) {
        if let Some(peer) = self.known(peer) {
            peer.mine = mine;
        }
    }

    pub(crate) fn is_mine(&self, peer: &PeerId) -> bool {
        self.table.get(peer).is_some_and(Peer::is_mine)
    }

    /// Looks again whose the peers are: a registry or this node's owner changed.
    pub(crate) fn look_whose(&mut self, whose: impl Fn(&SwarmId, Option<NodeId>) -> Whose) {
        for peer in self.table.values_mut() {
            if let Some(swarm) = peer.swarm {
                peer.whose = whose(&swarm, peer.owner);
            }
            if peer.whose.blocked {
                peer.offer = None;
            }
        }
    }

    /// Who is in a swarm, and where to reach them.
    pub(crate) fn present(&self, swarm: &SwarmId, now: Now) -> Vec<(PeerId, Addresses)> {
        let here = |(id, peer): (&PeerId, &Peer)| {
            let here = peer.here.get(swarm).filter(|here| here.until > now)?;
            Some((id.clone(), here.addresses.clone()))
        };
        self.table.iter().filter_map(here).collect()
    }

    /// Who lends layers of a model, and where to reach them: whoever computes it has it.
    pub(crate) fn lenders(&self, model: &ModelId, now: Now) -> Vec<(PeerId, Addresses)> {
        let lends = |(id, peer): (&PeerId, &Peer)| {
            let (offer, _) = peer.works(model, now)?;
            Some((id.clone(), offer.addresses.clone()))
        };
        self.table.iter().filter_map(lends).collect()
    }

    /// In which swarm a peer works.
    pub(crate) fn swarm(&self, peer: &PeerId) -> Option<SwarmId> {
        self.offered(peer).map(|offer| offer.swarm)
    }

    /// Whether a request may go on with a peer that it has a stage on. One that offers nothing just now may: its
    /// sessions are not over.
    pub(crate) fn may_serve(&self, peer: &PeerId, whom: Whom) -> bool {
        let known = self.table.get(peer);
        known.is_none_or(|peer| match &peer.offer {
            Some(offer) => peer.may_serve(offer, whom),
            None => peer.is_mine() || (whom.swarm.is_some() && peer.whose.may_work),
        })
    }

    pub(crate) fn round_trip_ms(&self, peer: &PeerId) -> Option<u32> {
        self.table.get(peer)?.round_trip_ms
    }

    /// A step was measured.
    pub(crate) fn measured(&mut self, peer: &PeerId, us_per_layer: u64) {
        if let Some(peer) = self.table.get_mut(peer) {
            peer.failures = 0;
            let old = peer.us_per_layer.unwrap_or(us_per_layer);
            peer.us_per_layer = Some((old.saturating_mul(7).saturating_add(us_per_layer)) / 8);
        }
    }

    /// A peer did not do what it was counted on for.
    pub(crate) fn failed(&mut self, peer: &PeerId, now: Now) {
        if let Some(peer) = self.table.get_mut(peer) {
            let wait = AVOID_MS << peer.failures.min(6);
            peer.avoid_until = now.plus_ms(wait.min(MAX_AVOID_MS));
            peer.failures = peer.failures.saturating_add(1);
            peer.failed = Some(now);
        }
    }

    /// Two peers could not connect, or their connection broke: not together for a while, longer
    /// each time.
    pub(crate) fn pair_failed(&mut self, a: &PeerId, b: &PeerId, wait_ms: u64, now: Now) {
        let key = if a <= b {
            (a.clone(), b.clone())
        } else {
            (b.clone(), a.clone())
        };
        if self.pairs.len() >= MAX_PAIRS {
            self.pairs.retain(|_, pair| pair.avoid_until > now);
        }
        if self.pairs.len() < MAX_PAIRS || self.pairs.contains_key(&key) {
            let none = Pair {
                avoid_until: now,
                retry_from: now,
                times: 0,
            };
            let pair = self.pairs.entry(key).or_insert(none);
            let longer = |ms: u64| now.plus_ms((ms << pair.times.min(6)).min(MAX_AVOID_MS));
            (pair.avoid_until, pair.retry_from) = (longer(wait_ms), longer(RETRY_PAIR_MS));
            pair.times = pair.times.saturating_add(1);
        }
    }

    /// What one token through one layer costs a worker.
    pub(crate) fn us_per_layer(&self, peer: &PeerId, model: &ModelId, now: Now) -> Option<u64> {
        let peer = self.table.get(peer)?;
        let (offer, work) = peer.works(model, now)?;
        Some(peer.us_per_layer(offer, work))
    }

    pub(crate) fn addresses(&self, peer: &PeerId) -> Addresses {
        self.offered(peer)
            .map(|offer| offer.addresses.clone())
            .unwrap_or_default()
    }

    /// The candidates for a model, and the ways between them.
    pub(crate) fn candidates(
        &self,
        model: &ModelId,
        whom: Whom,
        reach: impl Fn(&PeerId) -> Reach,
        now: Now,
    ) -> (Vec<Candidate>, Delays) {
        let mut delays = Delays {
            unknown: UNKNOWN_ONE_WAY_US,
            ..Delays::default()
        };
        let mut candidates = Vec::new();
        for (id, peer) in &self.table {
            let Some((offer, work)) = peer.works(model, now) else {
                continue;
            };
            let since_failure = peer.failed.is_none_or(|failed| peer.heard > failed);
            let avoided = peer.avoid_until > now && !(whom.failed_too && since_failure);
            if avoided || !(whom.on_any_terms || peer.may_serve(offer, whom)) {
                continue;
            }
            let way = peer
                .round_trip_ms
                .map_or(UNKNOWN_ONE_WAY_US, |ms| u64::from(ms) * 500);
            // Whoever was never used must find its neighbours first, even where it is within reach.
            let dial = match reach(id) {
                Reach::Used => 0,
                Reach::Ready => DIAL_US / 2,
                Reach::Away => DIAL_US,
            };
            delays.to_middle.insert(id.clone(), way + dial);
            for link in offer.links.iter() {
                let us = (link.one_way_ms != NO_LINK).then(|| u64::from(link.one_way_ms) * 1_000);
                delays.set(id, &link.peer, us);
            }
            candidates.push(Candidate {
                peer: id.clone(),
                layers: work.layers,
                whole: work.whole,
                us_per_layer: peer.us_per_layer(offer, work),
                distrust: peer.failures,
            });
        }
        for ((a, b), pair) in self.pairs.iter().filter(|_| !whom.any_pair) {
            let until = if whom.failed_too {
                pair.retry_from
            } else {
                pair.avoid_until
            };
            if until > now {
                delays.set(a, b, None);
            }
        }
        (candidates, delays)
    }

    /// What all peers but one hold of a model, and how many tokens per second they compute.
    pub(crate) fn held(&self, model: &ModelId, but: &PeerId, now: Now) -> Vec<(LayerRange, f32)> {
        let others = self.table.iter().filter(|(id, _)| *id != but);
        let works = others.filter_map(|(_, peer)| peer.works(model, now));
        works
            .map(|(_, work)| (work.layers, 1_000_000.0 / work.us_per_token.max(1) as f32))
            .collect()
    }

    /// Drops what no longer holds.
    pub(crate) fn forget_old(&mut self, now: Now) {
        for peer in self.table.values_mut() {
            if peer.expires <= now {
                peer.offer = None;
            }
        }
    }

    /// The nearest workers and how far they are, one way.
    pub(crate) fn nearest(&self) -> impl Iterator<Item = (PeerId, u32)> + use<> {
        let measured = |(id, peer): (&PeerId, &Peer)| Some((peer.round_trip_ms? / 2, id.clone()));
        let working = self.table.iter().filter(|(_, peer)| peer.offer.is_some());
        let mut near: Vec<(u32, PeerId)> = working.filter_map(measured).collect();
        near.sort_unstable();
        near.into_iter().map(|(ms, id)| (id, ms))
    }

    pub(crate) fn rows(&self, connected: impl Fn(&PeerId) -> bool, now: Now) -> Vec<PeerRow> {
        let row = |(id, peer): (&PeerId, &Peer)| PeerRow {
            peer: id.clone(),
            connected: connected(id),
            round_trip_ms: peer.round_trip_ms,
            mine: peer.is_mine(),
            owner: peer.owner,
            work: peer
                .offer
                .as_ref()
                .filter(|_| peer.expires > now)
                .and_then(|offer| {
                    let work = offer.work.as_ref()?;
                    Some(WorkRow {
                        swarm: offer.swarm,
                        model: work.model,
                        layers: work.layers,
                        model_layers: work.model_layers,
                        us_per_token: work.us_per_token,
                        backend: offer.backend,
                        batch_invariant: work.batch_invariant,
                    })
                }),
        };
        self.table
            .iter()
            .map(row)
            .filter(|row| row.connected || row.work.is_some())
            .collect()
    }

    fn offered(&self, peer: &PeerId) -> Option<&Offer> {
        self.table.get(peer)?.offer.as_ref()
    }

    fn known(&mut self, peer: &PeerId) -> Option<&mut Peer> {
        if !self.table.contains_key(peer) && self.table.len() >= MAX_PEERS {
            return None;
        }
        Some(self.table.entry(peer.clone()).or_default())
    }

    /// Forgets the peer that was silent longest, so that newcomers are heard.
    fn make_room(&mut self, now: Now) {
        if self.table.len() < MAX_PEERS {
            return;
        }
        self.forget_old(now);
        let silent = self
            .table
            .iter()
            .min_by_key(|(_, peer)| (peer.offer.is_some(), peer.is_mine(), peer.heard));
        if let Some(silent) = silent.map(|(id, _)| id.clone()) {
            self.table.remove(&silent);
        }
    }
}

impl Peer {
    fn is_mine(&self) -> bool {
        self.mine || self.whose.mine
    }

    /// Whether its terms and its standing allow what is asked.
    fn may_serve(&self, offer: &Offer, whom: Whom) -> bool {
        let open_to_me = match offer.terms {
            Terms::Mine => false,
            Terms::Members => whom.member,
            _ => true,
        };
        self.is_mine() || (whom.swarm == Some(offer.swarm) && self.whose.may_work && open_to_me)
    }

    fn works(&self, model: &ModelId, now: Now) -> Option<(&Offer, &Work)> {
        let offer = self.offer.as_ref().filter(|_| self.expires > now)?;
        let work = offer.work.as_ref().filter(|work| work.model == *model)?;
        Some((offer, work))
    }

    /// The slower of what the peer says and what was measured, more where its word is worth less.
    fn us_per_layer(&self, offer: &Offer, work: &Work) -> u64 {
        let layers = u64::from(work.layers.end() - work.layers.first());
        let said = u64::from(work.us_per_token) / layers.max(1);
        let tired = match offer.power {
            Power::Low => 4,
            Power::Battery => 3,
            _ => 2,
        } + if offer.background { 4 } else { 0 }
            + if work.sessions == 0 { FULL } else { 0 }
            + if work.batch_invariant == Some(false) {
                ROW_BY_ROW
            } else {
                0
            };
        said.max(self.us_per_layer.unwrap_or(0)).saturating_mul(tired) / 2
    }
}
