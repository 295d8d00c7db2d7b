//! Lending: which layers, since when, and what is announced of it.
//! It computes nothing: the worker does.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use identity::{Draft, Scheme, Signature, Signed};
use protocol::{
    Addresses, Backend, JobKind, LayerRange, Link, List, Offer, PeerId, Power, RegistryHead, Stage, SwarmId,
    Terms, Work,
};
use registry::Standing;
use registry::policy::{Privacy, SwarmPolicy, Who};

use crate::desk::Desk;
use crate::io::{Code, ComputeError, Effect, EffectId, Lend, Loaded, Now};
use crate::myself::Myself;
use crate::peers::Peers;
use crate::snapshot::LendState;
use crate::worker::{HeldState, Turned, Worker};

/// An offer is repeated this often in a small swarm.
const REPEAT_MS: u64 = 5_000;
/// In a large one so seldom that all offers together are this many in a second, whatever its size: gossip adds up,
/// and everybody hears everybody.
const OFFERS_PER_SECOND: u64 = 16;
/// But this often at least: the longest that an offer may hold is three times as much.
const MAX_REPEAT_MS: u64 = 20 * 60 * 1_000;
/// It holds for this many repetitions: two may get lost.
const REPETITIONS: u64 = 3;
/// The compute worker keeps a cache for each stage that it holds: no part of one can be asked for.
const WHOLE: bool = true;
/// A newcomer that may choose its layers listens first, for as long as every other one needs to be
/// heard.
const LISTEN_MS: u64 = REPEAT_MS + 1_000;

/// See the file's head.
pub(crate) struct Lending {
    /// The swarm that is open to everybody.
    home: SwarmId,
    /// The one that is lent to, or was last.
    swarm: SwarmId,
    lend: Option<Lend>,
    layers: Option<LayerRange>,
    failed: Option<Code>,
    /// Layers are chosen then.
    choose_at: Option<Now>,
    repeat_at: Option<Now>,
    /// What was heard of others when the last offer went out, and how long it took since the one before.
    heard: u64,
    repeat_ms: u64,
    paced_at: Now,
    /// The swarm, since by now another one may be lent to.
    signing: Option<(EffectId, SwarmId, Draft<Offer>)>,
    /// What is announced now says so: nothing is offered while an Owner has halted the swarm.
    pub(crate) halted: bool,
    /// The newest record of the swarm's registry that is known here.
    pub(crate) registry: Option<RegistryHead>,
    pub(crate) power: Power,
    pub(crate) background: bool,
}

impl Lending {
    pub(crate) fn new(home: SwarmId) -> Lending {
        Lending {
            home,
            swarm: home,
            lend: None,
            layers: None,
            failed: None,
            choose_at: None,
            repeat_at: None,
            heard: 0,
            repeat_ms: REPEAT_MS,
            paced_at: Now::default(),
            signing: None,
            halted: false,
            registry: None,
            power: Power::Unknown,
            background: false,
        }
    }

    /// The user lends.
    pub(crate) fn start(&mut self, lend: Lend, worker: &mut Worker, myself: &Myself, desk: &mut Desk) {
        self.stop(worker, myself, desk);
        self.swarm = lend.swarm.unwrap_or(self.home);
        if !lend.policy.is_within_limits() {
            self.failed = Some(Code::BadRequest);
            return;
        }
        self.failed = None;
        let all = LayerRange::new(0, lend.model.layers).ok();
        self.layers = match lend.layers {
            Some(layers) if layers.end() <= lend.model.layers => Some(layers),
            Some(_) => {
                self.failed = Some(Code::BadRequest);
                return;
            }
            None if lend.most_layers >= lend.model.layers => all,
            None => None,
        };
        if self.layers.is_none() {
            self.choose_at = Some(desk.now.plus_ms(LISTEN_MS));
        }
        self.lend = Some(lend);
        self.load(worker, desk);
    }

    /// Other terms for what is lent. Answers whether they hold now.
    pub(crate) fn set_terms(&mut self, policy: SwarmPolicy, worker: &mut Worker, now: Now) -> bool {
        let Some(lend) = self.lend.as_mut().filter(|_| policy.is_within_limits()) else {
            return false;
        };
        lend.policy = policy;
        worker.set_terms(lend.positions, lend.policy.clone());
        // Others should not ask in vain, nor stay away.
        self.refresh(now);
        true
    }

    /// On which terms is lent.
    pub(crate) fn terms(&self) -> Option<&SwarmPolicy> {
        self.lend.as_ref().map(|lend| &lend.policy)
    }

