//! How a request ends, and what its user is told while it waits.
//! It moves no token: the request does.

use protocol::{Close, CloseReason, Ground, JobKind, Message};

use crate::desk::Desk;
use crate::io::{Code, Event, FinishReason};
use crate::place::{Place, Slot};
use crate::receipts::{Facts, Over, Tally};
use crate::request::{Phase, Request};

/// What a stage says of its last step comes on another way than the token, and on a busy machine later. The sheet is
/// worth this wait; the user has the whole answer.
const LAST_WORD_MS: u64 = 300;

impl Request {
    /// Ends it everywhere. What was done for it is settled by receipts.
    pub(crate) fn end(&mut self, reason: CloseReason, desk: &mut Desk) {
        self.phase = Phase::Over;
        for place in std::mem::take(&mut self.places) {
            for slot in place.slots().filter(|slot| slot.is_alive()) {
                desk.send(slot.control, Message::Close(Close { reason }));
                if slot.peer == desk.me {
                    desk.close(slot.control);
                } else {
                    desk.settle(Over {
                        stream: slot.control,
                        peer: slot.peer.clone(),
                        facts: self.facts(slot),
                        asked: true,
                    });
                }
            }
        }
    }

    fn facts(&self, slot: &Slot) -> Facts {
        Facts {
            job: self.job,
            kind: JobKind::Inference,
            swarm: slot.swarm,
            model: self.ask.model.id,
            layers: slot.stage.layers,
            tally: Tally {
                sampled: self.sampled,
                ..slot.told
            },
        }
    }

    /// Tells the user what is waited for while the stages are being opened, and that it is over.
    pub(crate) fn say_waiting(&mut self, desk: &mut Desk) {
        if self.phase == Phase::Running {
            let mut active = self.places.iter().map(|place| &place.active);
            let queued = active.any(|slot| slot.queued && slot.is_alive());
            self.say(queued.then_some(Code::Queued), desk);
        }
    }

    /// Says what is waited for from now on, if that is something else than before.
    pub(crate) fn say(&mut self, waiting: Option<Code>, desk: &mut Desk) {
        if self.waiting != waiting {
            self.waiting = waiting;
            let event = waiting.map_or(Event::Resumed, |reason| Event::Waiting { reason });
            desk.event(self.id, event);
        }
    }

    /// Ends it with an error; what was said stands.
    pub(crate) fn fail(&mut self, code: Code, message: &str, desk: &mut Desk) {
        self.fail_on(code, None, message, desk);
    }

    /// The same, where the terms of others are the reason.
    pub(crate) fn fail_on(&mut self, code: Code, ground: Option<Ground>, message: &str, desk: &mut Desk) {
        match self.phase {
            Phase::Over => return,
            // There is nothing to cancel any more.
            Phase::Whole { reason, .. } => return self.conclude(reason, desk),
            Phase::Seeking { .. } | Phase::Running => {}
        }
        self.end(CloseReason::Cancelled, desk);
        let event = Event::Failed {
            code,
            ground,
            message: message.to_owned(),
            route: self.sheet.clone(),
        };
        desk.event(self.id, event);
    }

    /// The answer is whole: ends it as soon as each stage has said what it did.
    pub(crate) fn finish(&mut self, reason: FinishReason, desk: &mut Desk) {
        let silent = |place: &Place| place.active.is_alive() && place.active.has < self.sent_end;
        if !self.places.iter().any(silent) {
            return self.conclude(reason, desk);
        }
        if !self.is_answered() {
            let until = desk.now.plus_ms(LAST_WORD_MS);
            self.phase = Phase::Whole { reason, until };
        }
    }

    /// Ends it with what is known.
    pub(crate) fn conclude(&mut self, reason: FinishReason, desk: &mut Desk) {
        self.end(CloseReason::Done, desk);
        desk.event(
            self.id,
            Event::Finished {
                reason,
                route: self.sheet.clone(),
            },
        );
    }
}
