//! Rows of f32 as 16-bit whole numbers, 32 to a scale, in the order that the formats unpack to.
//! Does not multiply.

/// The largest whole number: 12 bits and a sign. With it no sum of products of the formats
/// overflows 32 bits (4 · 2 · 4095 · 128 is far below 2³¹).
const MOST: f32 = 4095.0;

/// Input rows, quantised.
#[derive(Default)]
pub(super) struct Buffers {
    quants: Vec<[i16; 32]>,
    scales: Vec<f32>,
    sums: Vec<f32>,
}

/// Input rows, quantised, with their shape.
#[derive(Default)]
pub(crate) struct Activations {
    buffers: Buffers,
    runs: usize,
    groups: usize,
}

/// One input row.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    /// Of each 16, the even ones and then the odd.
    pub(super) quants: &'a [[i16; 32]],
    /// One per 32.
    pub(super) scales: &'a [f32],
    /// The sum of each group, in the input's own size.
    pub(super) sums: &'a [f32],
}

impl Activations {
    /// Quantises rows of `cols` values, with sums for 1 or 2 groups in each 32.
    pub(super) fn quantise(&mut self, x: &[f32], cols: usize, groups: usize) {
        let Buffers { quants, scales, sums } = &mut self.buffers;
        quants.clear();
        scales.clear();
        sums.clear();
        for run in x.as_chunks::<32>().0 {
            let (quantised, scale) = quantise(run);
            quants.push(quantised);
            scales.push(scale);
            let [a, b] = halves(&quantised).map(|sum| sum as f32 * scale);
            if groups == 1 {
                sums.push(a + b)
            } else {
                sums.extend([a, b])
            }
        }
        self.runs = cols / 32;
        self.groups = groups;
    }

    #[inline(always)]
    pub(super) fn row(&self, index: usize) -> Row<'_> {
        let range = index * self.runs..(index + 1) * self.runs;
        Row {
            quants: &self.buffers.quants[range.clone()],
            scales: &self.buffers.scales[range.clone()],
            sums: &self.buffers.sums[range.start * self.groups..range.end * self.groups],
        }
    }
}

#[inline(always)]
fn quantise(run: &[f32; 32]) -> ([i16; 32], f32) {
    // 1.5 · 2²³: adding it rounds to the nearest whole number, which then lies in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let largest = run.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let scale = largest / MOST;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let whole = run.map(|x| (x * inverse + ROUND).to_bits() as i16);
    let order = |i: usize| (i / 16) * 16 + if i % 16 < 8 { 2 * (i % 8) } else { 2 * (i % 8) + 1 };
    (std::array::from_fn(|i| whole[order(i)]), scale)
}

#[inline(always)]
fn halves(quants: &[i16; 32]) -> [i32; 2] {
    let sum = |half: &[i16]| half.iter().map(|q| i32::from(*q)).sum();
    [sum(&quants[..16]), sum(&quants[16..])]
}