    /// The user stops: at once, and says so.
    pub(crate) fn stop(&mut self, worker: &mut Worker, myself: &Myself, desk: &mut Desk) {
        worker.stop_lending(desk);
        let was_lending = self.lend.take().is_some();
        (self.layers, self.choose_at, self.repeat_at, self.failed) = (None, None, None, None);
        if was_lending {
            self.announce(None, 1_000, &Peers::default(), myself, desk);
        }
    }

    /// The layers that were to be lent are ready, or not to be had, or for now no more.
    pub(crate) fn turned(&mut self, turned: Turned, worker: &mut Worker, myself: &Myself, desk: &mut Desk) {
        match turned {
            Turned::Ready => self.repeat_at = self.lend.is_some().then_some(desk.now),
            // Nobody should ask in vain meanwhile; what is announced then is as fast as it is then.
            Turned::Lost => self.refresh(desk.now),
            Turned::Unready(error) if self.lend.is_some() && worker.lent().is_none() => {
                self.stop(worker, myself, desk);
                self.failed = Some(match error {
                    ComputeError::WontFit => Code::WontFit,
                    ComputeError::DeviceLost => Code::DeviceLost,
                    ComputeError::Weights | ComputeError::Input => Code::ModelRejected,
                });
            }
            Turned::Unready(_) => {}
        }
    }

    /// The swarm that is lent to.
    pub(crate) fn swarm(&self) -> SwarmId {
        self.swarm
    }

    /// The same, once its members hear of it.
    pub(crate) fn announced_in(&self) -> Option<SwarmId> {
        self.repeat_at.map(|_| self.swarm)
    }

    /// What the registry of the swarm says of this node's owner, and of the swarm. Where they have no business there
    /// any more, lending ends.
    pub(crate) fn look_at_standing(
        &mut self,
        standing: &Standing,
        worker: &mut Worker,
        myself: &Myself,
        desk: &mut Desk,
    ) {
        if self.halted != standing.halted {
            self.halted = standing.halted;
            self.refresh(desk.now);
        }
        let outsider = self.swarm != self.home && standing.role.is_none();
        if self.lend.is_some() && (outsider || standing.blocked) {
            self.stop(worker, myself, desk);
            self.failed = Some(Code::NotAllowed);
        }
    }

    /// Something that others should know of soon changed.
    pub(crate) fn refresh(&mut self, now: Now) {
        self.repeat_at = self.repeat_at.map(|_| now);
    }

    /// Chooses and announces when it is time. Answers when to look again.
    pub(crate) fn tick(
        &mut self,
        worker: &mut Worker,
        peers: &Peers,
        myself: &Myself,
        desk: &mut Desk,
    ) -> Option<Now> {
        if self.choose_at.is_some_and(|at| at <= desk.now)
            && let Some(lend) = &self.lend
        {
            self.choose_at = None;
            let held = peers.held(&lend.model.id, &desk.me, desk.now);
            self.layers = choose_layers(&held, lend.model.layers, lend.most_layers);
            self.load(worker, desk);
        }
        if self.repeat_at.is_some_and(|at| at <= desk.now) {
            let repeat_ms = self.pace(peers.offers_heard, desk.now);
            self.repeat_at = Some(desk.now.plus_ms(repeat_ms));
            let work = self.work(worker, &desk.me);
            self.announce(work, repeat_ms * REPETITIONS, peers, myself, desk);
        }
        [self.choose_at, self.repeat_at].into_iter().flatten().min()
    }

    /// How long until the next offer: as many as were heard since the last one, one after the other at the pace that
    /// all bear. Where all do the same, their number is what was heard in one interval.
    fn pace(&mut self, heard: u64, now: Now) -> u64 {
        let elapsed = now.since(self.paced_at);
        // Announced out of turn: too short a time to count in.
        if elapsed >= REPEAT_MS {
            let since = heard.saturating_sub(self.heard);
            let in_interval = since.saturating_mul(self.repeat_ms) / elapsed;
            let wanted = in_interval.saturating_mul(1_000) / OFFERS_PER_SECOND;
            self.repeat_ms = wanted.clamp(REPEAT_MS, MAX_REPEAT_MS);
            (self.heard, self.paced_at) = (heard, now);
        }
        self.repeat_ms
    }

    /// The record is signed: out with it. `false` where it was not this one's.
    pub(crate) fn signed(
        &mut self,
        effect: EffectId,
        signature: Option<&Signature>,
        desk: &mut Desk,
    ) -> bool {
        let Some((_, swarm, draft)) = self.signing.take_if(|(signing, ..)| *signing == effect) else {
            return false;
        };
        desk.publish(swarm, draft, signature);
        true
    }

