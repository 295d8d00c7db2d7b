//! How hidden states travel between stages: f32, f16, or 8 bits in blocks of 32.
//! Does not frame, checksum or send: that is the protocol's.
//!
//! Everything is little endian and row after row. `Q8` writes each row as blocks of up to 32
//! values: an f16 scale, then one signed byte per value (value = scale × byte).

use half::f16;

use crate::EngineError;

/// Values that share one scale on the `Q8` wire.
pub const Q8_BLOCK: usize = 32;

/// The type of the numbers on the wire, chosen by the requester for the whole session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum WireType {
    /// Four bytes a value: loses nothing, so a cut cannot change the answer.
    #[default]
    F32,
    /// Two bytes a value.
    F16,
    /// 1.0625 bytes a value.
    Q8,
}

impl WireType {
    /// Bytes of one hidden state of `d_model` values.
    pub fn row_bytes(self, d_model: usize) -> usize {
        match self {
            WireType::F32 => 4 * d_model,
            WireType::F16 => 2 * d_model,
            WireType::Q8 => 2 * d_model.div_ceil(Q8_BLOCK) + d_model,
        }
    }

    /// Appends rows of `d_model` values to `out`.
    pub fn encode(self, rows: &[f32], d_model: usize, out: &mut Vec<u8>) {
        debug_assert_eq!(rows.len() % d_model, 0, "whole rows");
        out.reserve(rows.len() / d_model * self.row_bytes(d_model));
        match self {
            WireType::F32 => rows.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
            WireType::F16 => rows
                .iter()
                .for_each(|x| out.extend_from_slice(&to_f16(*x).to_le_bytes())),
            WireType::Q8 => rows
                .chunks(d_model)
                .flat_map(|row| row.chunks(Q8_BLOCK))
                .for_each(|block| encode_q8(block, out)),
        }
    }

    /// Whether these are whole rows of finite values.
    ///
    /// # Errors
    /// [`EngineError::Wire`] when the bytes are no whole rows or hold an infinity or NaN, which
    /// would poison the cache of everything behind it.
    pub fn check(self, bytes: &[u8], d_model: usize) -> Result<(), EngineError> {
        let row_bytes = self.row_bytes(d_model);
        if row_bytes == 0 || !bytes.len().is_multiple_of(row_bytes) {
            return Err(EngineError::Wire(format!(
                "{} bytes are no whole rows of {row_bytes}",
                bytes.len()
            )));
        }
        let mut values = Vec::new();
        for (row, bytes) in bytes.chunks_exact(row_bytes).enumerate() {
            self.decode(bytes, d_model, &mut values);
            if let Some(value) = values.iter().position(|x| !x.is_finite()) {
                return Err(EngineError::Wire(format!(
                    "value {value} of row {row} is not finite"
                )));
            }
        }
        Ok(())
    }

    /// Reads whole rows of `d_model` values into `out`, replacing what it held.
    pub fn decode(self, bytes: &[u8], d_model: usize, out: &mut Vec<f32>) {
        out.clear();
        match self {
            WireType::F32 => out.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
            WireType::F16 => out.extend(
                bytes
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|b| f16::from_le_bytes(*b).to_f32()),
            ),
            WireType::Q8 => {
                let blocks = bytes
                    .chunks_exact(self.row_bytes(d_model))
                    .flat_map(|row| row.chunks(2 + Q8_BLOCK));
                for block in blocks {
                    let Some((scale, quants)) = block.split_first_chunk::<2>() else {
                        continue;
                    };
                    let scale = f16::from_le_bytes(*scale).to_f32();
                    out.extend(quants.iter().map(|b| scale * f32::from(b.cast_signed())));
                }
            }
        }
    }
}

/// Saturates: a large activation must not become an infinity that the receiver then refuses.
fn to_f16(x: f32) -> f16 {
    f16::from_f32(x.clamp(-65504.0, 65504.0))
}

fn encode_q8(block: &[f32], out: &mut Vec<u8>) {
    let largest = block.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let scale = to_f16(largest / 127.0);
    // Divided by the scale as the receiver will see it, so that its rounding is made good.
    let inverse = if scale.to_f32() > 0.0 {
        1.0 / scale.to_f32()
    } else {
        0.0
    };
    out.extend_from_slice(&scale.to_le_bytes());
    out.extend(
        block
            .iter()
            .map(|x| (x * inverse).round_ties_even().clamp(-127.0, 127.0) as i8 as u8),
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rows() -> Vec<f32> {
        (0..3 * 72)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.13)
            .collect()
    }

    fn round_trip(wire: WireType, rows: &[f32]) -> Vec<f32> {
        let (mut bytes, mut back) = (Vec::new(), Vec::new());
        wire.encode(rows, 72, &mut bytes);
        assert_eq!(bytes.len(), rows.len() / 72 * wire.row_bytes(72));
        wire.check(&bytes, 72).unwrap();
        wire.decode(&bytes, 72, &mut back);
        back
    }

    #[test]
    fn f32_loses_nothing() {
        assert_eq!(round_trip(WireType::F32, &rows()), rows());
    }

    #[test]
    fn f16_and_q8_stay_within_their_step() {
        for (wire, step) in [
            (WireType::F16, 6.5 / 2048.0),
            (WireType::Q8, 6.5 / 127.0 / 2.0 * 1.01),
        ] {
            for (a, b) in rows().iter().zip(round_trip(wire, &rows())) {
                assert!((a - b).abs() <= step, "{wire:?}: {a} became {b}");
            }
        }
    }

    #[test]
    fn zeros_tiny_and_huge_values_survive() {
        for wire in [WireType::F16, WireType::Q8] {
            assert_eq!(round_trip(wire, &[0.0; 72]), vec![0.0; 72]);
            assert!(round_trip(wire, &[1e-12; 72]).iter().all(|x| x.abs() < 1e-6));
            let huge = round_trip(wire, &[1e5; 72]);
            assert!(
                huge.iter().all(|x| (60_000.0..=101_000.0).contains(x)),
                "{wire:?} {}",
                huge[0]
            );
        }
    }

    #[test]
    fn torn_rows_and_numbers_that_are_none_are_refused() {
        assert!(WireType::F32.check(&[0; 71 * 4], 72).is_err());
        let nan: Vec<u8> = [f32::NAN; 72].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert!(
            WireType::F32
                .check(&nan, 72)
                .unwrap_err()
                .to_string()
                .contains("value 0 of row 0")
        );
        let mut q8 = vec![1u8; WireType::Q8.row_bytes(72)];
        q8[34..36].copy_from_slice(&f16::INFINITY.to_le_bytes());
        assert!(
            WireType::Q8
                .check(&q8, 72)
                .unwrap_err()
                .to_string()
                .contains("value 32 of row 0")
        );
    }
}
