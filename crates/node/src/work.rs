//! The work of one stage in one session: Steps come in, are computed in order, and go on.
//! It does not decide whether to take the work nor whose turn it is: the worker does.

use std::collections::VecDeque;

use bytes::Bytes;
use identity::NodeId;
use protocol::{
    Activations, Fault, List, Message, ModelId, Next, Open, Opened, Payload, PeerId, Replay, Report, Stage,
    Step, Token, Trace,
};

use crate::credit::Owed;
use crate::desk::{Desk, JobKey, Owner};
use crate::io::{Compute, Effect, KvId, Now, StepInput, StepOutput, StreamId, Want};
use crate::kept::Kept;
use crate::outbound::Outbound;
use crate::receipts::{Facts, Tally};

/// See the file's head.
pub(crate) struct Job {
    pub(crate) key: JobKey,
    pub(crate) control: StreamId,
    pub(crate) open: Box<Open>,
    pub(crate) kv: KvId,
    /// The cache is there.
    pub(crate) ready: bool,
    pub(crate) last_active: Now,
    /// For whom it is counted; nobody where it is this node's own.
    pub(crate) who: Option<NodeId>,
    /// It waits in the queue no more.
    pub(crate) started: bool,
    pub(crate) said_queued: Now,
    told: Tally,
    d_model: u32,
    epoch: u32,
    shadow: bool,
    previous: Option<PeerId>,
    inbound: Option<StreamId>,
    owed: Owed,
    outbound: Vec<Outbound>,
    queue: VecDeque<Arrived>,
    /// What the cache holds once all that was handed to the compute worker is done.
    positions: u32,
    kept: Kept,
}

struct Arrived {
    step: Step,
    at: Now,
}

/// A step on its way through the compute worker.
pub(crate) struct Flying {
    pub(crate) key: JobKey,
    pub(crate) of: (ModelId, Stage),
    epoch: u32,
    first_position: u32,
    positions: u32,
    samples: u32,
    recent: Option<List<u32, { protocol::MAX_RECENT }>>,
    queue_ms: u64,
}

impl Flying {
    pub(crate) fn count(&self) -> u64 {
        u64::from(self.positions)
    }
}

impl Job {
    pub(crate) fn new(
        key: JobKey,
        control: StreamId,
        open: Box<Open>,
        kv: KvId,
        d_model: u32,
        desk: &mut Desk,
    ) -> Job {
        let mut job = Job {
            key,
            control,
            kv,
            ready: false,
            last_active: desk.now,
            who: None,
            started: true,
            said_queued: desk.now,
            told: Tally::default(),
            d_model,
            epoch: open.epoch,
            shadow: open.shadow,
            previous: open.previous.clone(),
            inbound: open.previous.is_none().then_some(control),
            owed: Owed::default(),
            outbound: Vec::new(),
            queue: VecDeque::new(),
            positions: 0,
            kept: Kept::new(open.wire, d_model),
            open,
        };
        let next = job.open.next.clone();
        job.connect(next.into_inner(), desk);
        job
    }

    /// The cache is there: says so.
    pub(crate) fn opened(&mut self, us_per_token: u32, desk: &mut Desk) {
        self.ready = true;
        let positions = self.open.max_positions;
        desk.send(
            self.control,
            Message::Opened(Opened {
                epoch: self.epoch,
                positions,
                us_per_token,
            }),
        );
    }

    /// Whether a stream from this peer is the one that Steps are to come on.
    pub(crate) fn expects(&self, peer: &PeerId) -> bool {
        self.previous.as_ref() == Some(peer)
    }

    /// Steps come on this stream from now on.
    pub(crate) fn attach(&mut self, stream: StreamId, desk: &mut Desk) {
        if let Some(old) = self.inbound.replace(stream).filter(|old| *old != self.control) {
            desk.close(old);
        }
        self.owed = Owed::default();
        desk.give(stream, Owner::Previous(self.key.clone()));
    }

    /// A Step came.
    pub(crate) fn step(&mut self, stream: StreamId, step: Step, desk: &mut Desk) {
        self.last_active = desk.now;
        if self.inbound != Some(stream) {
            return;
        }
        if !self.owed.arrived(step.credit_bytes()) {
            return self.report(Fault::Broken, self.previous.clone(), desk);
        }
        self.queue.push_back(Arrived { step, at: desk.now });
    }

