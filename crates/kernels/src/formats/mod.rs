//! How quantised weights lie in a GPU buffer, and the WGSL that unpacks each format.
//! Does not multiply, and does not change a quant: bytes are only moved so that loads are aligned.
//!
//! A buffer has two regions. The first holds what is read 16 bytes at a time; the second, small numbers
//! that would break that alignment: scales in half precision, fifth bits. The unit of work is an *item* of
//! 32 weights: two runs of 16 that each have one scale and one offset, w = scale · q + offset.

mod sample;

pub(crate) use sample::Random;

/// A weight type that the kernels multiply with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(non_camel_case_types)] // the names under which the field knows them
pub enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
}

/// Weights of an item.
pub(crate) const ITEM: usize = 32;

/// How a block of a file is divided between the regions: ranges of its bytes, in order.
struct Split {
    block_weights: usize,
    block_bytes: usize,
    first: &'static [std::ops::Range<usize>],
    /// Zeros that follow in the first region.
    padding: usize,
    second: &'static [std::ops::Range<usize>],
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 13] = [
        Format::F32,
        Format::F16,
        Format::BF16,
        Format::Q4_0,
        Format::Q4_1,
        Format::Q5_0,
        Format::Q5_1,
        Format::Q8_0,
        Format::Q2_K,
        Format::Q3_K,
        Format::Q4_K,
        Format::Q5_K,
        Format::Q6_K,
    ];

    /// The name in a kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Format::F32 => "f32",
            Format::F16 => "f16",
            Format::BF16 => "bf16",
            Format::Q4_0 => "q4_0",
            Format::Q4_1 => "q4_1",
            Format::Q5_0 => "q5_0",
            Format::Q5_1 => "q5_1",
            Format::Q8_0 => "q8_0",
            Format::Q2_K => "q2_k",
            Format::Q3_K => "q3_k",
            Format::Q4_K => "q4_k",
            Format::Q5_K => "q5_k",
            Format::Q6_K => "q6_k",
        }
    }

    /// Weights that share a block in a file; 32 for the plain types, whose rows are padded to it.
    pub fn block_weights(self) -> usize {
        self.split().block_weights
    }

    /// Bytes of such a block.
    pub fn block_bytes(self) -> usize {
        self.split().block_bytes
    }

    /// Whether weights have no scale at all.
    pub(crate) fn is_plain(self) -> bool {
        matches!(self, Format::F32 | Format::F16 | Format::BF16)
    }

    /// Whether a weight is more than its scale times its quant.
    pub(crate) fn has_offsets(self) -> bool {
        !self.is_plain() && self != Format::Q8_0
    }

    /// Bytes of one block in the first region.
    pub(crate) fn first_bytes(self) -> usize {
        let split = self.split();
        split.first.iter().map(|range| range.len()).sum::<usize>() + split.padding
    }

    /// Bytes of one block in the second region.
    pub(crate) fn second_bytes(self) -> usize {
        self.split().second.iter().map(|range| range.len()).sum()
    }

    /// The WGSL that unpacks an item.
    pub(crate) fn wgsl(self) -> &'static str {
        match self {
            Format::F32 => include_str!("f32.wgsl"),
            Format::F16 => include_str!("f16.wgsl"),
            Format::BF16 => include_str!("bf16.wgsl"),
            Format::Q4_0 => include_str!("q4_0.wgsl"),
            Format::Q4_1 => include_str!("q4_1.wgsl"),
            Format::Q5_0 => include_str!("q5_0.wgsl"),
            Format::Q5_1 => include_str!("q5_1.wgsl"),
            Format::Q8_0 => include_str!("q8_0.wgsl"),
            Format::Q2_K => include_str!("q2_k.wgsl"),
            Format::Q3_K => include_str!("q3_k.wgsl"),
            Format::Q4_K => include_str!("q4_k.wgsl"),
            Format::Q5_K => include_str!("q5_k.wgsl"),
            Format::Q6_K => include_str!("q6_k.wgsl"),
        }
    }

    /// Divides whole blocks into the two regions.
    pub(crate) fn divide(self, blocks: &[u8], first: &mut Vec<u8>, second: &mut Vec<u8>) {
        let split = self.split();
        first.clear();
        second.clear();
        for block in blocks.chunks_exact(split.block_bytes) {
            for range in split.first {
                first.extend_from_slice(&block[range.clone()]);
            }
            first.resize(first.len() + split.padding, 0);
            for range in split.second {
                second.extend_from_slice(&block[range.clone()]);
            }
        }
    }

    #[rustfmt::skip] // a table
    #[allow(clippy::single_range_in_vec_init)] // a list of ranges that often has one
    fn split(self) -> Split {
        let whole = |block_weights, block_bytes, first| Split {
            block_weights, block_bytes, first, padding: 0, second: &[],
        };
        let split = |block_weights, block_bytes, first, second| Split {
            block_weights, block_bytes, first, padding: 0, second,
        };
        match self {
            Format::F32 => whole(32, 128, &[0..128]),
            Format::F16 | Format::BF16 => whole(32, 64, &[0..64]),
            // scale | quants
            Format::Q4_0 => split(32, 18, &[2..18], &[0..2]),
            // scale, least | quants
            Format::Q4_1 => split(32, 20, &[4..20], &[0..4]),
            // scale | fifth bits | quants: fifth bits first, so that they are aligned to 4
            Format::Q5_0 => split(32, 22, &[6..22], &[2..6, 0..2]),
            // scale, least | fifth bits | quants
            Format::Q5_1 => split(32, 24, &[8..24], &[0..8]),
            Format::Q8_0 => split(32, 34, &[2..34], &[0..2]),
            // scales | quants | scale, least
            Format::Q2_K => split(256, 84, &[0..80], &[80..84]),
            // upper bits, quants, scales, scale: the last two in one load of 16 bytes
            Format::Q3_K => Split {
                block_weights: 256, block_bytes: 110, first: &[0..110], padding: 2, second: &[],
            },
            Format::Q4_K => whole(256, 144, &[0..144]),
            Format::Q5_K => whole(256, 176, &[0..176]),
            // lower bits, upper bits, scales | scale
            Format::Q6_K => split(256, 210, &[0..208], &[208..210]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_block_has_one_place_and_loads_are_aligned() {
        for format in Format::ALL {
            let split = format.split();
            let mut seen = vec![0; split.block_bytes];
            for at in split.first.iter().chain(split.second).cloned().flatten() {
                seen[at] += 1;
            }
            assert!(seen.iter().all(|times| *times == 1), "{format:?}");
            assert_eq!(format.first_bytes() % 16, 0, "{format:?}");
            let grown = format.first_bytes() + format.second_bytes() - split.block_bytes;
            assert!(grown * 50 <= split.block_bytes, "{format:?} grows by {grown}");
        }
    }
}
