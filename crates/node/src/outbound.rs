//! The way from a stage to a next one: what was promised to it and what may go out now.
//! It computes nothing and keeps no output: `Kept` does.

use std::collections::VecDeque;

use protocol::{Message, Next, Payload, Step};

use crate::credit::Credit;
use crate::desk::Desk;
use crate::io::StreamId;
use crate::kept::Kept;

/// What waits for credit. The worker computes nothing for a job whose next stage is this far
/// behind, so the queue cannot grow past it and one step.
const MAX_BACKLOG: usize = 8;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) stream: StreamId,
    pub(crate) next: Next,
    /// It shadows the next stage: it may fall behind, and needs no samples.
    shadow: bool,
    credit: Credit,
    backlog: VecDeque<Item>,
}

#[derive(Debug)]
enum Item {
    /// Just computed.
    Step(Step),
    /// Sent before, to another; these positions.
    Kept { epoch: u32, first: u32, end: u32 },
}

impl Outbound {
    pub(crate) fn new(stream: StreamId, next: Next) -> Outbound {
        Outbound {
            stream,
            next,
            shadow: false,
            credit: Credit::new(),
            backlog: VecDeque::new(),
        }
    }

    /// Begins an epoch: forgets what waits and promises what is kept and the next one lacks.
    pub(crate) fn begin(&mut self, epoch: u32, next: Next, shadow: bool, kept: u32) {
        self.backlog.clear();
        self.shadow = shadow;
        if next.from < kept {
            self.backlog.push_back(Item::Kept {
                epoch,
                first: next.from,
                end: kept,
            });
        }
        self.next = next;
    }

    /// Promises what was just computed, less what the next one has already.
    pub(crate) fn push(&mut self, step: &Step, kept: &Kept) {
        let end = step.first_position.saturating_add(step.positions());
        if end <= self.next.from {
            return;
        }
        if self.shadow {
            self.push_kept(step.epoch, step.first_position.max(self.next.from), end);
        } else if step.first_position >= self.next.from {
            self.backlog.push_back(Item::Step(step.clone()));
        } else if let Some(rows) = kept.rows(self.next.from, end) {
            let first_position = self.next.from;
            let samples = step.samples.min(rows.positions());
            self.backlog.push_back(Item::Step(Step {
                first_position,
                payload: Payload::Hidden(rows),
                samples,
                ..step.clone()
            }));
        }
    }

    /// The one that everything waits for can take no more. A shadow is never waited for: all that
    /// it lacks is one range of what is kept.
    pub(crate) fn is_full(&self) -> bool {
        !self.shadow && self.backlog.len() >= MAX_BACKLOG
    }

    fn push_kept(&mut self, epoch: u32, first: u32, end: u32) {
        match self.backlog.back_mut() {
            Some(Item::Kept {
                first: from, end: to, ..
            }) if first <= *to => {
                (*from, *to) = ((*from).min(first), end);
            }
            _ => self.backlog.push_back(Item::Kept { epoch, first, end }),
        }
    }

    pub(crate) fn grant(&mut self, bytes: u32) {
        self.credit.grant(bytes);
    }

    /// Sends what credit allows.
    pub(crate) fn flush(&mut self, kept: &Kept, desk: &mut Desk) {
        while self.credit.is_open() {
            let step = match self.backlog.pop_front() {
                None => return,
                Some(Item::Step(step)) => step,
                Some(Item::Kept { epoch, first, end }) => {
                    let Some(rows) = kept.rows(first, end) else {
                        continue;
                    };
                    let sent = first + rows.positions();
                    if sent < end {
                        self.backlog.push_front(Item::Kept {
                            epoch,
                            first: sent,
                            end,
                        });
                    }
                    let payload = Payload::Hidden(rows);
                    Step {
                        epoch,
                        first_position: first,
                        payload,
                        samples: 0,
                        recent: None,
                    }
                }
            };
            self.credit.spend(step.credit_bytes());
            desk.send(self.stream, Message::Step(step));
        }
    }
}
