//! AdamW (Loshchilov and Hutter 2019), warm-up and cosine decay, clipping by the global norm.
//! Does not compute gradients.

use serde::{Deserialize, Serialize};

/// How to learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Steps in which it rises from 0.
    pub warmup: u64,
    /// Steps in all; at the last it has fallen along a cosine to `floor` of the highest.
    pub steps: u64,
    /// Share of the highest rate that is left at the end.
    pub floor: f64,
    /// Decay of matrices; norms do not decay.
    pub weight_decay: f64,
    /// The longest gradient; longer ones are scaled down.
    pub clip: f64,
}

impl Schedule {
    /// The learning rate of a step, the first being 0.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.learning_rate * (step + 1) as f64 / self.warmup as f64;
        }
        let span = self.steps.saturating_sub(self.warmup).max(1) as f64;
        let done = ((step - self.warmup) as f64 / span).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.learning_rate * (self.floor + (1.0 - self.floor) * cosine)
    }
}

/// First and second moments of every weight.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    /// Running means of the gradients.
    pub(crate) mean: Vec<Vec<f32>>,
    /// Running means of their squares.
    pub(crate) square: Vec<Vec<f32>>,
    /// Steps taken.
    pub(crate) taken: u64,
}

const BETAS: [f64; 2] = [0.9, 0.98];
const EPSILON: f64 = 1e-8;

impl AdamW {
    /// For tensors of these sizes.
    pub fn new(sizes: impl Iterator<Item = usize> + Clone) -> AdamW {
        let zeros = || sizes.clone().map(|size| vec![0.0; size]).collect();
        AdamW {
            mean: zeros(),
            square: zeros(),
            taken: 0,
        }
    }

    /// Changes the weights by their gradients; `decays` says of each tensor whether it decays. Returns the length of
    /// the gradient before clipping.
    pub fn step(
        &mut self,
        schedule: &Schedule,
        weights: &mut [Vec<f32>],
        gradients: &[Vec<f32>],
        decays: &[bool],
    ) -> f64 {
        let square = |values: &Vec<f32>| values.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
        let length = gradients.iter().map(square).sum::<f64>().sqrt();
        let scale = if length > schedule.clip {
            schedule.clip / length
        } else {
            1.0
        };
        let rate = schedule.rate(self.taken);
        self.taken += 1;
        let corrections = BETAS.map(|beta| 1.0 - beta.powf(self.taken as f64));
        let [beta1, beta2] = BETAS.map(|beta| beta as f32);
        let (scale, epsilon) = (scale as f32, EPSILON as f32);
        let step = (rate / corrections[0]) as f32;
        let root = (1.0 / corrections[1]) as f32;
        for (tensor, (weights, gradients)) in weights.iter_mut().zip(gradients).enumerate() {
            let decay = if decays[tensor] {
                rate * schedule.weight_decay
            } else {
                0.0
            };
            let kept = (1.0 - decay) as f32;
            let moments = self.mean[tensor].iter_mut().zip(&mut self.square[tensor]);
            for ((weight, gradient), (mean, square)) in weights.iter_mut().zip(gradients).zip(moments) {
                let gradient = gradient * scale;
                *mean = beta1 * *mean + (1.0 - beta1) * gradient;
                *square = beta2 * *square + (1.0 - beta2) * gradient * gradient;
                *weight = *weight * kept - step * *mean / ((*square * root).sqrt() + epsilon);
            }
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule {
            learning_rate: 0.1,
            warmup: 10,
            steps: 110,
            floor: 0.1,
            weight_decay: 0.0,
            clip: 1.0,
        }
    }

    #[test]
    fn the_rate_rises_to_its_peak_and_falls_to_its_floor() {
        let schedule = schedule();
        assert!((schedule.rate(0) - 0.01).abs() < 1e-12);
        assert!((schedule.rate(9) - 0.1).abs() < 1e-12);
        assert!((schedule.rate(60) - 0.055).abs() < 1e-9);
        assert!((schedule.rate(110) - 0.01).abs() < 1e-12);
        assert!((schedule.rate(100_000) - 0.01).abs() < 1e-12);
        assert!((1..10).all(|step| schedule.rate(step) > schedule.rate(step - 1)));
        assert!((11..=110).all(|step| schedule.rate(step) < schedule.rate(step - 1)));
    }

    #[test]
    fn a_long_gradient_is_clipped_and_a_parabola_is_descended() {
        let mut optimiser = AdamW::new([2].into_iter());
        let mut weights = vec![vec![3.0_f32, -4.0]];
        for step in 0..110 {
            let gradients = vec![weights[0].iter().map(|w| 100.0 * w).collect()];
            let length = optimiser.step(&schedule(), &mut weights, &gradients, &[false]);
            if step == 0 {
                assert!((length - 500.0).abs() < 1e-3);
                // Adam's first step has the size of the rate, whatever the gradient's.
                assert!((weights[0][0] - 2.99).abs() < 1e-4, "{weights:?}");
                // 0.1 × the clipped gradient (0.6, -0.8)
                assert!((optimiser.mean[0][0] - 0.06).abs() < 1e-6);
            }
        }
        assert!(weights[0].iter().all(|w| w.abs() < 2.0), "{weights:?}");
    }

    #[test]
    fn only_what_decays_shrinks_without_a_gradient() {
        let schedule = Schedule {
            weight_decay: 0.5,
            ..schedule()
        };
        let mut optimiser = AdamW::new([1, 1].into_iter());
        let mut weights = vec![vec![1.0_f32], vec![1.0]];
        optimiser.step(&schedule, &mut weights, &[vec![0.0], vec![0.0]], &[true, false]);
        assert_eq!(weights, [[0.995], [1.0]]);
    }
}
