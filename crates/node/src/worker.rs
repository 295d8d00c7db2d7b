//! What this node computes, for others and for itself: which stages it holds, which jobs it takes,
//! whose turn it is.
//! It does not announce anything: lending does.

use std::collections::BTreeMap;

use protocol::{
    Close, CloseReason, Fault, Ground, Hello, LayerRange, Leaving, Message, ModelId, Open, PeerId, Queued,
    Refusal, Replay, Stage, Step, SwarmId,
};
use registry::policy::SwarmPolicy;

use crate::admission::No;
use crate::credit::Owed;
use crate::desk::{Desk, JobKey};
use crate::door::Door;
use crate::io::{Compute, ComputeError, Computed, Effect, EffectId, Loaded, ModelSpec, Now, StreamId};
use crate::receipts::Over;
use crate::unwanted::HALTED;
use crate::work::{Flying, Job};

/// Sessions of one device: beyond this they only wait for each other.
const MAX_JOBS: usize = 16;
/// Streams of neighbours whose session is not open yet, as when `Hello` overtakes `Open`.
const MAX_WAITING: usize = 16;
/// Steps at the compute worker: one is computed while the next one is on its way to it.
const MAX_FLYING: usize = 2;
/// A session without a word is over.
const IDLE_MS: u64 = 600_000;
/// Whoever waits in the queue hears so this often, or would take the device for dead.
const SAY_QUEUED_MS: u64 = 15_000;
/// Stages held at a time: the lent one and one or two of the user's own.
const MAX_HELD: usize = 3;

/// Layers that are here or on their way.
pub(crate) struct Held {
    pub(crate) model: ModelSpec,
    pub(crate) stage: Stage,
    /// Others may use it.
    pub(crate) lent: bool,
    pub(crate) state: HeldState,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum HeldState {
    Loading(EffectId),
    /// What computed it went away: it is made ready once more, by whatever is left.
    Lost(EffectId),
    Ready(Loaded),
}

/// What became of a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Turned {
    Ready,
    /// For now; `Ready` or `Unready` follows.
    Lost,
    Unready(ComputeError),
}

/// A neighbour that spoke before the requester did.
struct Waiting {
    stream: StreamId,
    hello: Hello,
    steps: Vec<Step>,
    owed: Owed,
}

/// A cache that was asked for.
struct Opening {
    /// For whom; nobody where the job is over meanwhile.
    key: Option<JobKey>,
    of: (ModelId, Stage),
}

/// See the file's head.
#[derive(Default)]
pub(crate) struct Worker {
    /// Positions of all sessions of others together: bounds the caches and, with them, the outputs that are kept.
    pub(crate) room: u32,
    pub(crate) door: Door,
    held: Vec<Held>,
    pub(crate) jobs: BTreeMap<JobKey, Job>,
    opening: BTreeMap<EffectId, Opening>,
    flying: BTreeMap<EffectId, Flying>,
    waiting: Vec<Waiting>,
    /// Whose turn was last.
    last: Option<JobKey>,
    pub(crate) caches: u64,
    pub(crate) served_positions: u64,
}

impl Worker {
    /// Makes a stage ready. Answers whether it is already.
    pub(crate) fn hold(&mut self, model: ModelSpec, stage: Stage, lent: bool, desk: &mut Desk) -> bool {
        if let Some(held) = self.held.iter_mut().find(|held| held.is(&model.id, &stage)) {
            held.lent |= lent;
            return matches!(held.state, HeldState::Ready(_));
        }
        if self.held.len() >= MAX_HELD {
            self.drop_unused(desk);
        }
        let id = desk.effect(Effect::Compute(Compute::Load {
            model: model.id,
            stage,
        }));
        self.held.push(Held {
            model,
            stage,
            lent,
            state: HeldState::Loading(id),
        });
        false
    }

    /// The bounds that the user set for others.
    pub(crate) fn set_terms(&mut self, positions: u32, policy: SwarmPolicy) {
        self.room = positions;
        self.door.set_policy(policy);
    }

    /// The stage that is lent.
    pub(crate) fn lent(&self) -> Option<&Held> {
        self.held.iter().find(|held| held.lent)
    }

    /// The lent layers of a model and what one of them costs, for the user's own requests.
    pub(crate) fn own_work(&self, model: &ModelId) -> Option<(LayerRange, u64)> {
        let held = self.lent().filter(|held| held.model.id == *model)?;
        let HeldState::Ready(Loaded { us_per_token, .. }) = held.state else {
            return None;
        };
        let layers = held.stage.layers;
        Some((
            layers,
            u64::from(us_per_token) / u64::from(layers.end() - layers.first()).max(1),
        ))
    }

