//! The simple operations of a transformer over plain slices, each with one fixed order of summing.
//! Does not know models, caches or quantised weights.
//!
//! Nothing here depends on how many rows are computed together, and nothing calls the platform's
//! libm: the same input gives the same bits in every batch, natively and in the browser. The loops
//! run over [`LANES`] independent sums so that compilers turn them into vector code without being
//! allowed to reorder floating point.

/// Independent partial sums of a reduction.
pub(crate) const LANES: usize = 16;

/// Σ aᵢ·bᵢ.
#[inline]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum();
    sum_lanes(sums) + tail
}

/// out += factor · x.
#[inline]
pub(crate) fn add_scaled(out: &mut [f32], factor: f32, x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += factor * x;
    }
}

/// out += x.
pub(crate) fn add(out: &mut [f32], x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += x;
    }
}

/// Root-mean-square norm of each row of `weight.len()` values (Zhang & Sennrich 2019).
pub(crate) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let d = weight.len();
    for (x, out) in x.chunks_exact(d).zip(out.chunks_exact_mut(d)) {
        let scale = 1.0 / (dot(x, x) / d as f32 + eps).sqrt();
        for ((out, x), w) in out.iter_mut().zip(x).zip(weight) {
            *out = x * scale * w;
        }
    }
}

/// The same, in place.
pub(crate) fn rms_norm_in_place(x: &mut [f32], weight: &[f32], eps: f32) {
    for x in x.chunks_exact_mut(weight.len()) {
        let scale = 1.0 / (dot(x, x) / weight.len() as f32 + eps).sqrt();
        for (x, w) in x.iter_mut().zip(weight) {
            *x *= scale * w;
        }
    }
}

/// gate = silu(gate) · up, where silu(x) = x / (1 + e⁻ˣ) (SwiGLU, Shazeer 2020).
pub(crate) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

/// Turns scores into probabilities.
pub(crate) fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().fold(f32::NEG_INFINITY, |most, x| most.max(*x));
    for score in scores.iter_mut() {
        *score = exp(*score - largest);
    }
    let scale = 1.0 / sum(scores);
    for score in scores.iter_mut() {
        *score *= scale;
    }
}

/// eˣ to within 2 units in the last place, the same on every platform; 0 below −87.3 and capped
/// above 88.7.
///
/// Cody and Waite's reduction x = n·ln 2 + r, then a polynomial of degree 6 in r.
#[inline]
pub(crate) fn exp(x: f32) -> f32 {
    const LN2_HI: f32 = 0.693_359_4;
    const LN2_LO: f32 = -2.121_944_4e-4;
    // 1.5 · 2²³: adding it leaves the nearest whole number in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.3, 88.7);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * LN2_HI - n * LN2_LO;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    // 2ⁿ in two halves: n = 128 alone would be an infinity.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let power = |n: i32| f32::from_bits(((n + 127) << 23) as u32);
    let result = p * power(half) * power(n - half);
    if x < -87.3 { 0.0 } else { result }
}

/// Σ xᵢ.
#[inline]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let (chunks, tail) = x.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += chunk[lane];
        }
    }
    sum_lanes(sums) + tail.iter().sum::<f32>()
}

/// Adds the lanes as a tree: 16, 8, 4, 2, 1.
#[inline]
pub(crate) fn sum_lanes(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random values in [−2, 2), from a multiplicative congruence.
    fn values(n: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 22) as f32 - 2.0
        };
        (0..n).map(|_| next()).collect()
    }

    fn nmse(found: &[f32], wanted: &[f64]) -> f64 {
        let error: f64 = found
            .iter()
            .zip(wanted)
            .map(|(a, b)| (f64::from(*a) - b).powi(2))
            .sum();
        error / wanted.iter().map(|b| b * b).sum::<f64>().max(1e-30)
    }

    #[test]
    fn dot_agrees_with_f64_at_every_length() {
        for n in [1, 2, 15, 16, 17, 64, 172, 1000] {
            let (a, b) = (values(n, 1), values(n, 2));
            let wanted: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((f64::from(dot(&a, &b)) - wanted).abs() < 1e-5 * n as f64, "{n}");
        }
    }

    #[test]
    fn exp_is_within_two_units_of_f64_over_its_range() {
        let mut worst = 0.0f64;
        for i in -872_000..=880_000 {
            let x = i as f32 * 1e-4;
            let wanted = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - wanted).abs() / wanted);
        }
        assert!(worst < 2.4e-7, "{worst}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-100.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(88.7).is_finite() && exp(200.0).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn norms_agree_with_f64() {
        let (x, w) = (values(3 * 72, 3), values(72, 4));
        let mut out = vec![0.0; x.len()];
        rms_norm(&x, &w, 1e-5, &mut out);
        let wanted: Vec<f64> = x
            .chunks(72)
            .flat_map(|row| {
                let mean = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 72.0;
                let scale = 1.0 / (mean + 1e-5).sqrt();
                row.iter()
                    .zip(&w)
                    .map(move |(x, w)| f64::from(*x) * scale * f64::from(*w))
                    .collect::<Vec<_>>()
            })
            .collect();
        assert!(nmse(&out, &wanted) < 1e-12);
        let mut in_place = x.clone();
        rms_norm_in_place(&mut in_place, &w, 1e-5);
        assert!(nmse(&in_place, &wanted) < 1e-12);
    }

    #[test]
    fn silu_and_softmax_agree_with_f64() {
        let (gate, up) = (values(333, 5), values(333, 6));
        let mut out = gate.clone();
        silu_mul(&mut out, &up);
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let wanted: Vec<f64> = gate
            .iter()
            .zip(&up)
            .map(|(g, u)| silu(f64::from(*g)) * f64::from(*u))
            .collect();
        assert!(nmse(&out, &wanted) < 1e-12);

        let mut out = gate.clone();
        softmax(&mut out);
        let total: f64 = gate.iter().map(|x| f64::from(*x).exp()).sum();
        let wanted: Vec<f64> = gate.iter().map(|x| f64::from(*x).exp() / total).collect();
        assert!(nmse(&out, &wanted) < 1e-12);
    }
}
