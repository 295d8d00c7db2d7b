//! How hard a device may work, by how long one and the same piece of work takes it: heat slows a device before it shows.
//! It measures nothing and has no clock: figures come in, a share of the time goes out.

/// Figures that are looked at together. Their median counts, so that two disturbed ones change nothing.
const WINDOW: usize = 5;
/// What a device is let down to, in percent of the time, step by step.
const SHARES: [u8; 4] = [100, 75, 50, 25];
/// Slower than its best by more than this, in percent, and it is let down a step.
const TOO_SLOW: u64 = 125;
/// Within this of its best, it comes up a step. What lies between leaves it where it is: it does not swing.
const WELL: u64 = 110;

/// The guard of one piece of work, from when it is first measured.
#[derive(Clone, Debug, Default)]
pub struct Warmth {
    figures: [u32; WINDOW],
    taken: usize,
    /// The lowest median so far: what the device can do for a while, not once.
    best: Option<u32>,
    step: usize,
}

impl Warmth {
    /// The share of the time that it may work, in percent.
    pub fn share(&self) -> u8 {
        SHARES.get(self.step).copied().unwrap_or(SHARES[0])
    }

    /// How long the piece of work took just now, in microseconds. Each window decides once.
    pub fn note(&mut self, us: u32) {
        let Some(slot) = self.figures.get_mut(self.taken) else {
            return;
        };
        *slot = us.max(1);
        self.taken += 1;
        if self.taken < WINDOW {
            return;
        }
        self.taken = 0;
        let mut sorted = self.figures;
        sorted.sort_unstable();
        let median = sorted[WINDOW / 2];
        let best = self.best.map_or(median, |best| best.min(median));
        self.best = Some(best);
        let percent = u64::from(median) * 100 / u64::from(best);
        if percent > TOO_SLOW {
            self.step = (self.step + 1).min(SHARES.len() - 1);
        } else if percent <= WELL {
            self.step = self.step.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share after each window of one figure.
    fn shares(figures: &[u32]) -> Vec<u8> {
        let mut warmth = Warmth::default();
        figures
            .iter()
            .map(|us| {
                (0..WINDOW).for_each(|_| warmth.note(*us));
                warmth.share()
            })
            .collect()
    }

    #[test]
    fn it_is_let_down_in_steps_while_it_is_slow_and_comes_up_in_steps() {
        assert_eq!(
            shares(&[
                1_000, 1_300, 1_300, 1_400, 1_500, 1_500, 1_090, 1_000, 1_000, 1_000
            ]),
            [100, 75, 50, 25, 25, 25, 50, 75, 100, 100]
        );
    }

    #[test]
    fn a_quarter_slower_is_not_too_slow_and_what_is_between_leaves_it() {
        assert_eq!(shares(&[1_000, 1_250, 1_259, 1_260]), [100, 100, 100, 75]);
        assert_eq!(
            shares(&[1_000, 1_300, 1_110, 1_200, 1_109]),
            [100, 75, 75, 75, 100]
        );
    }

    #[test]
    fn the_best_is_what_was_kept_up_not_a_lucky_moment() {
        let mut warmth = Warmth::default();
        // Two lucky figures in five are not its pace.
        for _ in 0..4 {
            [500, 1_000, 500, 1_000, 1_000]
                .iter()
                .for_each(|us| warmth.note(*us));
            assert_eq!(warmth.share(), 100);
        }
    }

    #[test]
    fn two_disturbed_figures_in_five_change_nothing() {
        let mut warmth = Warmth::default();
        for _ in 0..4 {
            [1_000, 90_000, 1_000, u32::MAX, 1_000]
                .iter()
                .for_each(|us| warmth.note(*us));
            assert_eq!(warmth.share(), 100);
        }
    }

    #[test]
    fn it_becomes_faster_as_it_is_used_and_is_measured_by_that() {
        // Compiled on the first calls: the first window is slow.
        assert_eq!(shares(&[3_000, 1_000, 1_200, 1_300]), [100, 100, 100, 75]);
    }

    #[test]
    fn nothing_is_decided_before_a_whole_window() {
        let mut warmth = Warmth::default();
        (0..WINDOW).for_each(|_| warmth.note(1_000));
        for _ in 0..WINDOW - 1 {
            warmth.note(9_000);
            assert_eq!(warmth.share(), 100);
        }
        warmth.note(9_000);
        assert_eq!(warmth.share(), 75);
    }

    #[test]
    fn figures_that_cannot_be_are_borne() {
        assert_eq!(shares(&[0, 0, u32::MAX, u32::MAX]), [100, 100, 75, 50]);
    }
}
