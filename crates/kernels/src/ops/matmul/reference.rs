//! The product in f64, over weights unpacked from a file's own blocks.
//! Does not share code with the kernels.

use super::End;
use crate::Format;

/// What the kernel computes, for one row of x. `weights` holds `rows` rows of f64, interleaved or stacked as
/// uploaded; `before` is what `out` held.
pub fn product(
    weights: &[f64],
    x: &[f32],
    norm: Option<(&[f32], f32)>,
    bias: Option<&[f32]>,
    end: End,
    before: &[f32],
) -> Vec<f64> {
    let mut x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
    if let Some((norm, eps)) = norm {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (mean + f64::from(eps)).sqrt();
        x.iter_mut()
            .zip(norm)
            .for_each(|(x, w)| *x *= scale * f64::from(*w));
    }
    let mut y: Vec<f64> = weights
        .chunks_exact(x.len())
        .map(|row| row.iter().zip(&x).map(|(w, x)| w * x).sum())
        .collect();
    if let Some(bias) = bias {
        y.iter_mut().zip(bias).for_each(|(y, b)| *y += f64::from(*b));
    }
    match end {
        End::Store => y,
        End::Add => y.iter().zip(before).map(|(y, b)| y + f64::from(*b)).collect(),
        End::Glu => y
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[gate, up]| gate / (1.0 + (-gate).exp()) * up)
            .collect(),
    }
}

/// The weights of whole blocks, as their format's definition in ggml says, element by element.
pub fn unpack(format: Format, bytes: &[u8]) -> Vec<f64> {
    let half = |b: &[u8], at: usize| f64::from(half::f16::from_le_bytes([b[at], b[at + 1]]).to_f32());
    let mut out = Vec::new();
    match format {
        Format::F32 => out.extend(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f64::from(f32::from_le_bytes(*b))),
        ),
        Format::F16 => out.extend(bytes.chunks_exact(2).map(|b| half(b, 0))),
        Format::BF16 => out.extend(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f64::from(half::bf16::from_le_bytes(*b).to_f32())),
        ),
        _ => {
            for b in bytes.chunks_exact(format.block_bytes()) {
                for i in 0..format.block_weights() {
                    out.push(weight(format, b, i, &half));
                }
            }
        }
    }
    out
}

/// Weight `i` of a block.
fn weight(format: Format, b: &[u8], i: usize, half: &impl Fn(&[u8], usize) -> f64) -> f64 {
    let nibble = |at: usize, i: usize| f64::from((b[at + i % 16] >> (4 * (i / 16))) & 15);
    let fifth = |at: usize| f64::from((b[at + i / 8] >> (i % 8)) & 1) * 16.0;
    // 6-bit scale and minimum `unit` of Q4_K and Q5_K.
    let six = |unit: usize| {
        let s = &b[4..16];
        let (scale, least) = if unit < 4 {
            (s[unit] & 63, s[unit + 4] & 63)
        } else {
            (
                (s[unit + 4] & 15) | ((s[unit - 4] >> 6) << 4),
                (s[unit + 4] >> 4) | ((s[unit] >> 6) << 4),
            )
        };
        (half(b, 0) * f64::from(scale), half(b, 2) * f64::from(least))
    };
    match format {
        Format::Q4_0 => half(b, 0) * (nibble(2, i) - 8.0),
        Format::Q4_1 => half(b, 0) * nibble(4, i) + half(b, 2),
        Format::Q5_0 => half(b, 0) * (nibble(6, i) + fifth(2) - 16.0),
        Format::Q5_1 => half(b, 0) * (nibble(8, i) + fifth(4)) + half(b, 2),
        Format::Q8_0 => half(b, 0) * f64::from(b[2 + i].cast_signed()),
        Format::Q2_K => {
            let q = (b[16 + i / 128 * 32 + i % 32] >> (2 * (i / 32 % 4))) & 3;
            let s = b[i / 16];
            half(b, 80) * f64::from(s & 15) * f64::from(q) - half(b, 82) * f64::from(s >> 4)
        }
        Format::Q3_K => {
            let low = (b[32 + i / 128 * 32 + i % 32] >> (2 * (i / 32 % 4))) & 3;
            let high = (b[i % 32] >> (i / 32)) & 1;
            let k = i / 16;
            let s = ((b[96 + k % 8] >> (4 * (k / 8))) & 15) | (((b[104 + k % 4] >> (2 * (k / 4))) & 3) << 4);
            half(b, 108) * (f64::from(s) - 32.0) * (f64::from(low | high << 2) - 4.0)
        }
        Format::Q4_K => {
            let (scale, least) = six(i / 32);
            let q = (b[16 + i / 64 * 32 + i % 32] >> (4 * (i / 32 % 2))) & 15;
            scale * f64::from(q) - least
        }
        Format::Q5_K => {
            let (scale, least) = six(i / 32);
            let q = (b[48 + i / 64 * 32 + i % 32] >> (4 * (i / 32 % 2))) & 15;
            let high = (b[16 + i % 32] >> (i / 32)) & 1;
            scale * f64::from(q | high << 4) - least
        }
        Format::Q6_K => {
            let (part, quarter, l) = (i / 128, i / 32 % 4, i % 32);
            let low = (b[64 * part + 32 * (quarter % 2) + l] >> (4 * (quarter / 2))) & 15;
            let high = (b[128 + 32 * part + l] >> (2 * quarter)) & 3;
            let s = b[192 + i / 16].cast_signed();
            half(b, 208) * f64::from(s) * (f64::from(low | high << 4) - 32.0)
        }
        Format::F32 | Format::F16 | Format::BF16 => f64::NAN,
    }
}
