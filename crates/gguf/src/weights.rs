//! Whether weights are numbers: no scale or weight that is infinite or NaN, which one block of a forged file
//! could spread over every answer.
//! Does not unpack weights, nor judge whether they are good.

use crate::error::GgufError;
use crate::tensor_type::TensorType;

/// Checks the weights of a tensor, or of any run of whole blocks of it. Costs one comparison per scale.
///
/// # Errors
/// [`GgufError::WeightBytes`], [`GgufError::NotFinite`].
pub fn check_weights(ty: TensorType, bytes: &[u8]) -> Result<(), GgufError> {
    let block_bytes = ty.block_bytes() as usize;
    if !bytes.len().is_multiple_of(block_bytes) {
        return Err(GgufError::WeightBytes {
            found: bytes.len() as u64,
            block: ty.block_bytes(),
        });
    }
    let finite = |block: &[u8]| match ty {
        TensorType::F32 => all_ones(block, 2, 0x7F80).is_none(),
        TensorType::BF16 => all_ones(block, 0, 0x7F80).is_none(),
        _ => half_scales(ty)
            .iter()
            .all(|at| all_ones(block, *at, 0x7C00).is_none()),
    };
    match bytes.chunks_exact(block_bytes).position(|block| !finite(block)) {
        Some(block) => Err(GgufError::NotFinite { block: block as u64 }),
        None => Ok(()),
    }
}

/// The number at `at`, if its exponent is all ones: infinite or NaN.
fn all_ones(block: &[u8], at: usize, exponent: u16) -> Option<u16> {
    let number = u16::from_le_bytes([block[at], block[at + 1]]);
    (number & exponent == exponent).then_some(number)
}

/// Where the half-precision numbers of a block lie.
fn half_scales(ty: TensorType) -> &'static [usize] {
    match ty {
        TensorType::F32 | TensorType::BF16 => &[],
        TensorType::F16 | TensorType::Q4_0 | TensorType::Q5_0 | TensorType::Q8_0 => &[0],
        TensorType::Q4_1 | TensorType::Q5_1 | TensorType::Q4_K | TensorType::Q5_K => &[0, 2],
        TensorType::Q2_K => &[80, 82],
        TensorType::Q3_K => &[108],
        TensorType::Q6_K => &[208],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_all_ones_is_no_weights_in_any_type() {
        for ty in TensorType::ALL {
            let len = ty.block_bytes() as usize;
            let mut bytes = vec![0; 3 * len];
            assert_eq!(check_weights(ty, &bytes), Ok(()), "{ty}");
            bytes[len..2 * len].fill(0xFF);
            assert_eq!(
                check_weights(ty, &bytes),
                Err(GgufError::NotFinite { block: 1 }),
                "{ty}"
            );
            bytes.push(0);
            assert!(
                matches!(check_weights(ty, &bytes), Err(GgufError::WeightBytes { .. })),
                "{ty}"
            );
        }
    }
}
