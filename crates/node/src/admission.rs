//! Whether the worker takes an Open: what makes no sense, what does not fit, what its terms say, whose turn it is.
//! It computes nothing: the worker does, with what was admitted.

use protocol::{Ack, Blob, Message, Open, PeerId, Queued, Refusal, Refused, Text};
use registry::policy::{Admission, Quote, Reason};

use crate::desk::{Desk, JobKey, Owner};
use crate::door::Caller;
use crate::io::{KvId, ModelSpec, StreamId};
use crate::work::Job;
use crate::worker::Worker;

/// Sessions of one stranger: nobody takes the whole device.
const MAX_JOBS_PER_PEER: usize = 4;

/// Why not.
pub(crate) struct No {
    why: Refusal,
    detail: String,
    quote: Option<Quote>,
}

impl No {
    pub(crate) fn because(why: Refusal, detail: &str) -> No {
        let (detail, quote) = (detail.to_owned(), None);
        No { why, detail, quote }
    }
}

impl Worker {
    /// A stream that says `Open` first, and who says it.
    pub(crate) fn open(
        &mut self,
        stream: StreamId,
        peer: PeerId,
        open: Box<Open>,
        caller: impl FnOnce(&Open, &Desk) -> Result<Caller, No>,
        desk: &mut Desk,
    ) {
        let key = JobKey {
            requester: peer,
            session: open.session,
        };
        let own = key.requester == desk.me;
        let admitted = self.fits(&key, &open, desk).and_then(|model| {
            if own {
                return Ok((model, None, true));
            }
            let caller = caller(&open, desk)?;
            let start = self.admit(&key, &open, &caller, desk)?;
            Ok((model, Some(caller.id), start))
        });
        let (model, who, start) = match admitted {
            Ok(admitted) => admitted,
            Err(No { why, detail, quote }) => {
                let detail = Text::cut(&detail);
                let quote = quote.and_then(|quote| Blob::new(quote.as_bytes().to_vec()).ok());
                desk.send(stream, Message::Refused(Refused { why, detail, quote }));
                desk.close(stream);
                return;
            }
        };
        desk.give(stream, Owner::Control(key.clone()));
        let word = if start {
            // At once, so that a requester can tell a busy device from a dead one.
            Message::Ack(Ack { credit_bytes: 0 })
        } else {
            Message::Queued(Queued {
                epoch: open.epoch,
                ahead: self.door.waiting().saturating_sub(1),
            })
        };
        desk.send(stream, word);
        self.caches += 1;
        let mut job = Job::new(key.clone(), stream, open, KvId(self.caches), model.d_model, desk);
        (job.who, job.started) = (who, start);
        self.jobs.insert(key.clone(), job);
        self.reserve(desk);
        self.introduce(&key, desk);
    }

    /// Whether an Open makes sense here, whoever says it.
    fn fits(&self, key: &JobKey, open: &Open, desk: &Desk) -> Result<ModelSpec, No> {
        let own = key.requester == desk.me;
        let held = self.held_for(open).filter(|held| held.lent || own);
        let Some(held) = held else {
            return Err(No::because(Refusal::Model, "these layers are not here"));
        };
        let model = held.model;
        let sound = open.stage.embed == (open.stage.layers.first() == 0)
            && open.stage.head == (open.stage.layers.end() == model.layers)
            && open.stage.embed == open.previous.is_none()
            && (open.stage.head || open.shadow) == open.next.is_empty()
            && open.stage.head == open.sampling.is_some()
            && !self.jobs.contains_key(key);
        if !sound {
            return Err(No::because(Refusal::Invalid, "this stage makes no sense here"));
        }
        if !own && open.max_positions > self.room {
            return Err(No::because(
                Refusal::WontFit,
                "no room for so many positions, ever",
            ));
        }
        Ok(model)
    }

    /// Whether it begins now (`true`) or in turn.
    fn admit(&mut self, key: &JobKey, open: &Open, caller: &Caller, desk: &Desk) -> Result<bool, No> {
        let of_peer = self
            .jobs
            .keys()
            .filter(|other| other.requester == key.requester)
            .count();
        if of_peer >= MAX_JOBS_PER_PEER {
            return Err(No::because(Refusal::Busy, "too many sessions of one peer"));
        }
        let room = open.max_positions <= self.free_positions(&desk.me);
        let free_sessions = if room { self.free_jobs() } else { 0 };
        match self.door.ask(key, caller, open, free_sessions, desk.now) {
            Ok(admission) => Ok(admission == Admission::Start),
            Err(decline) => Err(No {
                why: refusal(&decline.reason),
                detail: decline.reason.to_string(),
                quote: decline.quote,
            }),
        }
    }

    /// A registry changed: whoever has lost what let them in has their sessions ended, and is told why.
    pub(crate) fn look_at_callers(
        &mut self,
        caller: impl Fn(&PeerId, &Open, &Desk) -> Result<Caller, No>,
        desk: &mut Desk,
    ) {
        let others = self.jobs.iter().filter(|(key, _)| key.requester != desk.me);
        let lost: Vec<(JobKey, No)> = others
            .filter_map(|(key, job)| {
                let no =
                    match caller(&key.requester, &job.open, desk) {
                        Ok(caller) => self.door.still(&caller, &job.open).err().map(|decline| {
                            No::because(refusal(&decline.reason), &decline.reason.to_string())
                        }),
                        Err(no) => Some(no),
                    };
                Some((key.clone(), no?))
            })
            .collect();
        for (key, no) in lost {
            self.refuse(&key, no.why, &no.detail, desk);
        }
    }

    /// Begins what waited, as far as there is room.
    pub(crate) fn start_waiting(&mut self, desk: &mut Desk) {
        let mut started = false;
        while let Some(key) = self.door.next().cloned() {
            let waits = self.jobs.get(&key).map(|job| job.open.max_positions);
            let room = self.free_jobs() > 0 && waits <= Some(self.free_positions(&desk.me));
            if waits.is_some() && !room {
                break;
            }
            self.door.take_next();
            if let Some(job) = self.jobs.get_mut(&key) {
                (job.started, started) = (true, true);
            }
        }
        if started {
            self.reserve(desk);
        }
    }
}

/// The word on the wire for a reason.
fn refusal(reason: &Reason) -> Refusal {
    match reason {
        Reason::Halted => Refusal::Halted,
        Reason::QueueFull | Reason::SessionsPerHour { .. } => Refusal::Busy,
        Reason::Positions { .. } => Refusal::WontFit,
        Reason::Model => Refusal::Model,
        Reason::Blocked
        | Reason::NotForYou(_)
        | Reason::TooPrivate { .. }
        | Reason::Kind(_)
        | Reason::Budget { .. } => Refusal::Policy,
    }
}
