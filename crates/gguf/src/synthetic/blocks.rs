//! Random blocks of every tensor type: the codes are drawn, the scales are chosen.
//! Does not quantise given weights.

use super::SplitMix;
use crate::tensor_type::TensorType;

/// `weights` random weights of about the standard deviation `deviation`, packed. A remainder that fills no
/// block is left out, so that the writer refuses it.
pub(super) fn random(ty: TensorType, weights: u64, deviation: f32, random: &mut SplitMix) -> Vec<u8> {
    let blocks = weights / ty.block_weights();
    let mut bytes = Vec::new();
    for _ in 0..blocks {
        block(ty, deviation, random, &mut bytes);
    }
    bytes
}

fn block(ty: TensorType, deviation: f32, random: &mut SplitMix, out: &mut Vec<u8>) {
    // A uniform draw of -1..1 has the deviation 1 / sqrt(3).
    let plain = |random: &mut SplitMix| random.signed() * 1.732 * deviation;
    let start = out.len();
    let mut codes = |random: &mut SplitMix, bytes: usize| {
        out.extend((0..bytes).map(|_| (random.bits() >> 56) as u8));
    };
    // Where the half-precision scales lie in a block, and what they are: each in units of the deviation of
    // uniform codes (of k values: k / sqrt(12)), times that of random inner scales where there are some.
    let scales: &[(usize, f32)] = match ty {
        TensorType::F32 => return out.extend_from_slice(&plain(random).to_le_bytes()),
        TensorType::F16 => return out.extend_from_slice(&half(plain(random)).to_le_bytes()),
        TensorType::BF16 => {
            return out.extend_from_slice(&((plain(random).to_bits() >> 16) as u16).to_le_bytes());
        }
        TensorType::Q4_0 => &[(0, 1.0 / 4.6)],
        TensorType::Q4_1 => &[(0, 1.0 / 4.6), (2, -7.5 / 4.6)],
        TensorType::Q5_0 => &[(0, 1.0 / 9.2)],
        TensorType::Q5_1 => &[(0, 1.0 / 9.2), (2, -15.5 / 9.2)],
        TensorType::Q8_0 => &[(0, 1.0 / 73.9)],
        TensorType::Q2_K => &[(80, 1.0 / 16.0), (82, 1.5 / 16.0)],
        TensorType::Q3_K => &[(108, 1.0 / 43.0)],
        TensorType::Q4_K => &[(0, 1.0 / 250.0), (2, 7.5 / 250.0)],
        TensorType::Q5_K => &[(0, 1.0 / 510.0), (2, 15.5 / 510.0)],
        TensorType::Q6_K => &[(208, 1.0 / 1_370.0)],
    };
    codes(random, ty.block_bytes() as usize);
    for (at, scale) in scales {
        let at = start + at;
        out[at..at + 2].copy_from_slice(&half(scale * deviation).to_le_bytes());
    }
}

/// Half precision, rounded to the nearest; what is too large becomes the largest.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let exponent = ((bits >> 23) & 0xFF).cast_signed() - 127 + 15;
    if exponent <= 0 {
        // Subnormal: multiples of 2^-24.
        return sign | (value.abs() * 16_777_216.0).round() as u16;
    }
    if exponent >= 31 {
        return sign | 0x7BFF;
    }
    let rounded = (bits & 0x7F_FFFF) + 0xFFF + ((bits >> 13) & 1);
    let magnitude = (exponent.cast_unsigned() << 10) + (rounded >> 13);
    sign | magnitude.min(0x7BFF) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_to_the_nearest() {
        for (value, bits) in [
            (1.0, 0x3C00),
            (-2.0, 0xC000),
            (0.1, 0x2E66),
            (65_504.0, 0x7BFF),
            (1e9, 0x7BFF),
            (0.0, 0),
            (1e-9, 0),
            (2.6e-5, 436),
        ] {
            assert_eq!(half(value), bits, "{value}");
        }
    }
}
