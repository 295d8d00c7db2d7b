//! What a person may turn while the node runs: what computes, how hard, and whether heat makes it less.
//! It turns nothing by itself.

use std::cell::Cell;

use crate::config::Backend;

/// Shared between the handle, which turns them, and the deeds, which look at them.
pub(crate) struct Knobs {
    backend: Cell<Backend>,
    power: Cell<u8>,
    guarded: Cell<bool>,
}

impl Knobs {
    pub(crate) fn new(backend: Backend) -> Knobs {
        Knobs {
            backend: Cell::new(backend),
            power: Cell::new(100),
            guarded: Cell::new(true),
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend.get()
    }

    pub(crate) fn set_backend(&self, backend: Backend) {
        self.backend.set(backend);
    }

    /// At most this share of the time, in percent; 1 to 100.
    pub(crate) fn power(&self) -> u8 {
        self.power.get()
    }

    pub(crate) fn set_power(&self, percent: u8) {
        self.power.set(percent.clamp(1, 100));
    }

    /// Whether lent work becomes less while the device is slower than it was.
    pub(crate) fn guarded(&self) -> bool {
        self.guarded.get()
    }

    pub(crate) fn set_guarded(&self, on: bool) {
        self.guarded.set(on);
    }
}
