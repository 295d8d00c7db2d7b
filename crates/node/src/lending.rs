//! Lending: which layers, since when, and what is announced of it.
//! It computes nothing: the worker does.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use protocol::{
    Addresses, Backend, JobKind, LayerRange, Link, List, Offer, PeerId, Power, Stage, SwarmId, Terms, Work,
};

use crate::desk::Desk;
use crate::io::{Code, ComputeError, Effect, EffectId, Lend, Now};
use crate::peers::Peers;
use crate::snapshot::LendState;
use crate::worker::{HeldState, Room, Worker};

/// An offer is repeated this often, less often in a large swarm, where gossip adds up.
const REPEAT_MS: u64 = 5_000;
const REPEAT_LARGE_MS: u64 = 20_000;
const LARGE: usize = 64;
/// It holds for this many repetitions: two may get lost.
const REPETITIONS: u64 = 3;
/// The compute worker keeps a cache for each stage that it holds: no part of one can be asked for.
const WHOLE: bool = true;
/// A newcomer that may choose its layers listens first, for as long as every other one needs to be
/// heard.
const LISTEN_MS: u64 = REPEAT_MS + 1_000;

/// See the file's head.
pub(crate) struct Lending {
    swarm: SwarmId,
    lend: Option<Lend>,
    layers: Option<LayerRange>,
    failed: Option<Code>,
    /// Layers are chosen then.
    choose_at: Option<Now>,
    repeat_at: Option<Now>,
    signing: Option<EffectId>,
    sequence: u64,
    pub(crate) power: Power,
    pub(crate) background: bool,
}

impl Lending {
    pub(crate) fn new(swarm: SwarmId, start: u64) -> Lending {
        Lending {
            swarm,
            lend: None,
            layers: None,
            failed: None,
            choose_at: None,
            repeat_at: None,
            signing: None,
            sequence: start,
            power: Power::Unknown,
            background: false,
        }
    }

    /// The user lends.
    pub(crate) fn start(&mut self, lend: Lend, worker: &mut Worker, desk: &mut Desk) {
        self.stop(worker, desk);
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

    /// The user stops: at once, and says so.
    pub(crate) fn stop(&mut self, worker: &mut Worker, desk: &mut Desk) {
        worker.stop_lending(desk);
        let was_lending = self.lend.take().is_some();
        (self.layers, self.choose_at, self.repeat_at, self.failed) = (None, None, None, None);
        if was_lending {
            self.announce(None, 1_000, &Peers::default(), desk);
        }
    }

    /// The layers that were to be lent are ready, or not to be had.
    pub(crate) fn loaded(&mut self, result: Result<(), ComputeError>, worker: &mut Worker, desk: &mut Desk) {
        match result {
            Ok(()) => self.repeat_at = self.lend.is_some().then_some(desk.now),
            Err(error) if self.lend.is_some() && worker.lent().is_none() => {
                self.stop(worker, desk);
                self.failed = Some(match error {
                    ComputeError::WontFit => Code::WontFit,
                    ComputeError::DeviceLost => Code::DeviceLost,
                    ComputeError::Weights | ComputeError::Input => Code::ModelRejected,
                });
            }
            Err(_) => {}
        }
    }

    /// Something that others should know of soon changed.
    pub(crate) fn refresh(&mut self, now: Now) {
        self.repeat_at = self.repeat_at.map(|_| now);
    }

    /// Chooses and announces when it is time. Answers when to look again.
    pub(crate) fn tick(&mut self, worker: &mut Worker, peers: &Peers, desk: &mut Desk) -> Option<Now> {
        if self.choose_at.is_some_and(|at| at <= desk.now)
            && let Some(lend) = &self.lend
        {
            self.choose_at = None;
            let held = peers.held(&lend.model.id, &desk.me, desk.now);
            self.layers = choose_layers(&held, lend.model.layers, lend.most_layers);
            self.load(worker, desk);
        }
        if self.repeat_at.is_some_and(|at| at <= desk.now) {
            let repeat_ms = if peers.workers() < LARGE {
                REPEAT_MS
            } else {
                REPEAT_LARGE_MS
            };
            self.repeat_at = Some(desk.now.plus_ms(repeat_ms));
            let work = self.work(worker, &desk.me);
            self.announce(work, repeat_ms * REPETITIONS, peers, desk);
        }
        [self.choose_at, self.repeat_at].into_iter().flatten().min()
    }

    /// The record is signed: out with it. `false` where it was not this one's.
    pub(crate) fn signed(&mut self, effect: EffectId, record: Vec<u8>, desk: &mut Desk) -> bool {
        if self.signing != Some(effect) {
            return false;
        }
        self.signing = None;
        if !record.is_empty() {
            desk.effect(Effect::Publish {
                swarm: self.swarm,
                record,
            });
        }
        true
    }

    pub(crate) fn state(&self, worker: &Worker) -> LendState {
        if let Some(code) = self.failed {
            return LendState::Failed { code };
        }
        match (&self.lend, self.layers, worker.lent().map(|held| held.state)) {
            (None, _, _) => LendState::Off,
            (Some(_), Some(layers), Some(HeldState::Ready { us_per_token })) => LendState::Ready {
                layers,
                us_per_token,
                working: worker.is_working(),
            },
            (Some(_), layers, _) => LendState::Loading { layers },
        }
    }

    fn load(&mut self, worker: &mut Worker, desk: &mut Desk) {
        let (Some(lend), Some(layers)) = (&self.lend, self.layers) else {
            return;
        };
        let mine_only = lend.terms == Terms::Mine;
        worker.room = Room {
            positions: lend.positions,
            mine_only,
        };
        if worker.hold(lend.model, Stage::of(layers, lend.model.layers), true, desk) {
            self.repeat_at = Some(desk.now);
        }
    }

    fn work(&self, worker: &Worker, me: &PeerId) -> Option<Work> {
        let (lend, layers) = (self.lend.as_ref()?, self.layers?);
        let HeldState::Ready { us_per_token } = worker.lent()?.state else {
            return None;
        };
        Some(Work {
            model: lend.model.id,
            layers,
            model_layers: lend.model.layers,
            us_per_token: us_per_token.max(1),
            sessions: worker.free_jobs(),
            positions: worker.free_positions(me),
            whole: WHOLE,
        })
    }

    fn announce(&mut self, work: Option<Work>, lifetime_ms: u64, peers: &Peers, desk: &mut Desk) {
        self.sequence = self.sequence.wrapping_add(1);
        let lend = self.lend.as_ref();
        let links = peers
            .nearest()
            .map(|(peer, one_way_ms)| Link { peer, one_way_ms });
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
            backend: lend.map_or(Backend::Cpu, |lend| lend.backend),
            power: self.power,
            background: self.background,
            terms: lend.map_or(Terms::Anybody, |lend| lend.terms),
            sequence: self.sequence,
            lifetime_s: u32::try_from(lifetime_ms / 1_000)
                .unwrap_or(u32::MAX)
                .clamp(1, 3_600),
            links: List::first(links),
        };
        if let Ok(offer) = offer.encode() {
            self.signing = Some(desk.effect(Effect::Sign { offer }));
        }
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
