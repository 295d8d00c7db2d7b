//! Lending: which layers, since when, and what is announced of it.
//! It computes nothing: the worker does.

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
            let coverage = peers.coverage(&lend.model.id, lend.model.layers, &desk.me, desk.now);
            self.layers = choose_layers(&coverage, lend.most_layers);
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
            memory_bytes: lend.memory_bytes,
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
            whole: false,
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

/// The contiguous layers whose coverage is worst: of all windows of `most` layers the one whose
/// sorted coverage is least (as Petals does), so that the slowest layer of the swarm gains most.
/// Tokens per second for each layer in, a range out; `None` where there is nothing to choose.
pub fn choose_layers(coverage: &[f32], most: u32) -> Option<LayerRange> {
    let most = (most as usize).min(coverage.len());
    let sorted = |first: usize| {
        let mut window = coverage[first..first + most].to_vec();
        window.sort_by(f32::total_cmp);
        window
    };
    let compare = |a: &Vec<f32>, b: &Vec<f32>| {
        a.iter()
            .zip(b)
            .map(|(a, b)| a.total_cmp(b))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    };
    let windows = (0..=coverage.len() - most).map(|first| (first, sorted(first)));
    let (first, _) = windows.min_by(|(_, a), (_, b)| compare(a, b))?;
    LayerRange::new(first as u32, (first + most) as u32).ok()
}
