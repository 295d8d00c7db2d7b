//! What a device does with small known problems before it is trusted with a model.
//! Does not measure speed, and does not decide what happens to a device that fails.

use crate::formats::Random;
use crate::ops::{Attention, End, Matmul, Rows, attention, matmul, rope, stride};
use crate::{Format, Gpu, GpuError, Weights, floats};

/// The limit of `engine`'s rules for quantised products; a sound device is far below it.
const MOST_NMSE: f64 = 5e-4;

/// What the self-test found; a device that computes wrongly is an error instead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelfTest {
    /// Whether a row has the same bits alone and among others.
    pub batch_invariant: bool,
    /// The largest normalised mean square error of any kernel.
    pub worst_nmse: f64,
}

/// Runs the kernels of `formats` and the attention, alone and in batches.
///
/// # Errors
/// [`GpuError::Wrong`] with the kernel's name, and whatever a device may fail with.
pub async fn self_test(gpu: &Gpu, formats: &[Format]) -> Result<SelfTest, GpuError> {
    let mut found = SelfTest {
        batch_invariant: true,
        worst_nmse: 0.0,
    };
    for format in formats {
        product(gpu, *format, &mut found).await?;
    }
    attend(gpu, &mut found).await?;
    Ok(found)
}

impl SelfTest {
    fn judge(&mut self, kernel: &str, alone: &[f32], batch: &[f32], wanted: &[f64]) -> Result<(), GpuError> {
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        self.batch_invariant &= bits(alone) == bits(batch);
        for found in [alone, batch] {
            let nmse = nmse(found, wanted);
            // Not a number is no error below the limit.
            if nmse.is_nan() || nmse > MOST_NMSE {
                return Err(GpuError::Wrong {
                    kernel: kernel.to_owned(),
                    nmse_bits: nmse.to_bits(),
                });
            }
            self.worst_nmse = self.worst_nmse.max(nmse);
        }
        Ok(())
    }
}

async fn product(gpu: &Gpu, format: Format, found: &mut SelfTest) -> Result<(), GpuError> {
    const ROWS: usize = 12;
    const COLS: usize = 512;
    const N: usize = 9;
    const EPS: f32 = 1e-5;
    let mut random = Random(7);
    let bytes = format.sample(ROWS * COLS / format.block_weights(), 3);
    let weights = Weights::stacked(gpu, "self-test", format, COLS, &[&bytes])?;
    let (x, norm) = (random.values(N * COLS), random.values(COLS));
    let x_buffer = gpu.storage_with("self-test", &x)?;
    let norm_buffer = gpu.storage_with("self-test", &norm)?;
    let out_stride = stride(ROWS as u32) as usize;
    let out = gpu.storage("self-test", (4 * N * out_stride) as u64)?;
    let row_buffer = gpu.storage("self-test", (4 * COLS) as u64)?;
    let rows = Rows::new(gpu);
    let bind = |x| {
        let operands = matmul::Operands {
            x,
            out: &out,
            out_width: ROWS as u32,
            out_first: 0,
            norm: Some((&norm_buffer, EPS)),
            bias: None,
            rows: &rows,
        };
        Matmul::new(gpu, &weights, &operands, End::Store)
    };
    let (all, single) = (bind(&x_buffer)?, bind(&row_buffer)?);
    rows.set(gpu, N as u32, 0);
    let mut commands = gpu.commands();
    all.run(&mut commands, N as u32);
    commands.submit();
    let take = |bytes: Vec<u8>, n: usize| -> Vec<f32> {
        let values = floats(&bytes);
        values
            .chunks(out_stride)
            .take(n)
            .flat_map(|row| row[..ROWS].to_vec())
            .collect()
    };
    let batch = take(gpu.take(&out, out.size()).await?, N);
    rows.set(gpu, 1, 0);
    let mut alone = Vec::new();
    // The first and the last row: inside a full tile, and beside one.
    for row in [0, N - 1] {
        let mut commands = gpu.commands();
        commands.copy(
            &x_buffer,
            (4 * row * COLS) as u64,
            &row_buffer,
            0,
            (4 * COLS) as u64,
        );
        single.run(&mut commands, 1);
        commands.submit();
        alone.extend(take(gpu.take(&out, out.size()).await?, 1));
    }
    let batch = [&batch[..ROWS], &batch[(N - 1) * ROWS..]].concat();
    let unpacked = matmul::reference::unpack(format, &bytes);
    let mut wanted = Vec::new();
    for row in [0, N - 1] {
        let x = &x[row * COLS..(row + 1) * COLS];
        let norm = Some((norm.as_slice(), EPS));
        wanted.extend(matmul::reference::product(
            &unpacked,
            x,
            norm,
            None,
            End::Store,
            &[],
        ));
    }
    found.judge(&format!("matmul.{}", format.name()), &alone, &batch, &wanted)
}

