//! Chance that can be repeated: everything random in a world comes from its seed.
//! No other source of randomness is used by any test here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// See the file's head.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The same seed throws the same numbers.
    pub fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    /// At least `low`, less than `high` (or `low` where that is no more).
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.next_u64() % high.saturating_sub(low).max(1)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.between(0, n) == 0
    }
}
