//! Causal attention of one position over a layer's cache, grouped-query heads included.
//! Does not append to the cache or rotate anything.

use super::cache::LayerCache;
use super::ops::{add_scaled, dot, softmax};

/// The heads of a layer.
#[derive(Clone, Copy)]
pub(crate) struct Heads {
    pub(crate) query: usize,
    pub(crate) kv: usize,
    /// Values per head.
    pub(crate) dim: usize,
}

/// out (n_heads · head_dim) = the attention of `query` (the same shape) over positions
/// 0..=`position`. `scores` is scratch.
pub(crate) fn attend(
    heads: Heads,
    cache: &LayerCache,
    capacity: usize,
    position: usize,
    query: &[f32],
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let scale = 1.0 / (heads.dim as f32).sqrt();
    let group = heads.query / heads.kv;
    for (head, (query, out)) in query
        .chunks_exact(heads.dim)
        .zip(out.chunks_exact_mut(heads.dim))
        .enumerate()
    {
        let start = head / group * capacity * heads.dim;
        let range = start..start + (position + 1) * heads.dim;
        scores.clear();
        scores.extend(
            cache.keys[range.clone()]
                .chunks_exact(heads.dim)
                .map(|key| dot(query, key) * scale),
        );
        softmax(scores);
        out.fill(0.0);
        for (score, value) in scores.iter().zip(cache.values[range].chunks_exact(heads.dim)) {
            add_scaled(out, *score, value);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn grouped_attention_agrees_with_f64() {
        let heads = Heads {
            query: 6,
            kv: 2,
            dim: 24,
        };
        let (capacity, position) = (40, 32);
        let wave = |n: usize, phase: f32| {
            (0..n)
                .map(|i| (i as f32 * 0.37 + phase).sin())
                .collect::<Vec<f32>>()
        };
        let cache = LayerCache {
            keys: wave(2 * capacity * 24, 0.1),
            values: wave(2 * capacity * 24, 0.7),
        };
        let query = wave(6 * 24, 0.3);
        let mut out = vec![0.0; 6 * 24];
        attend(
            heads,
            &cache,
            capacity,
            position,
            &query,
            &mut Vec::new(),
            &mut out,
        );

        for head in 0..6 {
            let at = |cache: &[f32], t: usize, i: usize| f64::from(cache[(head / 3 * capacity + t) * 24 + i]);
            let score = |t: usize| {
                (0..24)
                    .map(|i| f64::from(query[head * 24 + i]) * at(&cache.keys, t, i))
                    .sum::<f64>()
            };
            let weights: Vec<f64> = (0..=position).map(|t| (score(t) / 24f64.sqrt()).exp()).collect();
            let total: f64 = weights.iter().sum();
            for i in 0..24 {
                let wanted: f64 = (0..=position)
                    .map(|t| weights[t] / total * at(&cache.values, t, i))
                    .sum();
                assert!(
                    (f64::from(out[head * 24 + i]) - wanted).abs() < 1e-6,
                    "head {head} value {i}"
                );
            }
        }
    }
}
