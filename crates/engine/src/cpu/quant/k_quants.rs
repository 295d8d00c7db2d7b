//! The formats of 256 weights with scales inside: `Q2_K`, `Q3_K`, `Q4_K`, `Q5_K` and `Q6_K`.
//! Does not copy their blocks: they are read as they lie in the file.

use super::{Format, from_f16};
use crate::cpu::simd::{Int, and, load, or, shift_left, shift_right, splat_u16};

/// w = d·s·q − dmin·m with 2-bit q, and 4-bit s and m for each 16.
///
/// 16 bytes of s and m, 64 bytes of q, f16 d, f16 dmin.
pub(super) struct Q2K;

/// w = d·(s − 32)·(q − 4) with 3-bit q, and 6-bit s for each 16.
///
/// 32 bytes of the upper bit, 64 of the lower two, 12 bytes of s, f16 d.
pub(super) struct Q3K;

/// w = d·s·q − dmin·m with 4-bit q, and 6-bit s and m for each 32.
///
/// f16 d, f16 dmin, 12 bytes of s and m, 128 bytes of q.
pub(super) struct Q4K;

/// The same with a fifth bit of q: 32 bytes of them before the others.
pub(super) struct Q5K;

/// w = d·s·(q − 32) with 6-bit q, and 8-bit signed s for each 16.
///
/// 128 bytes of the lower 4 bits, 64 of the upper 2, 16 s, f16 d.
pub(super) struct Q6K;

impl Format for Q2K {
    type Block = [u8; 84];
    const CHUNKS: usize = 8;
    const GROUPS: usize = 2;
    const OFFSETS: bool = true;

    #[inline(always)]
    fn parameters(_: &[u16], blocks: &[[u8; 84]], scales: &mut [f32], offsets: &mut [f32]) {
        each_block(
            blocks,
            scales,
            offsets,
            |block, scales: &mut [f32; 16], offsets| {
                let (d, dmin) = (half(block, 80), half(block, 82));
                for ((both, scale), offset) in block[..16].iter().zip(scales).zip(offsets) {
                    *scale = d * f32::from(both & 0x0f);
                    *offset = -dmin * f32::from(both >> 4);
                }
            },
        );
    }

    #[inline(always)]
    fn quants(block: &[u8; 84], chunk: usize) -> [Int; 4] {
        let part = |half: usize| two_bits(sixteen(block, 16 + chunk / 4 * 32 + 16 * half), chunk % 4);
        lanes_of(part(0), part(1))
    }
}

impl Format for Q3K {
    type Block = [u8; 110];
    const CHUNKS: usize = 8;
    const GROUPS: usize = 2;
    const OFFSETS: bool = true;

    /// Of each s the lower four bits lie in the nibbles of the first eight bytes, the upper two in
    /// the last four.
    #[inline(always)]
    fn parameters(_: &[u16], blocks: &[[u8; 110]], scales: &mut [f32], offsets: &mut [f32]) {
        each_block(
            blocks,
            scales,
            offsets,
            |block, scales: &mut [f32; 16], offsets| {
                let d = half(block, 108);
                let (low, high) = (word(block, 96), word(block, 100));
                let upper = word(block, 104);
                let nibble = 0x0f0f_0f0f;
                let two = |shift: u32| (upper >> shift & 0x0303_0303) << 4;
                let s = [
                    low & nibble | two(0),
                    high & nibble | two(2),
                    low >> 4 & nibble | two(4),
                    high >> 4 & nibble | two(6),
                ];
                for (i, (scale, offset)) in scales.iter_mut().zip(offsets).enumerate() {
                    *scale = d * ((s[i / 4] >> (8 * (i % 4)) & 0xff) as f32 - 32.0);
                    *offset = -4.0 * *scale;
                }
            },
        );
    }

    #[inline(always)]
    fn quants(block: &[u8; 110], chunk: usize) -> [Int; 4] {
        let part = |half: usize| {
            let low = two_bits(sixteen(block, 32 + chunk / 4 * 32 + 16 * half), chunk % 4);
            let high = sixteen(block, 16 * half);
            // Bit `chunk` of each byte becomes bit 2.
            let high = match chunk {
                0 => shift_left::<2>(high),
                1 => shift_left::<1>(high),
                2 => high,
                3 => shift_right::<1>(high),
                4 => shift_right::<2>(high),
                5 => shift_right::<3>(high),
                6 => shift_right::<4>(high),
                _ => shift_right::<5>(high),
            };
            or(low, and(high, splat_u16(0x0404)))
        };
        lanes_of(part(0), part(1))
    }
}

impl Format for Q4K {
    type Block = [u8; 144];
    const CHUNKS: usize = 8;
    const GROUPS: usize = 1;
    const OFFSETS: bool = true;

    #[inline(always)]
    fn parameters(_: &[u16], blocks: &[[u8; 144]], scales: &mut [f32], offsets: &mut [f32]) {
        each_block(blocks, scales, offsets, scales_and_mins);
    }

    #[inline(always)]
    fn quants(block: &[u8; 144], chunk: usize) -> [Int; 4] {
        let at = 16 + chunk / 2 * 32;
        let part = |half: usize| nibbles(sixteen(block, at + 16 * half), chunk % 2);
        lanes_of(part(0), part(1))
    }
}

impl Format for Q5K {
    type Block = [u8; 176];
    const CHUNKS: usize = 8;
    const GROUPS: usize = 1;
    const OFFSETS: bool = true;

    #[inline(always)]
    fn parameters(_: &[u16], blocks: &[[u8; 176]], scales: &mut [f32], offsets: &mut [f32]) {
        each_block(blocks, scales, offsets, scales_and_mins);
    }