    pub(crate) fn state(&self, worker: &Worker) -> LendState {
        if let Some(code) = self.failed {
            return LendState::Failed { code };
        }
        match (&self.lend, self.layers, worker.lent().map(|held| held.state)) {
            (None, _, _) => LendState::Off,
            (Some(_), Some(layers), Some(HeldState::Ready(Loaded { us_per_token, .. }))) => {
                LendState::Ready {
                    layers,
                    us_per_token,
                    working: worker.is_working(),
                }
            }
            (Some(_), layers, _) => LendState::Loading { layers },
        }
    }

    fn load(&mut self, worker: &mut Worker, desk: &mut Desk) {
        let (Some(lend), Some(layers)) = (&self.lend, self.layers) else {
            return;
        };
        worker.set_terms(lend.positions, lend.policy.clone());
        if worker.hold(lend.model, Stage::of(layers, lend.model.layers), true, desk) {
            self.repeat_at = Some(desk.now);
        }
    }

    /// What is on offer, and what computes it.
    fn work(&self, worker: &Worker, me: &PeerId) -> Option<(Work, Backend)> {
        let (lend, layers) = (self.lend.as_ref().filter(|_| !self.halted)?, self.layers?);
        let HeldState::Ready(loaded) = worker.lent()?.state else {
            return None;
        };
        let work = Work {
            model: lend.model.id,
            layers,
            model_layers: lend.model.layers,
            us_per_token: loaded.us_per_token.max(1),
            sessions: worker.free_jobs(),
            positions: worker.free_positions(me),
            whole: WHOLE,
            batch_invariant: Some(loaded.batch_invariant),
        };
        Some((work, loaded.backend))
    }

    fn announce(
        &mut self,
        work: Option<(Work, Backend)>,
        lifetime_ms: u64,
        peers: &Peers,
        myself: &Myself,
        desk: &mut Desk,
    ) {
        let lend = self.lend.as_ref();
        let links = peers
            .nearest()
            .map(|(peer, one_way_ms)| Link { peer, one_way_ms });
        // Nothing is computed for whoever reads an offer without work.
        let (work, backend) = work.map_or((None, Backend::Cpu), |(work, backend)| (Some(work), backend));
        let offer = Offer {
            swarm: self.swarm,
            peer: desk.me.clone(),
            addresses: if work.is_some() {
                desk.addresses.clone()
            } else {
                Addresses::default()
            },
            kinds: List::first([JobKind::Inference]),
            work,
            memory_bytes: lend.map_or(0, |lend| lend.memory_bytes),
            keep_bytes: 0,
            backend,
            power: self.power,
            background: self.background,
            terms: lend.map_or(Terms::Anybody, |lend| terms(&lend.policy)),
            sequence: desk.next_offer(),
            lifetime_s: u32::try_from(lifetime_ms / 1_000)
                .unwrap_or(u32::MAX)
                .clamp(1, 3_600),
            links: List::first(links),
            issued_at: desk.wall(),
            credential: myself.owned().cloned(),
            registry: self.registry,
        };
        let (key, signer) = myself.session();
        match Signed::draft(&offer, key, Scheme::plain(key.alg())) {
            Ok(draft) => {
                let message = draft.to_be_signed().to_vec();
                let effect = desk.effect(Effect::Sign { key: signer, message });
                self.signing = Some((effect, self.swarm, draft));
            }
            Err(error) => tracing::warn!(%error, "an offer cannot be made"),
        }
    }
}

/// What an offer says of the terms: enough to know whom it is worth asking. The worker itself decides.
fn terms(policy: &SwarmPolicy) -> Terms {
    match (&policy.who, policy.privacy) {
        (_, Privacy::Mine) => Terms::Mine,
        (Who::Listed(_), _) => Terms::Listed,
        (Who::Members, _) | (_, Privacy::Members) => Terms::Members,
        (Who::Anybody, Privacy::Strangers) => Terms::Anybody,
    }
}

