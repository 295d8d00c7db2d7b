//! Every format against candle's own dequantisation and an f64 product.
//! Does not measure speed.
#![allow(clippy::unwrap_used)]

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use gguf::TensorType;

use super::{Blocks, Workspace, from_f16};

const FORMATS: [(TensorType, GgmlDType); 10] = [
    (TensorType::Q4_0, GgmlDType::Q4_0),
    (TensorType::Q4_1, GgmlDType::Q4_1),
    (TensorType::Q5_0, GgmlDType::Q5_0),
    (TensorType::Q5_1, GgmlDType::Q5_1),
    (TensorType::Q2_K, GgmlDType::Q2K),
    (TensorType::Q3_K, GgmlDType::Q3K),
    (TensorType::Q8_0, GgmlDType::Q8_0),
    (TensorType::Q4_K, GgmlDType::Q4K),
    (TensorType::Q5_K, GgmlDType::Q5K),
    (TensorType::Q6_K, GgmlDType::Q6K),
];

/// Pseudo-random values, with an outlier now and then as activations have them.
fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n)
        .map(|_| next() * if next() > 0.99 { 20.0 } else { 1.0 })
        .collect()
}

/// A matrix, and what candle says its weights are.
fn matrix(format: TensorType, candle: GgmlDType, rows: usize, cols: usize) -> (Blocks, Vec<f32>) {
    let weights = Tensor::from_vec(values(rows * cols, 5), (rows, cols), &Device::Cpu).unwrap();
    let quantised = QTensor::quantize(&weights, candle).unwrap();
    let exact = quantised
        .dequantize(&Device::Cpu)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    (Blocks::new(format, rows, cols, &quantised.data().unwrap()), exact)
}

#[test]
fn rows_are_what_candle_dequantises() {
    for (format, candle) in FORMATS {
        let (blocks, exact) = matrix(format, candle, 5, 768);
        let mut row = vec![0.0; 768];
        for (index, wanted) in exact.chunks(768).enumerate() {
            blocks.row(index, &mut row);
            for (found, wanted) in row.iter().zip(wanted) {
                assert!(
                    (found - wanted).abs() <= 1e-6 * wanted.abs().max(1.0),
                    "{format:?}: {found} {wanted}"
                );
            }
        }
    }
}

#[test]
fn products_agree_with_f64() {
    for (format, candle) in FORMATS {
        for (rows, cols, n) in [(1, 256, 1), (7, 512, 3), (33, 1_024, 21)] {
            let (blocks, exact) = matrix(format, candle, rows, cols);
            let x = values(n * cols, 9);
            let mut out = vec![0.0; n * rows];
            blocks.multiply(&x, &mut out, &mut Workspace::default());
            let (mut error, mut total) = (0.0, 0.0);
            for (x, out) in x.chunks(cols).zip(out.chunks(rows)) {
                for (weights, found) in exact.chunks(cols).zip(out) {
                    let wanted: f64 = weights
                        .iter()
                        .zip(x)
                        .map(|(w, x)| f64::from(*w) * f64::from(*x))
                        .sum();
                    error += (f64::from(*found) - wanted).powi(2);
                    total += wanted * wanted;
                }
            }
            assert!(
                error / total < 1e-6,
                "{format:?} {rows} × {cols} × {n}: NMSE {:e}",
                error / total
            );
        }
    }
}

#[test]
fn a_row_has_the_same_bits_in_every_batch() {
    for (format, candle) in FORMATS {
        let (blocks, _) = matrix(format, candle, 9, 512);
        let x = values(37 * 512, 3);
        let mut together = vec![0.0; 37 * 9];
        blocks.multiply(&x, &mut together, &mut Workspace::default());
        let mut workspace = Workspace::default();
        for (x, wanted) in x.chunks(512).zip(together.chunks(9)) {
            let mut alone = vec![0.0; 9];
            blocks.multiply(x, &mut alone, &mut workspace);
            assert!(
                alone.iter().zip(wanted).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{format:?}"
            );
        }
    }
}

#[test]
fn zeros_and_damaged_scales_do_not_panic() {
    for (format, candle) in FORMATS {
        let (mut blocks, _) = matrix(format, candle, 2, 256);
        let mut out = vec![1.0; 2];
        blocks.multiply(&[0.0; 256], &mut out, &mut Workspace::default());
        assert_eq!(out, [0.0; 2], "{format:?}");
        blocks.multiply(&[f32::INFINITY; 256], &mut out, &mut Workspace::default());
        blocks.scales.fill(0x7e00);
        blocks.bytes.fill(0xff);
        blocks.multiply(&values(256, 1), &mut out, &mut Workspace::default());
    }
}

#[test]
fn f16_becomes_f32_exactly() {
    for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
        assert_eq!(
            from_f16(bits).to_bits(),
            half::f16::from_bits(bits).to_f32().to_bits(),
            "{bits:04x}"
        );
    }
}