async fn attend(gpu: &Gpu, found: &mut SelfTest) -> Result<(), GpuError> {
    const N: usize = 3;
    // The last row is the first of a second tile.
    const FIRST: u32 = attention::TILE - 2;
    let heads = rope::Heads {
        query: 2,
        kv: 1,
        dim: 32,
        capacity: attention::TILE + 4,
    };
    let (dim, capacity) = (heads.dim as usize, heads.capacity as usize);
    let width = 2 * dim;
    let mut random = Random(11);
    let (queries, values) = (random.values(N * width), random.values(capacity * dim));
    let keys: Vec<f32> = random.values(capacity * dim).iter().map(|k| 3.0 * k).collect();
    let mut turned = vec![0.0; keys.len()];
    for (at, key) in keys.iter().enumerate() {
        let (position, i) = (at / dim, at % dim);
        turned[(i / 4 * capacity + position) * 4 + i % 4] = *key;
    }
    let rows = Rows::new(gpu);
    let query_buffer = gpu.storage_with("self-test", &queries)?;
    let row_buffer = gpu.storage("self-test", (4 * width) as u64)?;
    let (keys_buffer, values_buffer) = (
        gpu.cache_with("self-test", &turned)?,
        gpu.cache_with("self-test", &values)?,
    );
    let out = gpu.storage("self-test", (4 * N * width) as u64)?;
    let partials = gpu.storage("self-test", Attention::partial_bytes(heads))?;
    let bind = |queries| {
        let operands = attention::Operands {
            queries,
            query_width: width as u32,
            keys: &keys_buffer,
            values: &values_buffer,
            out: &out,
            partials: &partials,
            rows: &rows,
        };
        Attention::new(gpu, heads, &operands)
    };
    let (all, single) = (bind(&query_buffer)?, bind(&row_buffer)?);
    rows.set(gpu, N as u32, FIRST);
    let mut commands = gpu.commands();
    all.run(&mut commands, N as u32, FIRST);
    commands.submit();
    let batch = floats(&gpu.take(&out, out.size()).await?);
    let (mut alone, mut wanted) = (Vec::new(), Vec::new());
    for (row, query) in queries.chunks(width).enumerate() {
        let position = FIRST + row as u32;
        rows.set(gpu, 1, position);
        let mut commands = gpu.commands();
        commands.copy(
            &query_buffer,
            (4 * row * width) as u64,
            &row_buffer,
            0,
            (4 * width) as u64,
        );
        single.run(&mut commands, 1, position);
        commands.submit();
        alone.extend_from_slice(&floats(&gpu.take(&out, out.size()).await?)[..width]);
        for query in query.chunks(dim) {
            let end = (position as usize + 1) * dim;
            let (keys, values) = (keys[..end].chunks(dim), values[..end].chunks(dim));
            wanted.extend(attention::reference::attend(query, keys, values));
        }
    }
    found.judge("attention", &alone, &batch, &wanted)
}

fn nmse(found: &[f32], wanted: &[f64]) -> f64 {
    let error = found.iter().zip(wanted).map(|(a, b)| (f64::from(*a) - b).powi(2));
    error.sum::<f64>() / wanted.iter().map(|b| b * b).sum::<f64>().max(1e-30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_is_found_and_a_wrong_answer_is_an_error() {
        let mut found = SelfTest {
            batch_invariant: true,
            worst_nmse: 0.0,
        };
        let wanted = [1.0, -2.0];
        found.judge("k", &[1.0, -2.0], &[1.0, -2.0], &wanted).unwrap();
        assert!(found.batch_invariant);
        let next = f32::from_bits(1.0_f32.to_bits() + 1);
        found.judge("k", &[1.0, -2.0], &[next, -2.0], &wanted).unwrap();
        assert!(!found.batch_invariant && found.worst_nmse > 0.0);
        for wrong in [[1.0, -2.2], [f32::NAN, -2.0]] {
            let error = found.judge("k", &[1.0, -2.0], &wrong, &wanted).unwrap_err();
            assert!(error.to_string().contains("computes k wrongly"), "{error}");
        }
    }
}