    /// No more work for others, at once: their caches go, and so do the layers.
    pub(crate) fn stop_lending(&mut self, desk: &mut Desk) {
        let me = desk.me.clone();
        for key in self.keys(|key| key.requester != me) {
            self.end(&key, Some(CloseReason::Stopped), desk);
        }
        self.room = 0;
        for held in &mut self.held {
            held.lent = false;
        }
        self.drop_unused(desk);
    }

    /// An Owner has halted a swarm: what is done for others in it ends at once.
    pub(crate) fn halt(&mut self, swarm: &SwarmId, desk: &mut Desk) {
        let me = desk.me.clone();
        let of_swarm = |job: &Job| job.key.requester != me && job.open.swarm == *swarm;
        let keys: Vec<JobKey> = self
            .jobs
            .values()
            .filter(|job| of_swarm(job))
            .map(|job| job.key.clone())
            .collect();
        for key in keys {
            let no = No::because(Refusal::Halted, HALTED).on(Ground::Halted);
            self.refuse(&key, no, desk);
        }
    }

    /// The tab goes: tells all who count on it.
    pub(crate) fn leaving(&mut self, desk: &mut Desk) {
        for job in self.jobs.values() {
            desk.send(job.control, Message::Leaving(Leaving { grace_ms: 0 }));
        }
    }

    /// A stream that says `Hello` first.
    pub(crate) fn hello(&mut self, stream: StreamId, hello: Hello, desk: &mut Desk) {
        let key = JobKey {
            requester: hello.requester.clone(),
            session: hello.session,
        };
        if self.waiting.len() >= MAX_WAITING {
            let oldest = self.waiting.remove(0);
            desk.close(oldest.stream);
        }
        self.waiting.push(Waiting {
            stream,
            hello,
            steps: Vec::new(),
            owed: Owed::default(),
        });
        self.introduce(&key, desk);
    }

    /// A Step on a stream that said `Hello` for a session that is not open yet.
    pub(crate) fn early_step(&mut self, stream: StreamId, step: Step, desk: &mut Desk) {
        let Some(at) = self.waiting.iter().position(|waiting| waiting.stream == stream) else {
            return;
        };
        // No more than the credit that every stream starts with.
        if self.waiting[at].owed.arrived(step.credit_bytes()) {
            self.waiting[at].steps.push(step);
        } else {
            self.waiting.remove(at);
            desk.close(stream);
        }
    }

