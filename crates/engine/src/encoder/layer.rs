//! One layer of a BERT-class encoder: attention over the whole text, then a network for each token (Devlin et al. 2018).
//! Does not embed or pool.

use crate::EngineError;
use crate::cpu::matrix::Matrix;
use crate::cpu::ops::{add, add_scaled, dot, exp, softmax, sum};
use crate::cpu::quant::Workspace;

use super::config::Config;
use super::safetensors::SafeTensors;

/// The weights of one layer.
pub(super) struct Layer {
    query: Dense,
    key: Dense,
    value: Dense,
    attended: Dense,
    attention_norm: Norm,
    inner: Dense,
    outer: Dense,
    norm: Norm,
}

struct Dense {
    weight: Matrix,
    bias: Vec<f32>,
}

/// Layer normalisation (Ba et al. 2016).
pub(super) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl Layer {
    pub(super) fn load(
        weights: &SafeTensors<'_>,
        index: usize,
        config: &Config,
    ) -> Result<Layer, EngineError> {
        let (width, inner) = (config.width, config.inner);
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let dense = |part: &str, rows, cols| Dense::load(weights, &name(part), rows, cols);
        let norm = |part: &str| Norm::load(weights, &name(part), config);
        Ok(Layer {
            query: dense("attention.self.query", width, width)?,
            key: dense("attention.self.key", width, width)?,
            value: dense("attention.self.value", width, width)?,
            attended: dense("attention.output.dense", width, width)?,
            attention_norm: norm("attention.output.LayerNorm")?,
            inner: dense("intermediate.dense", inner, width)?,
            outer: dense("output.dense", width, inner)?,
            norm: norm("output.LayerNorm")?,
        })
    }

    /// hidden (n, width) = norm(hidden + attention), then norm(hidden + network).
    pub(super) fn forward(&self, hidden: &mut [f32], config: &Config, workspace: &mut Workspace) {
        let attended = self.attend(hidden, config, workspace); // (n, width)
        add(hidden, &self.attended.apply(&attended, workspace));
        self.attention_norm.apply(hidden);
        let mut inner = self.inner.apply(hidden, workspace); // (n, inner)
        inner.iter_mut().for_each(|x| *x = gelu(*x));
        add(hidden, &self.outer.apply(&inner, workspace));
        self.norm.apply(hidden);
    }

    /// Every token looks at every token.
    fn attend(&self, hidden: &[f32], config: &Config, workspace: &mut Workspace) -> Vec<f32> {
        let width = config.width;
        let dim = width / config.heads;
        let [query, key, value] =
            [&self.query, &self.key, &self.value].map(|dense| dense.apply(hidden, workspace)); // (n, heads, dim)
        let scale = 1.0 / (dim as f32).sqrt();
        let mut attended = vec![0.0; hidden.len()];
        let mut scores = Vec::new();
        for (query, attended) in query.chunks_exact(width).zip(attended.chunks_exact_mut(width)) {
            for (head, out) in attended.chunks_exact_mut(dim).enumerate() {
                let part = head * dim..(head + 1) * dim;
                let query = &query[part.clone()];
                scores.clear();
                scores.extend(
                    key.chunks_exact(width)
                        .map(|key| dot(query, &key[part.clone()]) * scale),
                );
                softmax(&mut scores);
                for (score, value) in scores.iter().zip(value.chunks_exact(width)) {
                    add_scaled(out, *score, &value[part.clone()]);
                }
            }
        }
        attended
    }
}

impl Dense {
    fn load(weights: &SafeTensors<'_>, name: &str, rows: usize, cols: usize) -> Result<Dense, EngineError> {
        Ok(Dense {
            weight: weights.matrix(&format!("{name}.weight"), rows, cols)?,
            bias: weights.vector(&format!("{name}.bias"), rows)?,
        })
    }

    /// x (n, cols) becomes (n, rows).
    fn apply(&self, x: &[f32], workspace: &mut Workspace) -> Vec<f32> {
        let mut out = vec![0.0; x.len() / self.weight.cols() * self.weight.rows()];
        self.weight.multiply(x, &mut out, workspace);
        out.chunks_exact_mut(self.bias.len())
            .for_each(|row| add(row, &self.bias));
        out
    }
}

impl Norm {
    pub(super) fn load(weights: &SafeTensors<'_>, name: &str, config: &Config) -> Result<Norm, EngineError> {
        Ok(Norm {
            weight: weights.vector(&format!("{name}.weight"), config.width)?,
            bias: weights.vector(&format!("{name}.bias"), config.width)?,
            eps: config.eps,
        })
    }

    /// Norms each row of x (n, width).
    pub(super) fn apply(&self, x: &mut [f32]) {
        let width = self.weight.len();
        for row in x.chunks_exact_mut(width) {
            let mean = sum(row) / width as f32;
            row.iter_mut().for_each(|x| *x -= mean);
            let scale = 1.0 / (dot(row, row) / width as f32 + self.eps).sqrt();
            for ((x, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *x = *x * scale * weight + bias;
            }
        }
    }
}

/// x·Φ(x) (Hendrycks & Gimpel 2016).
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function to within 1.5·10⁻⁷ (Abramowitz & Stegun 7.1.26), the same on every platform.
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let p = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6]
        .iter()
        .fold(0.0, |p, c| (p + c) * t);
    (1.0 - p * exp(-x * x)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)) · 2/√π, which ends soon for small x.
    fn series(x: f64) -> f64 {
        let (mut sum, mut term) = (0.0, x);
        for n in 0..200 {
            sum += term / f64::from(2 * n + 1);
            term *= -x * x / f64::from(n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn the_error_function_agrees_with_its_series() {
        for i in -400..=400 {
            let x = f64::from(i) * 0.01;
            assert!(
                (f64::from(erf(x as f32)) - series(x)).abs() < 5e-7,
                "{x}: {}",
                erf(x as f32)
            );
        }
        assert_eq!((erf(10.0), erf(-10.0)), (1.0, -1.0));
    }
}
