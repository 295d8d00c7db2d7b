//! Rotary position embedding (Su et al. 2021) in both layouts, with its scalings.
//! Does not know heads or caches: it turns one head's values at one position.

use gguf::{Rope, RopeLayout, RopeScaling};

/// The angles of a model, and their sines and cosines as far as positions were asked for.
pub(crate) struct RopeTable {
    layout: RopeLayout,
    /// Radians per position, one per rotated pair.
    frequencies: Vec<f64>,
    /// What yarn multiplies the rotated values by; 1 otherwise.
    magnitude: f64,
    /// (positions, pairs, cosine then sine)
    turns: Vec<[f32; 2]>,
}

impl RopeTable {
    /// The table of a model. `factors` is the file's `rope_freqs.weight`, one divisor per pair, by
    /// which converters hand over llama3's scaling; empty where the file has none.
    pub(crate) fn new(rope: &Rope, factors: &[f32]) -> RopeTable {
        let pairs = rope.dims as usize / 2;
        let base = f64::from(rope.base);
        let plain = (0..pairs).map(|pair| base.powf(-2.0 * pair as f64 / f64::from(rope.dims)));
        let mut frequencies: Vec<f64> = plain.collect();
        for (frequency, factor) in frequencies.iter_mut().zip(factors) {
            *frequency /= f64::from(*factor);
        }
        let magnitude = scale(&rope.scaling, base, rope.dims, &mut frequencies);
        RopeTable {
            layout: rope.layout,
            frequencies,
            magnitude,
            turns: Vec::new(),
        }
    }

    /// Makes positions 0..`positions` ready.
    pub(crate) fn reserve(&mut self, positions: usize) {
        let pairs = self.frequencies.len();
        let ready = self.turns.len().checked_div(pairs).unwrap_or(positions);
        for position in ready..positions {
            self.turns.extend(self.frequencies.iter().map(|frequency| {
                let angle = position as f64 * frequency;
                [
                    (angle.cos() * self.magnitude) as f32,
                    (angle.sin() * self.magnitude) as f32,
                ]
            }));
        }
    }

    /// Cosine and sine of each pair at the first `positions` positions, which must be ready.
    pub(crate) fn first(&self, positions: usize) -> &[[f32; 2]] {
        &self.turns[..positions * self.frequencies.len()]
    }

    /// Turns the first `dims` values of each head of `head_dim` values in `heads`.
    pub(crate) fn turn(&self, heads: &mut [f32], head_dim: usize, position: usize) {
        let pairs = self.frequencies.len();
        let turns = &self.turns[position * pairs..(position + 1) * pairs];
        for head in heads.chunks_exact_mut(head_dim) {
            match self.layout {
                RopeLayout::Interleaved => {
                    for ([x, y], turn) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
                        (*x, *y) = rotate(*x, *y, *turn);
                    }
                }
                RopeLayout::Neox => {
                    let (first, second) = head.split_at_mut(pairs);
                    for ((x, y), turn) in first.iter_mut().zip(second).zip(turns) {
                        (*x, *y) = rotate(*x, *y, *turn);
                    }
                }
            }
        }
    }
}

#[inline]
fn rotate(x: f32, y: f32, [cos, sin]: [f32; 2]) -> (f32, f32) {
    (x * cos - y * sin, x * sin + y * cos)
}

/// Applies a scaling to the frequencies and returns the magnitude.
fn scale(scaling: &RopeScaling, base: f64, dims: u32, frequencies: &mut [f64]) -> f64 {
    match *scaling {
        RopeScaling::None => 1.0,
        // Position interpolation (Chen et al. 2023).
        RopeScaling::Linear { factor } => {
            frequencies
                .iter_mut()
                .for_each(|frequency| *frequency /= f64::from(factor));
            1.0
        }
        // Llama 3.1: long waves are stretched, short ones left alone, those between blended.
        RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_context,
        } => {
            let (low, high) = (f64::from(low_freq_factor), f64::from(high_freq_factor));
            for frequency in frequencies {
                let waves = f64::from(original_context) * *frequency / std::f64::consts::TAU;
                let keep = ((waves - low) / (high - low)).clamp(0.0, 1.0);
                *frequency *= keep + (1.0 - keep) / f64::from(factor);
            }
            1.0
        }
        // YaRN (Peng et al. 2023): the same idea counted in rotations over the original context.
        RopeScaling::Yarn {
            factor,
            original_context,
            attention_factor,
            beta_fast,
            beta_slow,
        } => {
            let pair_with = |rotations: f32| {
                let wave = f64::from(original_context) / (f64::from(rotations) * std::f64::consts::TAU);
                f64::from(dims) * wave.ln() / (2.0 * base.ln())
            };
            let start = pair_with(beta_fast).floor().max(0.0);
            let end = pair_with(beta_slow).ceil().min(f64::from(dims) - 1.0);
            for (pair, frequency) in frequencies.iter_mut().enumerate() {
                let ramp = ((pair as f64 - start) / (end - start).max(0.001)).clamp(0.0, 1.0);
                *frequency *= (1.0 - ramp) + ramp / f64::from(factor);
            }
            f64::from(attention_factor) * (1.0 + 0.1 * f64::from(factor).ln())
        }
    }
}