    /// A new epoch: keep so much, send again from there on, to these.
    pub(crate) fn replay(&mut self, replay: Replay, desk: &mut Desk) {
        self.last_active = desk.now;
        if replay.epoch <= self.epoch {
            return;
        }
        self.epoch = replay.epoch;
        self.shadow = replay.shadow;
        if replay.keep < self.positions {
            self.cut(replay.keep, desk);
        }
        if self.previous != replay.previous {
            if let Some(old) = self.inbound.take().filter(|old| *old != self.control) {
                desk.close(old);
            }
            self.queue.clear();
            self.owed = Owed::default();
            self.inbound = replay.previous.is_none().then_some(self.control);
            self.previous = replay.previous;
        }
        self.connect(replay.next.into_inner(), desk);
        self.flush(desk);
    }

    /// A next stage gives credit.
    pub(crate) fn grant(&mut self, stream: StreamId, bytes: u32, desk: &mut Desk) {
        if let Some(line) = self.outbound.iter_mut().find(|line| line.stream == stream) {
            line.grant(bytes);
            line.flush(&self.kept, desk);
        }
    }

    /// A stream to a neighbour ended.
    pub(crate) fn closed(&mut self, stream: StreamId, fault: Fault, desk: &mut Desk) {
        if self.inbound == Some(stream) {
            self.inbound = None;
            self.report(fault, self.previous.clone(), desk);
        } else if let Some(at) = self.outbound.iter().position(|line| line.stream == stream) {
            let line = self.outbound.remove(at);
            self.report(fault, Some(line.next.peer), desk);
        }
    }

    /// The next step to compute, if there is one and there is room for its output.
    pub(crate) fn turn(&mut self, desk: &mut Desk) -> Option<(Compute, Flying)> {
        if !self.ready || self.outbound.iter().any(Outbound::is_full) {
            return None;
        }
        while let Some(arrived) = self.queue.front() {
            // A Step of a newer epoch has overtaken the requester's word about it: it waits.
            if arrived.step.epoch > self.epoch {
                return None;
            }
            let Arrived { step, at } = self.queue.pop_front()?;
            if let (Some(ack), Some(stream)) = (self.owed.taken(step.credit_bytes()), self.inbound) {
                desk.send(stream, Message::Ack(ack));
            }
            if step.epoch < self.epoch {
                continue;
            }
            match self.begin(step, at, desk) {
                Ok(begun) => return Some(begun),
                Err(fault) => self.report(fault, self.previous.clone(), desk),
            }
        }
        None
    }

    /// A step is done.
    pub(crate) fn stepped(&mut self, flying: Flying, output: StepOutput, compute_ms: u32, desk: &mut Desk) {
        // What was begun before the route changed counts no more: the cache was cut already.
        if flying.epoch != self.epoch {
            return;
        }
        let epoch = self.epoch;
        let Flying {
            first_position,
            positions,
            samples,
            recent,
            queue_ms,
            ..
        } = flying;
        let queue_ms = u32::try_from(queue_ms).unwrap_or(u32::MAX);
        let trace = Trace {
            epoch,
            first_position,
            positions,
            queue_ms,
            compute_ms,
            bytes: 0,
        };
        match output {
            StepOutput::Nothing => self.tell(trace, samples, desk),
            StepOutput::Tokens(ids) => {
                let position = first_position + positions - samples.min(positions) + 1;
                let count = ids.len() as u32;
                let Some(ids) = List::new(ids).ok().filter(|_| count == samples) else {
                    return self.report(Fault::Compute, None, desk);
                };
                // Before the last token, or the requester would close before it has heard it.
                self.tell(trace, samples, desk);
                if !self.shadow {
                    desk.send(self.control, Message::Token(Token { epoch, position, ids }));
                }
            }
            StepOutput::Hidden { d_model, bytes } => {
                let size = bytes.len() as u32;
                if !self.keep(first_position, positions, d_model, &bytes) {
                    return self.report(Fault::Compute, None, desk);
                }
                self.forward(first_position, positions, samples, recent, bytes);
                self.flush(desk);
                self.tell(Trace { bytes: size, ..trace }, samples, desk);
            }
        }
    }

    /// The compute worker could not.
    pub(crate) fn failed(&mut self, desk: &mut Desk) {
        self.report(Fault::Compute, None, desk);
    }

    /// Ends the streams to its neighbours and frees its cache; the requester's stays.
    pub(crate) fn end(self, desk: &mut Desk) {
        for line in self.outbound {
            desk.close(line.stream);
        }
        if let Some(stream) = self.inbound.filter(|stream| *stream != self.control) {
            desk.close(stream);
        }
        desk.effect(Effect::Compute(Compute::Close { kv: self.kv }));
    }

