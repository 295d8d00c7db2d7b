//! The thread to the relay: when to dial it again after it was lost.
//! No sockets and no clock: the task asks and waits.

use std::time::Duration;

/// The first wait after a loss.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait while the loss is young: a relay that is started anew is found again within this.
const LONGEST_YOUNG: Duration = Duration::from_secs(1);
/// Tries after which the loss is old: about half a minute.
const YOUNG_TRIES: u32 = 30;
/// The longest wait of all. Browsers slow down a page whose WebSockets fail by the hundred.
const LONGEST: Duration = Duration::from_secs(3);

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
        let longest = if self.is_young() { LONGEST_YOUNG } else { LONGEST };
        self.failures = self.failures.saturating_add(1);
        doubled.min(longest).mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }

    /// Whether the relay may be back any moment.
    pub(crate) fn is_young(&self) -> bool {
        self.failures < YOUNG_TRIES
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
