//! The formats of 32 weights with one f16 scale: `Q4_0` and `Q8_0`.
//! Does not keep the scales between the quants, where they would leave every load unaligned and
//! their conversion one at a time.

use super::{Format, from_f16};
use crate::cpu::simd::{Int, and, load, shift_left, shift_right, shift_right_signed, splat_u16};

/// w = d · (q − 8), two q to a byte: the first 16 in the low halves, the other 16 in the high.
pub(super) struct Q4_0;

/// w = d · q, one signed byte each.
pub(super) struct Q8_0;

/// Blocks of an f16 scale and quants, as all scales and all quants.
pub(super) fn take_apart<const BYTES: usize>(bytes: &[u8]) -> (Vec<u16>, Vec<u8>) {
    let blocks = bytes.as_chunks::<BYTES>().0;
    let mut quants = Vec::with_capacity(blocks.len() * (BYTES - 2));
    blocks
        .iter()
        .for_each(|block| quants.extend_from_slice(&block[2..]));
    (
        blocks
            .iter()
            .map(|block| u16::from_le_bytes([block[0], block[1]]))
            .collect(),
        quants,
    )
}

impl Format for Q4_0 {
    type Block = [u8; 16];
    const CHUNKS: usize = 1;
    const GROUPS: usize = 1;
    const OFFSETS: bool = true;

    fn blocks(bytes: &[u8]) -> &[[u8; 16]] {
        bytes.as_chunks().0
    }

    #[inline(always)]
    fn parameters(d: &[u16], _: &[[u8; 16]], scales: &mut [f32], offsets: &mut [f32]) {
        for ((d, scale), offset) in d.iter().zip(scales).zip(offsets) {
            *scale = from_f16(*d);
            *offset = -8.0 * *scale;
        }
    }

    #[inline(always)]
    fn quants(block: &[u8; 16], _: usize) -> [Int; 4] {
        let (bytes, nibble) = (load(block), splat_u16(0x000f));
        [
            and(bytes, nibble),
            and(shift_right::<8>(bytes), nibble),
            and(shift_right::<4>(bytes), nibble),
            shift_right::<12>(bytes),
        ]
    }
}

impl Format for Q8_0 {
    type Block = [[u8; 16]; 2];
    const CHUNKS: usize = 1;
    const GROUPS: usize = 1;
    const OFFSETS: bool = false;

    fn blocks(bytes: &[u8]) -> &[[[u8; 16]; 2]] {
        bytes.as_chunks().0.as_chunks().0
    }

    #[inline(always)]
    fn parameters(d: &[u16], _: &[[[u8; 16]; 2]], scales: &mut [f32], _: &mut [f32]) {
        for (d, scale) in d.iter().zip(scales) {
            *scale = from_f16(*d);
        }
    }

    #[inline(always)]
    fn quants([first, second]: &[[u8; 16]; 2], _: usize) -> [Int; 4] {
        let (first, second) = (load(first), load(second));
        let even = |bytes| shift_right_signed::<8>(shift_left::<8>(bytes));
        [
            even(first),
            shift_right_signed::<8>(first),
            even(second),
            shift_right_signed::<8>(second),
        ]
    }
}
