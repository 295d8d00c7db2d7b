//! What a request sends to its first stage: the prompt in pieces, then its newest token and the guesses that follow.
//! It takes no answer: the request does.

use protocol::{Activations, List, MAX_SAMPLES, MAX_STEP_POSITIONS, Message, PENALTY_WINDOW, Payload, Step};

use crate::desk::Desk;
use crate::draft::MAX_DRAFT;
use crate::place::Place;
use crate::request::{Phase, Request};

/// A prefill travels in pieces of about this size, so that the stages work at the same time.
const PREFILL_BYTES: usize = 256 * 1_024;
/// And of at most so many positions, so that cancelling is felt at once.
const PREFILL_POSITIONS: u32 = 128;

/// A step that wants samples, on its way around the ring.
pub(crate) struct Trip {
    /// The position that the first sample stands for.
    pub(crate) position: u32,
    pub(crate) drafts: Vec<u32>,
}

impl Request {
    /// Sends what is known and not sent, as far as credit goes.
    pub(crate) fn feed(&mut self, desk: &mut Desk) {
        while self.phase == Phase::Running && self.trip.is_none() {
            let known = self.tokens.len() as u32;
            let open = self
                .places
                .first()
                .is_some_and(|place| place.active.credit.is_open());
            if self.fed >= known || !open {
                break;
            }
            let first = self.fed;
            let count = self.piece(first, known);
            let last = first + count == known;
            let mut ids = self.tokens[first as usize..(first + count) as usize].to_vec();
            let drafts = if last { self.draft(count) } else { Vec::new() };
            ids.extend(&drafts);
            let samples = if last { 1 + drafts.len() as u32 } else { 0 };
            self.send(first, ids, samples, desk);
            self.fed = first + count;
            if last {
                self.sheet.trips += 1;
                self.trip = Some(Trip {
                    position: known,
                    drafts,
                });
            }
        }
        self.watch(desk.now);
    }

    fn send(&mut self, first_position: u32, ids: Vec<u32>, samples: u32, desk: &mut Desk) {
        self.sent_end = self.sent_end.max(first_position + ids.len() as u32);
        self.sampled += u64::from(samples);
        let penalty = samples > 0 && self.ask.sampling.repeat_penalty != 1.0;
        let recent = penalty.then(|| {
            // Each sampled row looks back from its own token, so the guesses belong to it as well.
            let known = self.tokens.len();
            let guesses = ids.iter().skip(known.saturating_sub(first_position as usize));
            let window = &self.tokens[known.saturating_sub(PENALTY_WINDOW)..];
            List::first(window.iter().chain(guesses).copied())
        });
        let payload = Payload::Tokens(List::first(ids));
        let step = Step {
            epoch: self.epoch,
            first_position,
            payload,
            samples,
            recent,
        };
        let Some(place) = self.places.first_mut() else {
            return;
        };
        for slot in place.slots_mut().filter(|slot| slot.has <= first_position) {
            slot.credit.spend(step.credit_bytes());
            desk.send(slot.control, Message::Step(step.clone()));
        }
    }

    /// How many positions go in the next piece.
    fn piece(&self, first: u32, known: u32) -> u32 {
        let row = self.wire.row_bytes(self.ask.model.d_model).max(1);
        let most = u32::try_from(PREFILL_BYTES / row).unwrap_or(u32::MAX);
        let fits = Activations::most_positions(self.wire, self.ask.model.d_model);
        let piece = most.clamp(8, PREFILL_POSITIONS).min(fits).max(1);
        // Where a standby lacks more than the stage that it shadows, a piece ends where that
        // stage's positions end: what it has is not sent to it again.
        let slots = self.places.first().into_iter().flat_map(Place::slots);
        let has = slots
            .map(|slot| slot.has)
            .filter(|has| *has > first)
            .min()
            .unwrap_or(u32::MAX);
        piece.min(known - first).min(has - first)
    }

    fn draft(&mut self, sent: u32) -> Vec<u32> {
        if !self.ask.speculate {
            return Vec::new();
        }
        let left = self.left().saturating_sub(1);
        let fits = Activations::most_positions(self.wire, self.ask.model.d_model).saturating_sub(sent);
        let most = left
            .min(MAX_DRAFT)
            .min(MAX_SAMPLES - 1)
            .min(MAX_STEP_POSITIONS - sent)
            .min(fits);
        self.drafter.draft(&self.tokens, most)
    }
}
