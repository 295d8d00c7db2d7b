//! Credit: how much may be on its way, on the side that sends and on the side that receives.
//! A data channel of a browser has no back-pressure of its own, and js peers know no other.

use protocol::{Ack, INITIAL_CREDIT_BYTES, MAX_MESSAGE_BYTES};

/// The sender's side. It may send while anything is left; the last message may overdraw.
#[derive(Debug)]
pub(crate) struct Credit(i64);

/// The receiver's side.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    /// Received and not yet given back.
    outstanding: i64,
    /// Taken off the queue and not yet given back.
    owed: i64,
}

impl Credit {
    pub(crate) fn new() -> Credit {
        Credit(i64::from(INITIAL_CREDIT_BYTES))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0 > 0
    }

    pub(crate) fn spend(&mut self, bytes: u32) {
        self.0 -= i64::from(bytes);
    }

    /// More may be sent, but never more than a new stream may: a receiver cannot talk a sender
    /// into a queue without end.
    pub(crate) fn grant(&mut self, bytes: u32) {
        self.0 = (self.0 + i64::from(bytes)).min(i64::from(INITIAL_CREDIT_BYTES));
    }
}

impl Owed {
    /// Notes what arrived; `false` where the sender had no credit for it.
    #[must_use]
    pub(crate) fn arrived(&mut self, bytes: u32) -> bool {
        self.outstanding += i64::from(bytes);
        self.outstanding <= i64::from(INITIAL_CREDIT_BYTES) + MAX_MESSAGE_BYTES as i64
    }

    /// Notes what was taken off the queue; now and then answers with an `Ack` to send.
    pub(crate) fn taken(&mut self, bytes: u32) -> Option<Ack> {
        self.owed += i64::from(bytes);
        if self.owed < i64::from(INITIAL_CREDIT_BYTES / 8) {
            return None;
        }
        self.outstanding -= self.owed;
        let credit_bytes = u32::try_from(std::mem::take(&mut self.owed)).unwrap_or(u32::MAX);
        Some(Ack { credit_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_that_obeys_never_overruns_the_receiver() {
        let (mut credit, mut owed, mut queue) = (Credit::new(), Owed::default(), Vec::new());
        for round in 0..1_000u32 {
            while credit.is_open() {
                let bytes = 1 + round.wrapping_mul(7_919) % MAX_MESSAGE_BYTES as u32;
                credit.spend(bytes);
                assert!(owed.arrived(bytes));
                queue.push(bytes);
            }
            for bytes in queue.drain(..) {
                if let Some(ack) = owed.taken(bytes) {
                    credit.grant(ack.credit_bytes);
                }
            }
            assert!(credit.is_open(), "all is taken, so more may come");
        }
    }

    #[test]
    fn a_sender_without_credit_is_found_out() {
        let mut owed = Owed::default();
        assert!(owed.arrived(INITIAL_CREDIT_BYTES + MAX_MESSAGE_BYTES as u32));
        assert!(!owed.arrived(1));
    }

    #[test]
    fn no_grant_lifts_the_bound() {
        let mut credit = Credit::new();
        for _ in 0..10 {
            credit.grant(u32::MAX);
        }
        credit.spend(INITIAL_CREDIT_BYTES);
        assert!(!credit.is_open());
    }
}
