//! What the web server and the swarm's driver both see: counters, the board of offers, the
//! addresses, and whether visitors are welcome.
//! It decides nothing.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use libp2p::Multiaddr;

use crate::{metrics::Metrics, offers::Board};

/// Shared between tasks.
pub struct Shared {
    pub metrics: Arc<Metrics>,
    board: Mutex<Board>,
    addrs: RwLock<Vec<Multiaddr>>,
    ready: AtomicBool,
}

impl Shared {
    /// Not ready, reachable nowhere.
    pub fn new(metrics: Arc<Metrics>, board: Board) -> Self {
        Shared {
            metrics,
            board: Mutex::new(board),
            addrs: RwLock::new(Vec::new()),
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

    /// Whether everything listens and nothing is draining.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Opens or closes the door for new visitors.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }
}
