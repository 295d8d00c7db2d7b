//! The formats of 32 weights to a block: `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1` and `Q8_0`.
//! Does not keep the scales between the quants, where they would leave every load unaligned and
//! their conversion one at a time.

use super::{Format, from_f16};
use crate::cpu::simd::{Int, and, load, or, shift_left, shift_right, shift_right_signed, splat_u16};

/// w = d · (q − 8), two q to a byte: the first 16 in the low halves, the other 16 in the high.
pub(super) struct Q4_0;

/// w = d · q + m, laid out like [`Q4_0`].
pub(super) struct Q4_1;

/// w = d · (q − 16): [`Q4_0`] with a fifth bit of each q in a u32 before them.
pub(super) struct Q5_0;

/// w = d · q + m, laid out like [`Q5_0`].
pub(super) struct Q5_1;

/// w = d · q, one signed byte each.
pub(super) struct Q8_0;

/// Blocks of `F16S` f16 numbers and quants, as all numbers and all quants.
pub(super) fn take_apart<const BYTES: usize, const F16S: usize>(bytes: &[u8]) -> (Vec<u16>, Vec<u8>) {
    let blocks = bytes.as_chunks::<BYTES>().0;
    let (mut numbers, mut quants) = (Vec::new(), Vec::with_capacity(blocks.len() * (BYTES - 2 * F16S)));
    for block in blocks {
        let (head, rest) = block.split_at(2 * F16S);
        numbers.extend(head.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)));
        quants.extend_from_slice(rest);
    }
    (numbers, quants)
}

/// Formats that differ in how their quants are packed and in what their f16 numbers mean.
macro_rules! with_offsets {
    ($($format:ident: $bytes:literal, $quants:ident, $parameters:expr;)+) => {
        $(impl Format for $format {
            type Block = [u8; $bytes];
            const CHUNKS: usize = 1;
            const GROUPS: usize = 1;
            const OFFSETS: bool = true;

            #[inline(always)]
            fn parameters(d: &[u16], _: &[[u8; $bytes]], scales: &mut [f32], offsets: &mut [f32]) {
                $parameters(d, scales, offsets);
            }

            #[inline(always)]
            fn quants(block: &[u8; $bytes], _: usize) -> [Int; 4] {
                $quants(block)
            }
        })+
    };
}

with_offsets! {
    Q4_0: 16, four_bits, centred::<8>;
    Q4_1: 16, four_bits, from_least;
    Q5_0: 20, five_bits, centred::<16>;
    Q5_1: 20, five_bits, from_least;
}

impl Format for Q8_0 {
    type Block = [[u8; 16]; 2];
    const CHUNKS: usize = 1;
    const GROUPS: usize = 1;
    const OFFSETS: bool = false;

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

/// One f16 scale to a block, and weights around zero.
#[inline(always)]
fn centred<const CENTRE: u8>(d: &[u16], scales: &mut [f32], offsets: &mut [f32]) {
    for ((d, scale), offset) in d.iter().zip(scales).zip(offsets) {
        *scale = from_f16(*d);
        *offset = -f32::from(CENTRE) * *scale;
    }
}

/// An f16 scale and an f16 least weight to a block.
#[inline(always)]
fn from_least(d: &[u16], scales: &mut [f32], offsets: &mut [f32]) {
    for (([d, m], scale), offset) in d.as_chunks().0.iter().zip(scales).zip(offsets) {
        (*scale, *offset) = (from_f16(*d), from_f16(*m));
    }
}

#[inline(always)]
fn four_bits(block: &[u8; 16]) -> [Int; 4] {
    let (bytes, nibble) = (load(block), splat_u16(0x000f));
    [
        and(bytes, nibble),
        and(shift_right::<8>(bytes), nibble),
        and(shift_right::<4>(bytes), nibble),
        shift_right::<12>(bytes),
    ]
}

#[inline(always)]
fn five_bits(block: &[u8; 20]) -> [Int; 4] {
    let [a, b, c, d, quants @ ..] = block;
    let [even_low, odd_low, even_high, odd_high] = four_bits(quants);
    let (low, high) = (load(&fifth_bits([*a, *b])), load(&fifth_bits([*c, *d])));
    let byte = splat_u16(0x00ff);
    [
        or(even_low, and(low, byte)),
        or(odd_low, shift_right::<8>(low)),
        or(even_high, and(high, byte)),
        or(odd_high, shift_right::<8>(high)),
    ]
}

/// 16 bits as 16 bytes of 0 or 16.
#[inline(always)]
fn fifth_bits(bits: [u8; 2]) -> [u8; 16] {
    let spread = bits.map(|bits| {
        // Byte i keeps bit i; adding 127 carries it, wherever it is, into bit 7.
        let own = (u64::from(bits) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
        ((own + 0x7f7f_7f7f_7f7f_7f7f) >> 3) & 0x1010_1010_1010_1010
    });
    bytemuck::cast(spread.map(u64::to_le_bytes))
}