    /// A message on a stream of a job.
    pub(crate) fn received(&mut self, stream: StreamId, key: &JobKey, message: Message, desk: &mut Desk) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        let from_requester = job.control == stream;
        match message {
            Message::Step(step) => job.step(stream, step, desk),
            Message::Ack(ack) => job.grant(stream, ack.credit_bytes, desk),
            Message::Replay(replay) if from_requester => self.replay(key, replay, desk),
            Message::Close(_) if from_requester => self.settle(key, desk),
            // Nothing else is said to a stage: who says it is let go.
            _ => self.closed(stream, key, from_requester, Fault::Broken, desk),
        }
    }

    /// A stream of a job ended.
    pub(crate) fn closed(
        &mut self,
        stream: StreamId,
        key: &JobKey,
        control: bool,
        fault: Fault,
        desk: &mut Desk,
    ) {
        if control {
            self.end(key, None, desk);
        } else if let Some(job) = self.jobs.get_mut(key) {
            job.closed(stream, fault, desk);
        }
    }

    /// A stream that waited for its session ended.
    pub(crate) fn forget(&mut self, stream: StreamId) {
        self.waiting.retain(|waiting| waiting.stream != stream);
    }

    /// The compute worker answers. Says where a stage became ready, or is so no more.
    pub(crate) fn computed(
        &mut self,
        effect: EffectId,
        result: Result<Computed, ComputeError>,
        desk: &mut Desk,
    ) -> Option<Turned> {
        if let Some(flying) = self.flying.remove(&effect) {
            let lost = (result == Err(ComputeError::DeviceLost)).then_some(flying.of);
            let Some(job) = self.jobs.get_mut(&flying.key) else {
                return self.lost(lost?, desk);
            };
            match result {
                Ok(Computed::Stepped { output, compute_ms }) => {
                    if flying.key.requester != desk.me {
                        self.served_positions += flying.count();
                        if let Some(who) = job.who {
                            self.door.served(who, flying.count());
                        }
                    }
                    job.stepped(flying, output, compute_ms, desk);
                }
                _ => job.failed(desk),
            }
            return self.lost(lost?, desk);
        }
        if let Some(opening) = self.opening.remove(&effect) {
            if result == Err(ComputeError::DeviceLost) {
                // Nobody is refused: the cache is asked for once more where the stage is ready again.
                return self.lost(opening.of, desk);
            }
            self.opened(&opening.key?, result, desk);
            return None;
        }
        let at = self
            .held
            .iter()
            .position(|held| [HeldState::Loading(effect), HeldState::Lost(effect)].contains(&held.state))?;
        match result {
            Ok(Computed::Loaded(loaded)) => {
                self.held[at].state = HeldState::Ready(loaded);
                self.reserve(desk);
                Some(Turned::Ready)
            }
            other => {
                let held = self.held.remove(at);
                for key in self.keys(|_| true) {
                    let on_it = self.jobs.get(&key).is_some_and(|job| {
                        held.is(&job.open.model, &job.open.stage) && self.held_for(&job.open).is_none()
                    });
                    if on_it {
                        let no = No::because(Refusal::Model, "the layers could not be loaded");
                        self.refuse(&key, no, desk);
                    }
                }
                // What is missing after a loss is missing because of it.
                Some(Turned::Unready(match held.state {
                    HeldState::Lost(_) => ComputeError::DeviceLost,
                    _ => other.err().unwrap_or(ComputeError::Weights),
                }))
            }
        }
    }

    /// What computed a stage went away: whatever is left takes it over, if it can, and is measured.
    fn lost(&mut self, (model, stage): (ModelId, Stage), desk: &mut Desk) -> Option<Turned> {
        let held = self.held.iter_mut().find(|held| held.is(&model, &stage))?;
        if !matches!(held.state, HeldState::Ready(_)) {
            return None;
        }
        held.state = HeldState::Lost(desk.effect(Effect::Compute(Compute::Load { model, stage })));
        Some(Turned::Lost)
    }

    /// Gives the compute worker what is ready, in turn.
    pub(crate) fn pump(&mut self, desk: &mut Desk) {
        self.start_waiting(desk);
        while self.flying.len() < MAX_FLYING {
            let after = |key: &JobKey| self.last.as_ref().is_some_and(|last| key <= last);
            let mut order = self.keys(|_| true);
            order.sort_by_key(after);
            let turn = order
                .into_iter()
                .find_map(|key| Some((self.jobs.get_mut(&key)?.turn(desk)?, key)));
            let Some(((compute, flying), key)) = turn else {
                return;
            };
            let id = desk.effect(Effect::Compute(compute));
            self.flying.insert(id, flying);
            self.last = Some(key);
        }
    }

    /// Ends what nobody asks about any more. Answers when to look again.
    pub(crate) fn tick(&mut self, desk: &mut Desk) -> Option<Now> {
        let now = desk.now;
        for key in self.keys(|_| true) {
            if self
                .jobs
                .get(&key)
                .is_some_and(|job| now.since(job.last_active) >= IDLE_MS)
            {
                self.end(&key, Some(CloseReason::Stopped), desk);
            }
        }
        let ahead = self.door.waiting().saturating_sub(1);
        for job in self.jobs.values_mut().filter(|job| !job.started) {
            if now.since(job.said_queued) >= SAY_QUEUED_MS {
                job.said_queued = now;
                let epoch = job.open.epoch;
                desk.send(job.control, Message::Queued(Queued { epoch, ahead }));
            }
        }
        let looks = self.jobs.values().flat_map(|job| {
            let say = (!job.started).then(|| job.said_queued.plus_ms(SAY_QUEUED_MS));
            say.into_iter().chain([job.last_active.plus_ms(IDLE_MS)])
        });
        looks.min()
    }

    /// Sessions of others just now.
    pub(crate) fn serving(&self, me: &PeerId) -> u32 {
        let of_others = |job: &&Job| job.started && job.key.requester != *me;
        self.jobs.values().filter(of_others).count() as u32
    }

    /// Sessions that it would still take.
    pub(crate) fn free_jobs(&self) -> u32 {
        let started = self.jobs.values().filter(|job| job.started).count();
        (MAX_JOBS - started.min(MAX_JOBS)) as u32
    }

    /// Positions that there is still room for.
    pub(crate) fn free_positions(&self, me: &PeerId) -> u32 {
        let of_others = |job: &&Job| job.started && job.key.requester != *me;
        let taken: u64 = self
            .jobs
            .values()
            .filter(of_others)
            .map(|job| u64::from(job.open.max_positions))
            .sum();
        u32::try_from(u64::from(self.room).saturating_sub(taken)).unwrap_or(u32::MAX)
    }

    /// Whether the device computes right now.
    pub(crate) fn is_working(&self) -> bool {
        !self.flying.is_empty()
    }

    pub(crate) fn held_for(&self, open: &Open) -> Option<&Held> {
        self.held.iter().find(|held| held.is(&open.model, &open.stage))
    }

    /// Asks for the caches of jobs whose stage is ready.
    pub(crate) fn reserve(&mut self, desk: &mut Desk) {
        for (key, job) in &self.jobs {
            let ready = self.held.iter().any(|held| {
                held.is(&job.open.model, &job.open.stage) && matches!(held.state, HeldState::Ready(_))
            });
            let asked = |opening: &Opening| opening.key.as_ref() == Some(key);
            if job.ready || !job.started || !ready || self.opening.values().any(asked) {
                continue;
            }
            let (kv, model, stage) = (job.kv, job.open.model, job.open.stage);
            let max_positions = job.open.max_positions;
            let id = desk.effect(Effect::Compute(Compute::Open {
                kv,
                model,
                stage,
                max_positions,
            }));
            let key = Some(key.clone());
            self.opening.insert(
                id,
                Opening {
                    key,
                    of: (model, stage),
                },
            );
        }
    }

    fn opened(&mut self, key: &JobKey, result: Result<Computed, ComputeError>, desk: &mut Desk) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        if result.is_err() {
            let no = No::because(Refusal::WontFit, "no room for so many positions");
            return self.refuse(key, no, desk);
        }
        let us_per_token = self.held.iter().find_map(|held| match held.state {
            HeldState::Ready(loaded) if held.is(&job.open.model, &job.open.stage) => {
                Some(loaded.us_per_token)
            }
            _ => None,
        });
        job.opened(us_per_token.unwrap_or(0), desk);
    }

    fn replay(&mut self, key: &JobKey, replay: Replay, desk: &mut Desk) {
        if let Some(job) = self.jobs.get_mut(key) {
            job.replay(replay, desk);
        }
        self.introduce(key, desk);
    }

    /// Brings a job and the neighbour that waits for it together.
    pub(crate) fn introduce(&mut self, key: &JobKey, desk: &mut Desk) {
        let Some(job) = self.jobs.get_mut(key) else { return };
        let found = self.waiting.iter().position(|waiting| {
            let of_this = waiting.hello.session == key.session && waiting.hello.requester == key.requester;
            of_this
                && desk
                    .line(waiting.stream)
                    .is_some_and(|(peer, _)| job.expects(peer))
        });
        if let Some(at) = found {
            let waiting = self.waiting.remove(at);
            job.attach(waiting.stream, desk);
            for step in waiting.steps {
                job.step(waiting.stream, step, desk);
            }
        }
    }

    pub(crate) fn refuse(&mut self, key: &JobKey, no: No, desk: &mut Desk) {
        if let Some(job) = self.jobs.get(key) {
            desk.send(job.control, no.said());
        }
        self.end(key, None, desk);
    }

    fn end(&mut self, key: &JobKey, say: Option<CloseReason>, desk: &mut Desk) {
        let Some(job) = self.take(key) else { return };
        if let Some(reason) = say {
            desk.send(job.control, Message::Close(Close { reason }));
        }
        let control = job.control;
        job.end(desk);
        desk.close(control);
    }

    /// The requester has closed the session: all is freed at once, and then there is the receipt.
    fn settle(&mut self, key: &JobKey, desk: &mut Desk) {
        let Some(job) = self.take(key) else { return };
        let (stream, peer, facts) = (job.control, key.requester.clone(), job.facts());
        job.end(desk);
        if peer == desk.me {
            return desk.close(stream);
        }
        desk.settle(Over {
            stream,
            peer,
            facts,
            asked: false,
        });
    }

    fn take(&mut self, key: &JobKey) -> Option<Job> {
        let job = self.jobs.remove(key)?;
        if !job.started {
            self.door.leave(key);
        }
        let mut opening = self.opening.values_mut();
        if let Some(of_it) = opening.find(|opening| opening.key.as_ref() == Some(key)) {
            of_it.key = None;
        }
        Some(job)
    }

    fn drop_unused(&mut self, desk: &mut Desk) {
        let jobs = &self.jobs;
        let used =
            |held: &Held| held.lent || jobs.values().any(|job| held.is(&job.open.model, &job.open.stage));
        for held in self.held.iter().filter(|held| !used(held)) {
            desk.effect(Effect::Compute(Compute::Unload {
                model: held.model.id,
                stage: held.stage,
            }));
        }
        self.held.retain(used);
    }

    fn keys(&self, which: impl Fn(&JobKey) -> bool) -> Vec<JobKey> {
        self.jobs.keys().filter(|key| which(key)).cloned().collect()
    }
}

impl Held {
    fn is(&self, model: &ModelId, stage: &Stage) -> bool {
        self.model.id == *model && self.stage == *stage
    }
}
