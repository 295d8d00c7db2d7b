//! Blocks of any format with seeded contents: for the self-test, tests and benchmarks.
//! They have learnt nothing, but every one of them is sound.

use half::f16;

use super::Format;

impl Format {
    /// `count` blocks with random quants and scales that keep weights around one.
    pub fn sample(self, count: usize, seed: u64) -> Vec<u8> {
        let mut random = Random(seed);
        let mut bytes = Vec::with_capacity(count * self.block_bytes());
        for _ in 0..count {
            let start = bytes.len();
            while bytes.len() < start + self.block_bytes() {
                bytes.extend(random.bits().to_le_bytes());
            }
            bytes.truncate(start + self.block_bytes());
            self.settle(&mut bytes[start..], &mut random);
        }
        bytes
    }

    /// Gives a block plausible scales, or plausible weights where it has none.
    fn settle(self, block: &mut [u8], random: &mut Random) {
        let (scale, least): (&[usize], &[usize]) = match self {
            Format::F32 => {
                block
                    .as_chunks_mut()
                    .0
                    .iter_mut()
                    .for_each(|b| *b = random.signed().to_le_bytes());
                return;
            }
            Format::F16 => {
                let halves = block.as_chunks_mut().0.iter_mut();
                halves.for_each(|b| *b = f16::from_f32(random.signed()).to_le_bytes());
                return;
            }
            Format::BF16 => {
                let halves = block.as_chunks_mut().0.iter_mut();
                halves.for_each(|b| *b = half::bf16::from_f32(random.signed()).to_le_bytes());
                return;
            }
            Format::Q4_0 | Format::Q5_0 | Format::Q8_0 => (&[0], &[]),
            Format::Q4_1 | Format::Q5_1 | Format::Q4_K | Format::Q5_K => (&[0], &[2]),
            Format::Q2_K => (&[80], &[82]),
            Format::Q3_K => (&[108], &[]),
            Format::Q6_K => (&[208], &[]),
        };
        let size = match self {
            Format::Q8_0 => 0.01,
            Format::Q4_K | Format::Q5_K | Format::Q3_K => 0.002,
            Format::Q6_K => 0.000_3,
            _ => 0.1,
        };
        for at in scale.iter().chain(least) {
            let value = f16::from_f32(size * (1.0 + 0.5 * random.signed()));
            block[*at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in −1..1.
    pub(crate) fn signed(&mut self) -> f32 {
        ((self.bits() >> 40) as f32 / (1_u64 << 23) as f32) - 1.0
    }

    pub(crate) fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.signed()).collect()
    }
}
