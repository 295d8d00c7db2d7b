//! What the web server and the swarm's driver both see: counters, the board of offers, the
//! addresses, the other relays, and whether visitors are welcome.
//! It decides nothing.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use libp2p::{Multiaddr, PeerId};

use crate::{metrics::Metrics, offers::Board};

/// Shared between tasks.
pub struct Shared {
    pub metrics: Arc<Metrics>,
    board: Mutex<Board>,
    addrs: RwLock<Vec<Multiaddr>>,
    relays: RwLock<Arc<BTreeMap<PeerId, Vec<Multiaddr>>>>,
    met: RwLock<Arc<BTreeMap<PeerId, Vec<Multiaddr>>>>,
    ready: AtomicBool,
}

impl Shared {
    /// Not ready, reachable nowhere.
    pub fn new(metrics: Arc<Metrics>, board: Board) -> Self {
        Shared {
            metrics,
            board: Mutex::new(board),
            addrs: RwLock::new(Vec::new()),
            relays: RwLock::default(),
            met: RwLock::default(),
            ready: AtomicBool::new(false),
        }
    }

    /// The board of offers. Whoever panicked with it in hand left whole rows behind.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The addresses that others are told, without the peer id.
    pub fn addrs(&self) -> Vec<Multiaddr> {
        self.addrs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces them.
    pub fn set_addrs(&self, addrs: Vec<Multiaddr>) {
        *self.addrs.write().unwrap_or_else(PoisonError::into_inner) = addrs;
    }

    /// The other relays of the network that are connected now, and where they say they are. There
    /// are no more than the settings name.
    pub fn relays(&self) -> Arc<BTreeMap<PeerId, Vec<Multiaddr>>> {
        self.relays.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, with those that were connected once and are not now: a page may look for one that is
    /// gone, and for peers that were at it.
    pub fn met_relays(&self) -> Arc<BTreeMap<PeerId, Vec<Multiaddr>>> {
        self.met.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that one of them is here.
    pub fn meet_relay(&self, relay: PeerId, addrs: Vec<Multiaddr>) {
        for relays in [&self.relays, &self.met] {
            let mut relays = relays.write().unwrap_or_else(PoisonError::into_inner);
            Arc::make_mut(&mut relays).insert(relay, addrs.clone());
        }
    }

    /// Notes that it is gone.
    pub fn forget_relay(&self, relay: &PeerId) {
        let mut relays = self.relays.write().unwrap_or_else(PoisonError::into_inner);
        if relays.contains_key(relay) {
            Arc::make_mut(&mut relays).remove(relay);
        }
    }

    /// Whether everything listens and nothing is draining.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Opens or closes the door for new visitors.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_relay_that_went_is_no_longer_told_but_pages_may_still_look_for_it() {
        let shared = Shared::new(Arc::new(Metrics::new(&Limits::default())), Board::new([0; 32], 1));
        let relay = PeerId::random();
        shared.meet_relay(relay, vec!["/ip4/127.0.0.1/tcp/1/ws".parse().unwrap()]);
        shared.forget_relay(&relay);
        assert!(shared.relays().is_empty());
        assert_eq!(shared.met_relays()[&relay].len(), 1);
    }
}
