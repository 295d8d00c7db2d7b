//! When a stream that nobody answers moves to another channel, and what it says again there.
//! It owns no channel and no clock: time is told from outside.
//!
//! A channel's id is free for the side that opened it once it has answered the peer's reset, for the peer once that answer
//! has come (RFC 8831 §6.7, RFC 6525 §5). Where the answer is lost, the peer holds the id until it has asked again, while
//! a browser gives the next channel the lowest free id at once: Chromium and libdatachannel drop the opening of an id that
//! they hold, and what follows it. With one packet of a hundred lost, six of 953 streams ended so, after ten seconds each.

/// How long an id that was free again may still be held by the peer: several repeats of its reset.
pub const HELD_MS: u64 = 5_000;
/// How long the first channel may stay silent: a repeated reset, a round trip and a busy peer. The next has twice as long.
pub const PATIENCE_MS: u64 = 1_500;
/// How often a stream may move. A third time would come after the 10 s that libp2p gives a stream to be negotiated.
const MAX_MOVES: u32 = 2;
/// What is kept to be said again: a proposal of protocols. Whoever has said more did not wait for its answer.
const MAX_SAID_BYTES: usize = 1_024;

/// A stream of ours from which nothing was heard yet, on a channel whose id the peer may still hold.
#[derive(Debug, Default)]
pub struct Opening {
    moves: u32,
    said: Vec<Vec<u8>>,
    since_ms: u64,
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

    /// The frames to be said again on another channel, if the stream is to move to one now.
    pub fn to_say_again(&mut self, now_ms: u64) -> Option<Vec<Vec<u8>>> {
        let patience_ms = PATIENCE_MS << self.moves;
        let silent = !self.said.is_empty() && now_ms.saturating_sub(self.since_ms) >= patience_ms;
        if !silent || self.moves == MAX_MOVES {
            return None;
        }
        self.moves += 1;
        Some(std::mem::take(&mut self.said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_answered_is_said_again_twice_ever_more_patiently() {
        let mut opening = Opening::default();
        assert!(opening.said(b"header", 500) && opening.said(b"proposal", 900));
        let mut moved = Vec::new();
        for now_ms in 500..60_000 {
            if let Some(frames) = opening.to_say_again(now_ms) {
                assert_eq!(frames, [b"header".to_vec(), b"proposal".to_vec()]);
                moved.push(now_ms);
                for frame in frames {
                    assert!(opening.said(&frame, now_ms));
                }
            }
        }
        assert_eq!(moved, [2_000, 5_000]);
    }

    #[test]
    fn whoever_has_said_nothing_is_owed_no_answer() {
        assert_eq!(Opening::default().to_say_again(60_000), None);
    }

    #[test]
    fn more_than_a_proposal_is_not_said_again() {
        let mut opening = Opening::default();
        assert!(opening.said(&[0; MAX_SAID_BYTES], 0));
        assert!(!opening.said(&[0], 0));
    }
}
