//! How long a stage takes, and therefore how long to wait for it.
//! It does not decide what happens when the wait is over.

use std::collections::VecDeque;

/// Steps remembered.
const WINDOW: usize = 32;
/// No deadline is shorter: a browser's garbage collection must not look like a loss.
const SHORTEST_MS: u64 = 500;
/// A stage that has shown nothing yet may take this long for so many positions.
const FIRST_MS: u64 = 8_000;
const FIRST_POSITIONS: u64 = 64;
/// And longer, if it is slow by its own word; but its word does not buy it more than this.
const MAX_SAID_MS: u64 = 120_000;
/// So many steps of about a size say more than all others: one alone may have been lucky.
const ALIKE: usize = 4;
/// How many times the usual time is too long.
const PATIENCE: u64 = 3;

/// The recent steps of one stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    /// Milliseconds and positions.
    recent: VecDeque<(u64, u32)>,
    /// What the stage says that one token takes.
    said_us: u32,
}

impl Pace {
    /// The stage has said how long one token takes it.
    pub(crate) fn expect(&mut self, us_per_token: u32) {
        self.said_us = us_per_token;
    }

    pub(crate) fn note(&mut self, ms: u64, positions: u32) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back((ms, positions));
    }

    /// How long to wait for a step of so many positions: three times the 95th percentile of steps of about that
    /// size, longer in proportion where none of the recent steps was as large.
    pub(crate) fn deadline_ms(&self, positions: u32) -> u64 {
        // What a long piece of a prompt took says little about a single token.
        let alike = |step: &&(u64, u32)| step.1 <= positions.saturating_mul(2);
        let mut steps: Vec<(u64, u32)> = self.recent.iter().filter(alike).copied().collect();
        if steps.len() < ALIKE {
            steps = self.recent.iter().copied().collect();
        }
        steps.sort_unstable();
        let Some((p95, _)) = steps.get((steps.len() * 95).div_ceil(100).saturating_sub(1)) else {
            let said = PATIENCE * u64::from(self.said_us) * u64::from(positions) / 1_000;
            return said.min(MAX_SAID_MS) + FIRST_MS * u64::from(positions).div_ceil(FIRST_POSITIONS).max(1);
        };
        let largest = steps.iter().map(|(_, positions)| *positions).max();
        let scale = u64::from(positions.div_ceil(largest.unwrap_or(1).max(1))).max(1);
        (PATIENCE * p95).max(SHORTEST_MS) * scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_three_times_the_95th_percentile_but_half_a_second_at_least() {
        let mut pace = Pace::default();
        assert_eq!(pace.deadline_ms(1), 8_000);
        assert_eq!(pace.deadline_ms(65), 16_000);
        pace.expect(100_000);
        assert_eq!(pace.deadline_ms(64), 8_000 + 19_200);
        pace.expect(u32::MAX);
        assert_eq!(pace.deadline_ms(1), 8_000 + 120_000);
        for _ in 0..31 {
            pace.note(10, 1);
        }
        assert_eq!(pace.deadline_ms(1), 500);
        pace.note(9_000, 1);
        assert_eq!(
            pace.deadline_ms(1),
            500,
            "one outlier in 32 is below the percentile"
        );
        for _ in 0..32 {
            pace.note(400, 1);
        }
        assert_eq!(pace.deadline_ms(1), 1_200);
        assert_eq!(pace.deadline_ms(8), 9_600);
    }

    #[test]
    fn a_long_prompt_does_not_make_the_wait_for_a_token_long() {
        let mut pace = Pace::default();
        pace.note(3_000, 128);
        assert_eq!(pace.deadline_ms(1), 9_000, "nothing better is known");
        for _ in 0..ALIKE {
            assert_eq!(pace.deadline_ms(1), 9_000, "one lucky step says little");
            pace.note(50, 1);
        }
        assert_eq!(pace.deadline_ms(1), 500);
        assert_eq!(pace.deadline_ms(128), 9_000);
    }
}
