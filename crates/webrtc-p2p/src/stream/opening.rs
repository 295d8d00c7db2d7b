//! When a stream that nobody answers moves to another channel, and what it says again there.
//! It owns no channel and no clock: time is told from outside.
//!
//! A channel's id is free for the side that opened it once it has answered the peer's reset, for the peer once that answer
//! has come (RFC 8831 §6.7, RFC 6525 §5). Where the answer is lost, the peer holds the id until it has asked again, while
//! a browser gives the next channel the lowest free id at once: Chromium and libdatachannel drop the opening of an id that
//! they hold, and what follows it. With one packet of a hundred lost, six of 953 streams ended so, after ten seconds each.

/// How long an id that was free again may still be held by the peer: several repeats of its reset.
pub const HELD_MS: u64 = 5_000;
/// How long a channel may stay silent: a repeated reset, a round trip and a busy peer.
const PATIENCE_MS: u64 = 1_500;
/// What is kept to be said again: a proposal of protocols. Whoever has said more did not wait for its answer.
const MAX_SAID_BYTES: usize = 1_024;

/// A stream of ours from which nothing was heard yet, on a channel whose id the peer may still hold.
#[derive(Debug, Default)]
pub struct Opening {
    said: Vec<Vec<u8>>,
    since_ms: u64,
    was_late: bool,
}

impl Opening {
    /// A frame was sent at `now_ms` of any clock that only goes forward. `false`: too much to be said again, so that
    /// the stream stays where it is.
    #[must_use]
    pub fn said(&mut self, frame: &[u8], now_ms: u64) -> bool {
        if self.said.is_empty() {
            self.since_ms = now_ms;
        }
        self.said.push(frame.to_vec());
        self.said.iter().map(Vec::len).sum::<usize>() <= MAX_SAID_BYTES
    }

    /// Whether the stream is to move, asked regularly. An answer is late at two looks in a row: where this side slept,
    /// it is read between them.
    pub fn is_unheard(&mut self, now_ms: u64) -> bool {
        let is_late = !self.said.is_empty() && now_ms.saturating_sub(self.since_ms) >= PATIENCE_MS;
        std::mem::replace(&mut self.was_late, is_late) && is_late
    }

    /// The frames to be said again on the other channel, in the order in which they were sent.
    pub fn into_said(self) -> Vec<Vec<u8>> {
        self.said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unheard_at(opening: &mut Opening, looks_ms: &[u64]) -> Option<u64> {
        looks_ms
            .iter()
            .copied()
            .find(|now_ms| opening.is_unheard(*now_ms))
    }

    #[test]
    fn what_nobody_answers_is_said_again_after_two_late_looks() {
        let mut opening = Opening::default();
        assert!(opening.said(b"header", 400) && opening.said(b"proposal", 900));
        let looks_ms = [500, 1_000, 1_500, 2_000, 2_500, 3_000];
        assert_eq!(unheard_at(&mut opening, &looks_ms), Some(2_500));
        assert_eq!(opening.into_said(), [b"header".to_vec(), b"proposal".to_vec()]);
    }

    #[test]
    fn a_side_that_slept_reads_first_what_has_come() {
        let mut opening = Opening::default();
        assert!(opening.said(b"proposal", 0));
        assert_eq!(unheard_at(&mut opening, &[500, 60_000]), None);
        assert_eq!(unheard_at(&mut opening, &[60_500]), Some(60_500));
    }

    #[test]
    fn whoever_has_said_nothing_is_owed_no_answer() {
        assert_eq!(unheard_at(&mut Opening::default(), &[59_000, 60_000]), None);
    }

    #[test]
    fn more_than_a_proposal_is_not_said_again() {
        let mut opening = Opening::default();
        assert!(opening.said(&[0; MAX_SAID_BYTES], 0));
        assert!(!opening.said(&[0], 0));
    }
}
