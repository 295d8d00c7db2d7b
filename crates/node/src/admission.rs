//! Whether the worker takes an Open: what makes no sense, what does not fit, what its terms say, whose turn it is.
//! It computes nothing: the worker does, with what was admitted.

use protocol::{Ack, Blob, Ground, Message, Open, PeerId, Queued, Refusal, Refused, Text};
use registry::policy::{Admission, Decline, Quote, Reason};

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
    ground: Option<Ground>,
    detail: String,
    quote: Option<Quote>,
}

impl No {
    pub(crate) fn because(why: Refusal, detail: &str) -> No {
        No {
            why,
            ground: None,
            detail: detail.to_owned(),
            quote: None,
        }
    }

    /// What it rests on, for whoever does not read the words.
    pub(crate) fn on(self, ground: Ground) -> No {
        No {
            ground: Some(ground),
            ..self
        }
    }

    /// As it goes over the wire.
    pub(crate) fn said(self) -> Message {
        Message::Refused(Refused {
            why: self.why,
            detail: Text::cut(&self.detail),
            quote: self
                .quote
                .and_then(|quote| Blob::new(quote.as_bytes().to_vec()).ok()),
            ground: self.ground,
        })
    }
}

impl From<Decline> for No {
    fn from(decline: Decline) -> No {
        let (why, ground) = on_the_wire(&decline.reason);
        No {
            why,
            ground: Some(ground),
            detail: decline.reason.to_string(),
            quote: decline.quote,
        }
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
            Err(no) => {
                desk.send(stream, no.said());
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
            let no = No::because(Refusal::Busy, "too many sessions of one peer");
            return Err(no.on(Ground::SessionsAtOnce));
        }
        let room = open.max_positions <= self.free_positions(&desk.me);
        let free_sessions = if room { self.free_jobs() } else { 0 };
        let admission = self.door.ask(key, caller, open, free_sessions, desk.now)?;
        Ok(admission == Admission::Start)
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
                let caller = caller(&key.requester, &job.open, desk);
                let still = caller.and_then(|caller| Ok(self.door.still(&caller, &job.open)?));
                Some((key.clone(), still.err()?))
            })
            .collect();
        for (key, no) in lost {
            self.refuse(&key, no, desk);
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

/// The words on the wire for a reason.
fn on_the_wire(reason: &Reason) -> (Refusal, Ground) {
    match reason {
        Reason::Halted => (Refusal::Halted, Ground::Halted),
        Reason::Blocked => (Refusal::Policy, Ground::Blocked),
        Reason::NotForYou(_) => (Refusal::Policy, Ground::NotForYou),
        Reason::TooPrivate { .. } => (Refusal::Policy, Ground::TooPrivate),
        Reason::Kind(_) => (Refusal::Policy, Ground::Kind),
        // The layers are here: that is not what stands in the way.
        Reason::Model => (Refusal::Policy, Ground::Model),
        Reason::Positions { .. } => (Refusal::WontFit, Ground::Positions),
        Reason::SessionsPerHour { .. } => (Refusal::Busy, Ground::SessionsPerHour),
        Reason::Budget { .. } => (Refusal::Policy, Ground::Budget),
        Reason::QueueFull => (Refusal::Busy, Ground::QueueFull),
    }
}

#[cfg(test)]
mod tests {
    use registry::WorkKind;
    use registry::policy::Privacy;

    use super::*;

    #[test]
    fn every_reason_of_a_registry_has_its_ground_on_the_wire_and_keeps_its_words_and_quote() {
        let (asked, accepts) = (Privacy::Strangers, Privacy::Mine);
        for (reason, why, ground) in [
            (Reason::Halted, Refusal::Halted, Ground::Halted),
            (Reason::Blocked, Refusal::Policy, Ground::Blocked),
            (Reason::NotForYou("members"), Refusal::Policy, Ground::NotForYou),
            (
                Reason::TooPrivate { asked, accepts },
                Refusal::Policy,
                Ground::TooPrivate,
            ),
            (Reason::Kind(WorkKind::INFERENCE), Refusal::Policy, Ground::Kind),
            (Reason::Model, Refusal::Policy, Ground::Model),
            (
                Reason::Positions { asked: 9, max: 8 },
                Refusal::WontFit,
                Ground::Positions,
            ),
            (
                Reason::SessionsPerHour { max: 2 },
                Refusal::Busy,
                Ground::SessionsPerHour,
            ),
            (
                Reason::Budget { asked: 9, left: 8 },
                Refusal::Policy,
                Ground::Budget,
            ),
            (Reason::QueueFull, Refusal::Busy, Ground::QueueFull),
        ] {
            let words = reason.to_string();
            let quote = Quote::new(vec![7]);
            let Message::Refused(said) = No::from(Decline { reason, quote }).said() else {
                panic!("{words} is no refusal");
            };
            assert_eq!((said.why, said.ground), (why, Some(ground)), "{words}");
            assert_eq!(said.detail.to_string(), words);
            assert_eq!(said.quote, Blob::new(vec![7]).ok());
        }
    }
}
