//! The thread to the relay: when to dial it again after it was lost.
//! No sockets and no clock: the task asks and waits.

use std::time::Duration;

/// The first wait after a loss.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait: a relay that comes back is found again within this.
const LONGEST: Duration = Duration::from_secs(4);

/// Jittered exponential back-off. The jitter keeps a thousand tabs from dialling a
/// restarted relay in the same instant.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    failures: u32,
}

impl BackOff {
    /// How long to wait before the next try. `random` is in `[0, 1)`.
    pub(crate) fn next(&mut self, random: f64) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST).mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }

    /// Whether exactly one try has failed since the relay last answered: worth telling once.
    pub(crate) fn is_first_failure(&self) -> bool {
        self.failures == 1
    }

    /// The relay answered: the next loss starts from the shortest wait.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}
