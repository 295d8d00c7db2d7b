//! Whether a connection still hears from its peer, judged from counters of received packets.
//! It reads no counters and no clock: both are told.
//!
//! A browser calls a vanished peer `disconnected` after 5 to 8 seconds and `failed` after 15 or
//! more. Its ICE agent however checks the path every 2.5 seconds, and every check that is
//! answered, and every check of the peer, counts up in the statistics. So silence of these
//! counters tells earlier, without a single byte that a peer would have to understand.

/// How often to look. Hidden tabs are slowed to once a second, which still is in time.
pub const TICK_MS: u64 = 500;
/// Silence that means that the peer is gone: one and a half rounds of ICE checks, and after
/// the first that went unanswered an agent repeats them many times a second.
const SILENCE_LIMIT_MS: u64 = 3_500;
/// The counters must have moved at least this often within [`USUAL_GAP_MS`] before their
/// silence means anything: other agents check less often, or do not count.
const MIN_MOVES: u32 = 3;
/// The longest usual time between two moves: 2.5 s, as seen at our own ticks.
const USUAL_GAP_MS: u64 = 3_300;
/// A tick later than this means that the tab itself slept: the silence was ours.
const LATE_TICK_MS: u64 = 2_000;

/// Watches one connection.
#[derive(Debug)]
pub struct Liveness {
    received_packets: u64,
    moved_at_ms: u64,
    ticked_at_ms: u64,
    moves: u32,
}

impl Liveness {
    /// Starts to watch at `now_ms` of any clock that only goes forward.
    pub fn new(now_ms: u64) -> Liveness {
        Liveness {
            received_packets: 0,
            moved_at_ms: now_ms,
            ticked_at_ms: now_ms,
            moves: 0,
        }
    }

    /// Takes the sum of all counters of received packets; answers whether the peer is gone.
    pub fn is_gone(&mut self, now_ms: u64, received_packets: u64) -> bool {
        let slept = now_ms.saturating_sub(self.ticked_at_ms) > LATE_TICK_MS;
        self.ticked_at_ms = now_ms;
        if received_packets != self.received_packets {
            let usual = now_ms.saturating_sub(self.moved_at_ms) <= USUAL_GAP_MS;
            self.moves = match (usual, slept) {
                (true, _) => self.moves.saturating_add(1),
                (false, true) => self.moves,
                (false, false) => 0,
            };
            self.received_packets = received_packets;
            self.moved_at_ms = now_ms;
            return false;
        }
        if slept {
            self.moved_at_ms = now_ms;
            return false;
        }
        self.moves >= MIN_MOVES && now_ms.saturating_sub(self.moved_at_ms) >= SILENCE_LIMIT_MS
    }

    /// How long to wait for the next look: [`TICK_MS`], or until silence has lasted long enough to mean something.
    pub fn next_look_ms(&self, now_ms: u64) -> u64 {
        let left = (self.moved_at_ms + SILENCE_LIMIT_MS).saturating_sub(now_ms);
        if left == 0 { TICK_MS } else { left.min(TICK_MS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at a peer that is heard every `every_ms` until `vanishes_ms`; answers when it
    /// is called gone.
    fn gone_at(every_ms: u64, vanishes_ms: u64, until_ms: u64) -> Option<u64> {
        let mut liveness = Liveness::new(0);
        let mut now = 0;
        while now < until_ms {
            let heard = 1 + now.min(vanishes_ms) / every_ms;
            if liveness.is_gone(now, heard) {
                return Some(now);
            }
            now += liveness.next_look_ms(now);
        }
        None
    }

    #[test]
    fn a_vanished_peer_is_noticed_within_four_seconds() {
        for vanishes_ms in (20_000..22_500).step_by(83) {
            let at = gone_at(2_500, vanishes_ms, 60_000).unwrap_or(u64::MAX);
            assert!(
                at > vanishes_ms && at <= vanishes_ms + SILENCE_LIMIT_MS + TICK_MS,
                "{vanishes_ms}: {at}"
            );
        }
    }

    #[test]
    fn a_peer_that_answers_is_never_called_gone() {
        for every_ms in [100, 2_000, 2_500] {
            assert_eq!(gone_at(every_ms, u64::MAX, 3_600_000), None, "{every_ms}");
        }
    }

    #[test]
    fn an_agent_that_checks_rarely_is_left_to_the_browser() {
        for every_ms in [5_000, 15_000] {
            assert_eq!(gone_at(every_ms, 60_000, 600_000), None, "{every_ms}");
        }
    }

    #[test]
    fn a_tab_that_slept_gives_the_peer_its_time_again() {
        let mut liveness = Liveness::new(0);
        for tick in 1..10 {
            assert!(!liveness.is_gone(tick * TICK_MS, tick));
        }
        let awake_ms = 100_000;
        assert!(!liveness.is_gone(awake_ms, 9), "the silence was our own");
        let gone_at_ms = (1..10)
            .map(|tick| awake_ms + tick * TICK_MS)
            .find(|now| liveness.is_gone(*now, 9));
        assert_eq!(gone_at_ms, Some(awake_ms + SILENCE_LIMIT_MS));
    }
}