    /// What was done, as the requester was told.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            job: self.open.job,
            kind: self.open.kind,
            swarm: self.open.swarm,
            model: self.open.model,
            layers: self.open.stage.layers,
            tally: self.told,
        }
    }

    fn begin(&mut self, step: Step, at: Now, desk: &mut Desk) -> Result<(Compute, Flying), Fault> {
        let (first_position, positions) = (step.first_position, step.positions());
        let fits = first_position
            .checked_add(positions)
            .is_some_and(|end| end <= self.open.max_positions);
        if !fits || first_position > self.positions {
            return Err(Fault::Broken);
        }
        let stage = self.open.stage;
        let input = match step.payload {
            Payload::Tokens(ids) if stage.embed => StepInput::Tokens(ids.into_inner()),
            Payload::Hidden(hidden)
                if !stage.embed && hidden.wire() == self.open.wire && hidden.d_model() == self.d_model =>
            {
                let (wire, d_model) = (hidden.wire(), hidden.d_model());
                StepInput::Hidden {
                    wire,
                    positions,
                    d_model,
                    bytes: hidden.bytes().clone(),
                }
            }
            _ => return Err(Fault::Broken),
        };
        let want = match (stage.head, step.samples, self.open.sampling) {
            (false, _, _) => Want::Hidden(self.open.wire),
            (true, 0, _) => Want::Nothing,
            (true, rows, Some(sampling)) => {
                let recent = step
                    .recent
                    .as_ref()
                    .map(|recent| recent.to_vec())
                    .unwrap_or_default();
                Want::Sample {
                    sampling,
                    rows,
                    recent,
                }
            }
            (true, _, None) => return Err(Fault::Broken),
        };
        if first_position < self.positions {
            self.cut(first_position, desk);
        }
        self.positions = first_position + positions;
        let compute = Compute::Step {
            kv: self.kv,
            first_position,
            input,
            want,
        };
        let flying = Flying {
            key: self.key.clone(),
            of: (self.open.model, self.open.stage),
            epoch: self.epoch,
            first_position,
            positions,
            samples: step.samples,
            recent: step.recent,
            queue_ms: desk.now.since(at),
        };
        Ok((compute, flying))
    }

    fn tell(&mut self, trace: Trace, samples: u32, desk: &mut Desk) {
        self.told.note(&trace);
        self.told.sampled += u64::from(samples);
        desk.send(self.control, Message::Trace(trace));
    }

    fn cut(&mut self, positions: u32, desk: &mut Desk) {
        self.positions = positions;
        self.kept.truncate(positions);
        desk.effect(Effect::Compute(Compute::Truncate {
            kv: self.kv,
            positions,
        }));
    }

    fn keep(&mut self, first: u32, positions: u32, d_model: u32, bytes: &Bytes) -> bool {
        let whole = bytes.len() == self.open.wire.row_bytes(self.d_model) * positions as usize;
        whole && d_model == self.d_model && self.kept.append(first, bytes)
    }

    fn forward(
        &mut self,
        first_position: u32,
        positions: u32,
        samples: u32,
        recent: Option<List<u32, { protocol::MAX_RECENT }>>,
        bytes: Bytes,
    ) {
        if self.shadow {
            return;
        }
        let Ok(hidden) = Activations::new(self.open.wire, positions, self.d_model, bytes) else {
            return;
        };
        let payload = Payload::Hidden(hidden);
        let step = Step {
            epoch: self.epoch,
            first_position,
            payload,
            samples,
            recent,
        };
        for line in &mut self.outbound {
            line.push(&step, &self.kept);
        }
    }

    fn flush(&mut self, desk: &mut Desk) {
        for line in &mut self.outbound {
            line.flush(&self.kept, desk);
        }
    }

    /// Keeps the streams to those that stay, opens those to new ones, closes the others.
    fn connect(&mut self, next: Vec<Next>, desk: &mut Desk) {
        let mut old = std::mem::take(&mut self.outbound);
        for (at, next) in next.into_iter().enumerate() {
            let same = |line: &Outbound| line.next.session == next.session && line.next.peer == next.peer;
            let mut line = match old.iter().position(same) {
                Some(at) => old.swap_remove(at),
                None => {
                    let owner = Owner::Next {
                        job: self.key.clone(),
                        session: next.session,
                    };
                    let stream = desk.open(&next.peer, &next.addresses, owner);
                    let hello = protocol::Hello {
                        requester: self.key.requester.clone(),
                        session: next.session,
                        epoch: self.epoch,
                    };
                    desk.send(stream, Message::Hello(hello));
                    Outbound::new(stream, next.clone())
                }
            };
            line.begin(self.epoch, next, at > 0, self.kept.len());
            self.outbound.push(line);
        }
        for line in old {
            desk.close(line.stream);
        }
    }

    fn report(&self, fault: Fault, peer: Option<PeerId>, desk: &mut Desk) {
        desk.send(
            self.control,
            Message::Report(Report {
                epoch: self.epoch,
                fault,
                peer,
            }),
        );
    }
}
