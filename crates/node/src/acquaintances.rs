//! Links kept ready: whoever may be needed next is connected before anybody waits for it.
//! It changes no route: it saves the time that a connection takes when one changes.
//! Only those are met who may serve the answer at hand: to whom a device connects, it shows its address.

use std::collections::BTreeMap;

use protocol::PeerId;

use crate::desk::Desk;
use crate::io::Now;
use crate::peers::Peers;

/// Peers that are kept within reach for one purpose: each link costs both its ends some memory.
const MAX_READY: usize = 4;
/// A peer that could not be reached, or went away again, is left alone for this long.
const AGAIN_MS: u64 = 60_000;
/// Peers that were tried lately and are remembered; beyond this nobody new is tried.
const MAX_TRIED: usize = 64;

/// See the file's head.
#[derive(Debug, Default)]
pub(crate) struct Acquaintances {
    tried: BTreeMap<PeerId, Now>,
    looked: Option<Now>,
}

impl Acquaintances {
    /// Whether it is time to look again, so long after the last time; if not, when it is.
    pub(crate) fn due(&mut self, every_ms: u64, now: Now) -> Result<(), Now> {
        match self.looked.map(|looked| looked.plus_ms(every_ms)) {
            Some(next) if now < next => Err(next),
            _ => {
                self.looked = Some(now);
                Ok(())
            }
        }
    }

    /// Connects to those of `wanted` that are not within reach, the first few of them.
    pub(crate) fn meet(&mut self, wanted: impl IntoIterator<Item = PeerId>, peers: &Peers, desk: &mut Desk) {
        let now = desk.now;
        self.tried.retain(|_, at| now.since(*at) < AGAIN_MS);
        for peer in wanted.into_iter().take(MAX_READY) {
            if self.tried.len() >= MAX_TRIED {
                return;
            }
            if !desk.is_connected(&peer) && !self.tried.contains_key(&peer) {
                desk.approach(&peer, &peers.addresses(&peer));
                self.tried.insert(peer, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::io::Output;
    use identity::Timestamp;

    fn peer(number: usize) -> PeerId {
        PeerId::new(&format!("peer{number}")).unwrap()
    }

    fn dialled(desk: &mut Desk) -> usize {
        std::iter::from_fn(|| desk.poll_output())
            .filter(|output| matches!(output, Output::Connect { .. }))
            .count()
    }

    #[test]
    fn a_few_are_kept_ready_and_nobody_is_tried_twice_in_a_minute() {
        let (mut known, peers) = (Acquaintances::default(), Peers::default());
        let mut desk = Desk::new(peer(0), 1, Timestamp::default());
        known.meet((1..100).map(peer), &peers, &mut desk);
        assert_eq!(dialled(&mut desk), MAX_READY);
        desk.peer_connected(&peer(1));
        desk.peer_gone(&peer(2));
        known.meet((1..100).map(peer), &peers, &mut desk);
        assert_eq!(dialled(&mut desk), 0);
        desk.now = desk.now.plus_ms(AGAIN_MS);
        known.meet((1..100).map(peer), &peers, &mut desk);
        assert_eq!(
            dialled(&mut desk),
            1,
            "the others are connected or still being dialled"
        );
    }

    #[test]
    fn whoever_changes_its_mind_all_the_time_is_bounded() {
        let (mut known, peers) = (Acquaintances::default(), Peers::default());
        let mut desk = Desk::new(peer(0), 1, Timestamp::default());
        for round in 0..100 {
            known.meet((0..4).map(|at| peer(1 + 4 * round + at)), &peers, &mut desk);
        }
        assert_eq!(dialled(&mut desk), MAX_TRIED);
    }

    #[test]
    fn it_looks_no_more_often_than_it_is_told() {
        let mut known = Acquaintances::default();
        assert_eq!(known.due(2_000, Now(10)), Ok(()));
        assert_eq!(known.due(2_000, Now(11)), Err(Now(2_010)));
        assert_eq!(known.due(500, Now(600)), Ok(()));
    }
}