    #[inline(always)]
    fn quants(block: &[u8; 176], chunk: usize) -> [Int; 4] {
        let at = 48 + chunk / 2 * 32;
        let part = |half: usize| {
            let low = nibbles(sixteen(block, at + 16 * half), chunk % 2);
            let high = sixteen(block, 16 + 16 * half);
            // Bit `chunk` of each byte becomes bit 4.
            let high = match chunk {
                0 => shift_left::<4>(high),
                1 => shift_left::<3>(high),
                2 => shift_left::<2>(high),
                3 => shift_left::<1>(high),
                4 => high,
                5 => shift_right::<1>(high),
                6 => shift_right::<2>(high),
                _ => shift_right::<3>(high),
            };
            or(low, and(high, splat_u16(0x1010)))
        };
        lanes_of(part(0), part(1))
    }
}

impl Format for Q6K {
    type Block = [u8; 210];
    const CHUNKS: usize = 8;
    const GROUPS: usize = 2;
    const OFFSETS: bool = true;

    #[inline(always)]
    fn parameters(_: &[u16], blocks: &[[u8; 210]], scales: &mut [f32], offsets: &mut [f32]) {
        each_block(
            blocks,
            scales,
            offsets,
            |block, scales: &mut [f32; 16], offsets| {
                let d = half(block, 208);
                for ((s, scale), offset) in block[192..208].iter().zip(scales).zip(offsets) {
                    *scale = d * f32::from(s.cast_signed());
                    *offset = -32.0 * *scale;
                }
            },
        );
    }

    #[inline(always)]
    fn quants(block: &[u8; 210], chunk: usize) -> [Int; 4] {
        let (half, quarter) = (chunk / 4, chunk % 4);
        let part = |sixteenth: usize| {
            let low = nibbles(
                sixteen(block, 64 * half + 32 * (quarter % 2) + 16 * sixteenth),
                quarter / 2,
            );
            let high = sixteen(block, 128 + 32 * half + 16 * sixteenth);
            // Bits 2·quarter and 2·quarter + 1 of each byte become bits 4 and 5.
            let high = match quarter {
                0 => shift_left::<4>(high),
                1 => shift_left::<2>(high),
                2 => high,
                _ => shift_right::<2>(high),
            };
            or(low, and(high, splat_u16(0x3030)))
        };
        lanes_of(part(0), part(1))
    }
}

/// Works out the `GROUPS` scales and offsets of every block of a row.
#[inline(always)]
fn each_block<B, const GROUPS: usize>(
    blocks: &[B],
    scales: &mut [f32],
    offsets: &mut [f32],
    mut work: impl FnMut(&B, &mut [f32; GROUPS], &mut [f32; GROUPS]),
) {
    let (scales, offsets) = (scales.as_chunks_mut().0, offsets.as_chunks_mut().0);
    for ((block, scales), offsets) in blocks.iter().zip(scales).zip(offsets) {
        work(block, scales, offsets);
    }
}

/// The eight scales d·s and offsets −dmin·m at the head of a `Q4_K` or `Q5_K` block.
///
/// The 6-bit numbers lie in 12 bytes: s₀…s₃ and m₀…m₃ in the low six bits of the first eight, whose
/// upper two bits complete s₄…s₇ and m₄…m₇, the low and high nibbles of the last four.
#[inline(always)]
fn scales_and_mins<const BYTES: usize>(block: &[u8; BYTES], scales: &mut [f32; 8], offsets: &mut [f32; 8]) {
    let (d, dmin) = (half(block, 0), half(block, 2));
    let (a, b, c) = (word(block, 4), word(block, 8), word(block, 12));
    let six = 0x3f3f_3f3f;
    let s = [a & six, (c & 0x0f0f_0f0f) | ((a >> 2) & 0x3030_3030)];
    let m = [b & six, ((c >> 4) & 0x0f0f_0f0f) | ((b >> 2) & 0x3030_3030)];
    for i in 0..8 {
        scales[i] = d * (s[i / 4] >> (8 * (i % 4)) & 0xff) as f32;
        offsets[i] = -dmin * (m[i / 4] >> (8 * (i % 4)) & 0xff) as f32;
    }
}

#[inline(always)]
fn half<const BYTES: usize>(block: &[u8; BYTES], at: usize) -> f32 {
    from_f16(u16::from_le_bytes([block[at], block[at + 1]]))
}

#[inline(always)]
fn word<const BYTES: usize>(block: &[u8; BYTES], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

#[inline(always)]
fn sixteen<const BYTES: usize>(block: &[u8; BYTES], at: usize) -> Int {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&block[at..at + 16]);
    load(&bytes)
}

/// The low or high nibble of each byte.
#[inline(always)]
fn nibbles(bytes: Int, high: usize) -> Int {
    let bytes = if high == 0 { bytes } else { shift_right::<4>(bytes) };
    and(bytes, splat_u16(0x0f0f))
}

/// Bits 2·`quarter` and 2·`quarter` + 1 of each byte.
#[inline(always)]
fn two_bits(bytes: Int, quarter: usize) -> Int {
    let bytes = match quarter {
        0 => bytes,
        1 => shift_right::<2>(bytes),
        2 => shift_right::<4>(bytes),
        _ => shift_right::<6>(bytes),
    };
    and(bytes, splat_u16(0x0303))
}

/// The bytes of a run as 16-bit lanes: of each 16, the even ones and then the odd.
#[inline(always)]
fn lanes_of(first: Int, second: Int) -> [Int; 4] {
    let even = |bytes| and(bytes, splat_u16(0x00ff));
    let odd = |bytes| shift_right::<8>(bytes);
    [even(first), odd(first), even(second), odd(second)]
}
