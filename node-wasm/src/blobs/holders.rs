//! Who lends which model, and where they are reached, as their offers say.
//! An offer is a promise: whether somebody has a chunk is known once they were asked.

use std::collections::HashMap;

use identity::Timestamp;
use libp2p::{Multiaddr, PeerId};
use protocol::{Heard, ModelId, Offer};

/// Peers whose offers are remembered; the node bounds its own table in the same way.
const MAX_HOLDERS: usize = 1_024;

/// The offers, by peer.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    by_peer: HashMap<PeerId, Holder>,
}

#[derive(Debug)]
struct Holder {
    model: ModelId,
    addresses: Vec<Multiaddr>,
    sequence: u64,
    until_ms: u64,
}

impl Holders {
    /// Takes in an offer that `from` signed. What is no sound offer of its own changes nothing.
    pub(crate) fn hear(&mut self, from: PeerId, bytes: &[u8], now_ms: u64) {
        let Ok(Heard { offer, .. }) = Offer::open(bytes, Timestamp::from_ms(now_ms)) else {
            return;
        };
        if offer.peer.as_str() != from.to_base58() {
            return;
        }
        if self
            .by_peer
            .get(&from)
            .is_some_and(|known| known.sequence >= offer.sequence)
        {
            return;
        }
        let Some(work) = offer.work else {
            self.by_peer.remove(&from);
            return;
        };
        self.by_peer.retain(|_, holder| holder.until_ms > now_ms);
        if self.by_peer.len() >= MAX_HOLDERS && !self.by_peer.contains_key(&from) {
            return;
        }
        let holder = Holder {
            model: work.model,
            addresses: offer.addresses.iter().filter_map(|a| a.parse().ok()).collect(),
            sequence: offer.sequence,
            until_ms: now_ms.saturating_add(u64::from(offer.lifetime_s) * 1_000),
        };
        self.by_peer.insert(from, holder);
    }

    /// Who lends layers of `model` now, and where.
    pub(crate) fn of(&self, model: &ModelId, now_ms: u64) -> Vec<(PeerId, Vec<Multiaddr>)> {
        self.by_peer
            .iter()
            .filter(|(_, holder)| holder.model == *model && holder.until_ms > now_ms)
            .map(|(peer, holder)| (*peer, holder.addresses.clone()))
            .collect()
    }
}