/// The contiguous layers, at most `most` of `layers`, that a newcomer serves best: those whose
/// coverage is worst, so that the slowest layer of the swarm gains most (as Petals does). `held` is
/// what others hold, in tokens per second. Ranges are asked for whole, so a choice begins and ends
/// where others' do, as far as it can: else no route could use both. `None` where there is nothing
/// to choose.
pub fn choose_layers(held: &[(LayerRange, f32)], layers: u32, most: u32) -> Option<LayerRange> {
    let mut coverage = vec![0.0; layers as usize];
    let mut bounds = BTreeSet::from([0, layers]);
    for (range, tokens_per_s) in held {
        let (first, end) = (range.first().min(layers), range.end().min(layers));
        coverage[first as usize..end as usize]
            .iter_mut()
            .for_each(|layer| *layer += tokens_per_s);
        bounds.extend([first, end]);
    }
    let windows = bounds.iter().flat_map(|first| {
        let far = first.saturating_add(most).min(layers);
        let ends = bounds
            .range(first + 1..)
            .take_while(move |end| **end <= far)
            .copied();
        ends.chain([far])
            .filter_map(|end| LayerRange::new(*first, end).ok())
    });
    windows.min_by(|a, b| compare(&sorted(&coverage, *a), &sorted(&coverage, *b)))
}

fn sorted(coverage: &[f32], window: LayerRange) -> Vec<f32> {
    let mut window = coverage[window.first() as usize..window.end() as usize].to_vec();
    window.sort_by(f32::total_cmp);
    window
}

/// Worse coverage first; of two that are equal as far as they go, the longer one.
fn compare(a: &[f32], b: &[f32]) -> Ordering {
    let differs = a
        .iter()
        .zip(b)
        .map(|(a, b)| a.total_cmp(b))
        .find(|order| order.is_ne());
    differs.unwrap_or(b.len().cmp(&a.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(held: &[(u32, u32, f32)], layers: u32, most: u32, expect: (u32, u32)) {
        let range = |(first, end): (u32, u32)| LayerRange::new(first, end).unwrap();
        let held: Vec<_> = held
            .iter()
            .map(|(first, end, speed)| (range((*first, *end)), *speed))
            .collect();
        assert_eq!(choose_layers(&held, layers, most), Some(range(expect)));
    }

    #[test]
    fn a_newcomer_takes_what_the_swarm_lacks_most() {
        check(&[], 5, 9, (0, 5));
        check(&[], 5, 3, (0, 3));
        check(&[(0, 3, 10.0)], 5, 3, (3, 5));
        check(&[(0, 3, 10.0), (3, 6, 9.0)], 9, 3, (6, 9));
        check(&[(0, 4, 10.0), (4, 8, 5.0)], 8, 4, (4, 8));
        check(&[(0, 4, 1.0), (4, 8, 5.0), (0, 4, 1.0)], 8, 4, (0, 4));
        check(&[(0, 4, 10.0), (4, 8, 5.0)], 8, 8, (0, 8));
    }

    #[test]
    fn offers_grow_rarer_with_the_swarm_so_that_all_together_stay_as_many() {
        for (workers, interval_ms) in [
            (1, 5_000),
            (80, 5_000),
            (1_000, 62_000),
            (10_000, 625_000),
            (1 << 20, MAX_REPEAT_MS),
        ] {
            let mut lending = Lending::new(SwarmId([0; 32]));
            let (mut now, mut heard) = (Now::default(), 0.0);
            // Everybody else has the same pace.
            for _ in 0..40 {
                let wait = lending.repeat_ms;
                now = now.plus_ms(wait);
                heard += workers as f64 * wait as f64 / lending.repeat_ms as f64;
                lending.pace(heard as u64, now);
            }
            assert_eq!(
                lending.repeat_ms / 1_000,
                interval_ms / 1_000,
                "{workers} workers"
            );
        }
    }

    #[test]
    fn nobody_chooses_anything_of_nothing() {
        assert_eq!(choose_layers(&[], 0, 3), None);
        assert_eq!(choose_layers(&[], 3, 0), None);
    }

    #[test]
    fn whoever_comes_raises_the_lowest_coverage_or_fills_a_gap_and_routes_exist_in_the_end() {
        for layers in 1..=12 {
            for most in 1..=layers {
                let mut held: Vec<(LayerRange, f32)> = Vec::new();
                let lowest = |held: &[(LayerRange, f32)]| {
                    let of = |layer| held.iter().filter(|(range, _)| range.contains(layer)).count();
                    (0..layers).map(of).min().unwrap()
                };
                let needed = layers.div_ceil(most);
                for round in 1..=3 {
                    for _ in 0..needed {
                        held.push((choose_layers(&held, layers, most).unwrap(), 1.0));
                    }
                    assert!(lowest(&held) >= round, "{layers} layers, {most} each: {held:?}");
                }
            }
        }
    }
}
