//! How fast bytes come, and how long the rest will take: over the last seconds, since networks change.
//! Has no clock: every sample brings its moment.

use std::collections::VecDeque;

/// What lies further back does not count.
const WINDOW_MS: f64 = 5_000.0;
/// Less than this says nothing yet.
const LEAST_MS: f64 = 500.0;
/// Samples kept: several a second for the whole window.
const MAX_SAMPLES: usize = 64;

/// Bytes over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    samples: VecDeque<(f64, u64)>,
}

impl Pace {
    /// Takes note of how many bytes are here at a moment.
    pub fn note(&mut self, now_ms: f64, bytes: u64) {
        let several = self.samples.len() > 1;
        if let Some(last) = self.samples.back_mut()
            && several
            && now_ms - last.0 < WINDOW_MS / MAX_SAMPLES as f64
        {
            *last = (last.0, bytes);
            return;
        }
        self.samples.push_back((now_ms, bytes));
        while self.samples.len() > MAX_SAMPLES
            || self
                .samples
                .front()
                .is_some_and(|(at, _)| now_ms - at > WINDOW_MS && self.samples.len() > 2)
        {
            self.samples.pop_front();
        }
    }

    /// Bytes a second, once that can be said.
    pub fn bytes_per_s(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (self.samples.front()?, self.samples.back()?);
        let ms = to - from;
        (ms >= LEAST_MS && after > before).then(|| (after - before) as f64 * 1000.0 / ms)
    }

    /// Milliseconds until `total` is reached.
    pub fn left_ms(&self, total: u64) -> Option<f64> {
        let (_, here) = self.samples.back()?;
        Some(total.saturating_sub(*here) as f64 * 1000.0 / self.bytes_per_s()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]
    use super::*;

    #[test]
    fn speed_and_rest_follow_the_last_seconds() {
        let mut pace = Pace::default();
        assert_eq!(pace.bytes_per_s(), None);
        for second in 0..=10_u64 {
            pace.note(second as f64 * 1000.0, second * 100);
        }
        assert_eq!(pace.bytes_per_s(), Some(100.0));
        assert_eq!(pace.left_ms(2_000), Some(10_000.0));
        for second in 11..=20_u64 {
            pace.note(second as f64 * 1000.0, 1_000 + (second - 10) * 300);
        }
        assert_eq!(pace.bytes_per_s(), Some(300.0));
        assert_eq!(pace.left_ms(0), Some(0.0));
    }

    #[test]
    fn a_beginning_or_a_standstill_says_nothing() {
        let mut pace = Pace::default();
        pace.note(0.0, 0);
        pace.note(100.0, 1_000);
        assert_eq!(pace.bytes_per_s(), None);
        let mut still = Pace::default();
        still.note(0.0, 5);
        still.note(4_000.0, 5);
        assert_eq!((still.bytes_per_s(), still.left_ms(9)), (None, None));
    }

    #[test]
    fn many_samples_do_not_pile_up() {
        let mut pace = Pace::default();
        for moment in 0..10_000_u64 {
            pace.note(moment as f64, moment);
        }
        assert!(pace.samples.len() <= MAX_SAMPLES);
    }
}
