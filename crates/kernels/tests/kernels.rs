//! Every kernel against its reference in f64, on random shapes, on whatever adapter is there.
//! Skips, and says so, where there is none: CI installs a software one.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use kernels::ops::{
    Argmax, Attention, Embed, End, Matmul, Rope, Rows, TopK, argmax, attention, embed, matmul, rope, stride,
    topk,
};
use kernels::{Buffer, Choice, Format, Gpu, GpuError, SelfTest, Variants, Weights, floats, self_test, words};

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}

fn gpu() -> Option<Gpu> {
    match block_on(Gpu::open(Choice::Any)) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// On the floor, then with each thing that the device has beyond it.
fn ways(gpu: &Gpu) -> impl Iterator<Item = Variants> {
    (0..3).filter_map(|turn| {
        gpu.use_floor();
        let is_there = match turn {
            0 => true,
            1 => block_on(gpu.use_subgroups(gpu.subgroup())),
            _ => {
                // As on a device that has both.
                block_on(gpu.use_subgroups(gpu.subgroup()));
                block_on(gpu.use_half())
            }
        };
        is_there.then(|| gpu.variants())
    })
}

/// Values of a cache.
fn cached(gpu: &Gpu, buffer: &Buffer) -> Vec<f32> {
    let bytes = block_on(gpu.take(buffer, buffer.size())).unwrap();
    if gpu.variants().half {
        let halves = bytes.as_chunks().0.iter();
        halves
            .map(|bytes| half::f16::from_le_bytes(*bytes).to_f32())
            .collect()
    } else {
        floats(&bytes)
    }
}

/// A value as a cache holds it.
fn rounded(gpu: &Gpu, value: f32) -> f32 {
    if gpu.variants().half {
        half::f16::from_f32(value.clamp(-65504.0, 65504.0)).to_f32()
    } else {
        value
    }
}

/// A multiplicative congruence: shapes and values by seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }

    fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| self.below(20_001) as f32 / 10_000.0 - 1.0)
            .collect()
    }
}

fn nmse(found: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let error = found.iter().zip(wanted).map(|(a, b)| (f64::from(*a) - b).powi(2));
    error.sum::<f64>() / wanted.iter().map(|b| b * b).sum::<f64>().max(1e-30)
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Rows of `width` values, each filled up to its stride.
fn spread(values: &[f32], width: usize) -> Vec<f32> {
    let stride = stride(width as u32) as usize;
    let rows = values.chunks(width);
    rows.flat_map(|row| {
        row.iter()
            .copied()
            .chain(std::iter::repeat_n(0.0, stride - width))
    })
    .collect()
}

/// The opposite.
fn gather(values: &[f32], width: usize, n: usize) -> Vec<f32> {
    let rows = values.chunks(stride(width as u32) as usize).take(n);
    rows.flat_map(|row| row[..width].to_vec()).collect()
}

fn read(gpu: &Gpu, buffer: &Buffer, width: usize, n: usize) -> Vec<f32> {
    gather(
        &floats(&block_on(gpu.take(buffer, buffer.size())).unwrap()),
        width,
        n,
    )
}

struct Product {
    format: Format,
    rows: usize,
    cols: usize,
    n: usize,
    norm: bool,
    bias: bool,
    end: End,
}

/// Computes `n` rows together and each alone; gives the batch, what the single rows gave, and what is right.
fn product(gpu: &Gpu, p: &Product, seed: u64) -> (Vec<f32>, Vec<f32>, Vec<f64>) {
    let mut random = Random(seed);
    let bytes = match p.format {
        Format::F32 | Format::F16 | Format::BF16 => {
            let size = if p.format == Format::F32 { 4 } else { 2 };
            let mut bytes = p.format.sample((p.rows * p.cols).div_ceil(32), seed);
            bytes.truncate(p.rows * p.cols * size);
            bytes
        }
        _ => p.format.sample(p.rows * p.cols / p.format.block_weights(), seed),
    };
    let unpacked = matmul::reference::unpack(p.format, &bytes);
    let weights = Weights::stacked(gpu, "weights", p.format, p.cols, &[&bytes]).unwrap();
    let width = if p.end == End::Glu { p.rows / 2 } else { p.rows };
    let (x, norm, bias) = (
        random.values(p.n * p.cols),
        random.values(p.cols),
        random.values(width),
    );
    let before = random.values(p.n * width);
    let norm_buffer = gpu.storage_with("norm", &spread(&norm, p.cols)).unwrap();
    let bias_buffer = gpu.storage_with("bias", &bias).unwrap();
    let rows = Rows::new(gpu);
    let run = |x: &[f32], before: &[f32], n: usize| {
        let x = gpu.storage_with("x", &spread(x, p.cols)).unwrap();
        let out = gpu.storage_with("out", &spread(before, width)).unwrap();
        let operands = matmul::Operands {
            x: &x,
            out: &out,
            out_width: width as u32,
            out_first: 0,
            norm: p.norm.then_some((&norm_buffer, 1e-5)),
            bias: p.bias.then_some(&bias_buffer),
            rows: &rows,
        };
        rows.set(gpu, n as u32, 0);
        let kernel = Matmul::new(gpu, &weights, &operands, p.end).unwrap();
        let mut commands = gpu.commands();
        kernel.run(&mut commands, n as u32);
        commands.submit();
        read(gpu, &out, width, n)
    };
    let batch = run(&x, &before, p.n);
    let (mut alone, mut wanted) = (Vec::new(), Vec::new());
    for (x, before) in x.chunks(p.cols).zip(before.chunks(width)) {
        alone.extend(run(x, before, 1));
        let norm = p.norm.then_some((norm.as_slice(), 1e-5));
        let bias = p.bias.then_some(bias.as_slice());
        wanted.extend(matmul::reference::product(
            &unpacked, x, norm, bias, p.end, before,
        ));
    }
    (batch, alone, wanted)
}

fn check(gpu: &Gpu, p: &Product, seed: u64) -> f64 {
    let (batch, alone, wanted) = product(gpu, p, seed);
    let error = nmse(&batch, &wanted);
    let what = || {
        let Product {
            format,
            rows,
            cols,
            n,
            norm,
            bias,
            end,
        } = p;
        format!("{format:?} {rows} x {cols}, {n} rows, norm {norm}, bias {bias}, {end:?}: NMSE {error:e}")
    };
    assert!(error < 1e-9, "{}", what());
    if gpu.adapter().software {
        assert!(bits(&batch) == bits(&alone), "not the same alone: {}", what());
    }
    error
}

#[test]
fn products_of_every_format_agree_with_f64_and_do_not_depend_on_the_batch() {
    let Some(gpu) = gpu() else { return };
    eprintln!("{:?}", gpu.adapter());
    for format in Format::ALL {
        let mut random = Random(format as u64 + 1);
        let mut worst = 0.0_f64;
        for seed in 0..4 {
            let plain = format.block_bytes() >= 64 && format.block_weights() == 32;
            let cols = if plain {
                1 + random.below(300)
            } else {
                format.block_weights() * (1 + random.below(5))
            };
            let end = [End::Store, End::Add, End::Glu][random.below(3)];
            let p = Product {
                format,
                rows: 2 * (1 + random.below(80)),
                cols,
                n: 1 + random.below(17),
                norm: random.below(2) == 0,
                bias: end != End::Glu && random.below(2) == 0,
                end,
            };
            worst = worst.max(check(&gpu, &p, seed));
        }
        eprintln!("{}: NMSE at most {worst:.1e}", format.name());
    }
}

#[test]
fn subgroups_change_no_bit_of_a_product() {
    let Some(gpu) = gpu() else { return };
    let most = gpu.subgroup();
    if !block_on(gpu.use_subgroups(most)) {
        eprintln!("skipped: {:?} has no subgroups that a sum can use", gpu.adapter());
        return;
    }
    let sizes = [2, 4, 8, 16, 32, 64].into_iter().filter(|size| *size <= most);
    let sizes: Vec<u32> = sizes.collect();
    // One thread to a row, fewer than a subgroup, rows that threads share unevenly, more threads than a subgroup.
    let shapes = [(32, 1), (64, 1), (1056, 1), (2048, 1), (256, 9), (1056, 9)];
    for (cols, n) in shapes {
        let p = Product {
            format: if n == 1 { Format::Q4_0 } else { Format::Q8_0 },
            rows: 22,
            cols,
            n,
            norm: true,
            bias: false,
            end: End::Store,
        };
        gpu.use_floor();
        let (floor, ..) = product(&gpu, &p, 3);
        // Many rows are long to compile.
        let sizes = if n == 1 {
            &sizes[..]
        } else {
            &sizes[sizes.len() - 1..]
        };
        for subgroup in sizes {
            assert!(block_on(gpu.use_subgroups(*subgroup)));
            let (batch, alone, wanted) = product(&gpu, &p, 3);
            assert!(nmse(&batch, &wanted) < 1e-9 && bits(&alone) == bits(&batch));
            assert!(
                bits(&batch) == bits(&floor),
                "{n} x {cols}, subgroups of {subgroup}"
            );
        }
    }
    let compiled = gpu.compiled();
    let named = |end: &str| compiled.iter().any(|name| name.ends_with(end));
    assert!(named(".norm.s2") && named(".norm"), "{compiled:?}");
}

#[test]
fn subgroups_that_are_smaller_than_said_are_found_out() {
    let Some(gpu) = gpu() else { return };
    assert!(!block_on(gpu.use_subgroups(0)) && !block_on(gpu.use_subgroups(1)));
    if gpu.subgroup() == 0 || gpu.subgroup() >= 32 {
        eprintln!("skipped: {:?} has subgroups of {}", gpu.adapter(), gpu.subgroup());
        return;
    }
    assert!(block_on(gpu.use_subgroups(gpu.subgroup())));
    let proven = gpu.variants();
    assert_eq!(proven.subgroup, gpu.subgroup());
    assert!(
        !block_on(gpu.use_subgroups(64)),
        "subgroups of {}",
        gpu.subgroup()
    );
    assert_eq!(gpu.variants(), proven, "what was proven before stays");
    assert!(gpu.check().is_ok());
    assert!(gpu.use_floor() && !gpu.use_floor());
}

#[test]
fn every_end_of_a_product_works_with_norm_and_bias() {
    let Some(gpu) = gpu() else { return };
    for end in [End::Store, End::Add, End::Glu] {
        for (norm, bias) in [(false, false), (true, false), (false, true), (true, true)] {
            let p = Product {
                format: Format::Q4_0,
                rows: 26,
                cols: 96,
                n: 9,
                norm,
                bias: bias && end != End::Glu,
                end,
            };
            check(&gpu, &p, 5);
        }
    }
}

#[test]
fn interleaved_and_stacked_rows_land_where_they_should() {
    let Some(gpu) = gpu() else { return };
    let format = Format::Q5_0;
    let (a, b) = (format.sample(3 * 2, 1), format.sample(3 * 2, 2));
    let rows = Rows::new(&gpu);
    let x_values = Random(3).values(64);
    let x = gpu.storage_with("x", &x_values).unwrap();
    let run = |weights: &Weights| {
        let out = gpu.storage("out", 4 * 32).unwrap();
        let operands = matmul::Operands {
            x: &x,
            out: &out,
            out_width: 6,
            out_first: 0,
            norm: None,
            bias: None,
            rows: &rows,
        };
        rows.set(&gpu, 1, 0);
        let mut commands = gpu.commands();
        Matmul::new(&gpu, weights, &operands, End::Store)
            .unwrap()
            .run(&mut commands, 1);
        commands.submit();
        read(&gpu, &out, 6, 1)
    };
    let stacked = run(&Weights::stacked(&gpu, "w", format, 64, &[&a, &b]).unwrap());
    let interleaved = run(&Weights::interleaved(&gpu, "w", format, 64, &[&a, &b]).unwrap());
    let order = [0, 3, 1, 4, 2, 5].map(|row: usize| stacked[row]);
    assert_eq!(bits(&interleaved), bits(&order));
    let unpacked = matmul::reference::unpack(format, &[a, b].concat());
    let wanted = matmul::reference::product(&unpacked, &x_values, None, None, End::Store, &[]);
    assert!(nmse(&stacked, &wanted) < 1e-10);
}

#[test]
fn a_matrix_larger_than_a_binding_is_cut_by_rows_without_a_trace() {
    let Some(mut gpu) = gpu() else { return };
    let (rows, cols, tokens) = (700, 256, [0, 699, 255, 256, 400]);
    for format in [Format::Q4_0, Format::Q6_K] {
        let bytes = format.sample(rows * cols / format.block_weights(), 2);
        let x = gpu.storage_with("x", &Random(5).values(2 * cols)).unwrap();
        let ids = gpu.storage_with("tokens", &tokens).unwrap();
        let counter = Rows::new(&gpu);
        let run = |gpu: &Gpu| {
            let weights = Weights::stacked(gpu, "w", format, cols, &[&bytes]).unwrap();
            let width = stride(rows as u32);
            let out = gpu.storage("out", 2 * 4 * u64::from(width)).unwrap();
            let embedded = gpu.storage("out", (5 * 4 * cols) as u64).unwrap();
            let operands = matmul::Operands {
                x: &x,
                out: &out,
                out_width: rows as u32,
                out_first: 0,
                norm: None,
                bias: None,
                rows: &counter,
            };
            counter.set(gpu, 2, 0);
            let mut commands = gpu.commands();
            Matmul::new(gpu, &weights, &operands, End::Store)
                .unwrap()
                .run(&mut commands, 2);
            Embed::new(gpu, &weights, &ids, &embedded, &counter).run(&mut commands, 5);
            commands.submit();
            (
                weights.parts(),
                read(gpu, &out, rows, 2),
                read(gpu, &embedded, cols, 5),
            )
        };
        let whole = run(&gpu);
        gpu.cap(64 << 10);
        let cut = run(&gpu);
        assert_eq!(whole.0, 1, "{format:?}");
        assert!(cut.0 > 1, "{format:?} in {} parts", cut.0);
        assert!(
            bits(&cut.1) == bits(&whole.1),
            "{format:?}: the product of the parts"
        );
        assert!(bits(&cut.2) == bits(&whole.2), "{format:?}: rows of the parts");
        gpu = self::gpu().unwrap();
    }
    gpu.cap(1 << 10);
    let error = Weights::stacked(&gpu, "w", Format::F32, 512, &[&[0; 4096]])
        .err()
        .unwrap();
    assert!(
        matches!(
            error,
            GpuError::OutOfMemory {
                what: "w",
                bytes: 4096
            }
        ),
        "{error}"
    );
}

#[test]
fn rows_that_are_no_whole_blocks_and_torn_bytes_are_refused() {
    let Some(gpu) = gpu() else { return };
    let refused = |cols, bytes: &[u8], expect: &str| {
        let error = Weights::stacked(&gpu, "w", Format::Q4_K, cols, &[bytes])
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(expect), "{error}");
    };
    refused(300, &[0; 144], "rows of 300 weights of q4_k");
    refused(256, &[0; 143], "143 bytes in rows of 144");
    refused(256, &[], "0 bytes");
    let error = gpu.storage("too much", gpu.most_bytes() + 16).err().unwrap();
    assert!(
        matches!(error, GpuError::OutOfMemory { what: "too much", .. }),
        "{error}"
    );
}

#[test]
fn embeddings_of_every_format_are_unpacked() {
    let Some(gpu) = gpu() else { return };
    let tokens = [0, 6, 3, 3, 1];
    for format in Format::ALL {
        let cols = format.block_weights() * 3;
        let bytes = format.sample(7 * 3, 9);
        let weights = Weights::stacked(&gpu, "w", format, cols, &[&bytes]).unwrap();
        let ids = gpu.storage_with("tokens", &tokens).unwrap();
        let out = gpu.storage("out", (4 * 5 * cols) as u64).unwrap();
        let rows = Rows::new(&gpu);
        let mut commands = gpu.commands();
        Embed::new(&gpu, &weights, &ids, &out, &rows).run(&mut commands, 5);
        commands.submit();
        let wanted = embed::reference::gather(&matmul::reference::unpack(format, &bytes), cols, &tokens);
        let error = nmse(&read(&gpu, &out, cols, 5), &wanted);
        assert!(error < 1e-12, "{format:?}: {error:e}");
    }
}

#[test]
fn rotation_norms_and_turns_heads_and_fills_the_cache() {
    let Some(gpu) = gpu() else { return };
    let mut random = Random(4);
    let shapes = [
        (false, false, 8, 4),
        (true, false, 64, 32),
        (true, true, 96, 48),
        (false, true, 80, 20),
    ];
    for (neox, norm, dim, pairs) in ways(&gpu).flat_map(|_| shapes) {
        let heads = rope::Heads {
            query: 3,
            kv: 1,
            dim,
            capacity: 9,
        };
        let (d, n, first) = (dim as usize, 4, 5);
        let width = 5 * d;
        let (mut qkv, query_norm, key_norm) = (random.values(n * width), random.values(d), random.values(d));
        // Beyond half precision, both ways.
        (qkv[4 * d], qkv[4 * d + 1]) = (1e6, -1e6);
        let turns = random.values(9 * pairs * 2);
        let buffer = gpu.storage_with("qkv", &spread(&qkv, width)).unwrap();
        let (keys, values) = (
            gpu.storage("keys", 4 * 9 * d as u64).unwrap(),
            gpu.storage("values", 4 * 9 * d as u64).unwrap(),
        );
        let turns_buffer = gpu.storage_with("turns", &turns).unwrap();
        let (query_buffer, key_buffer) = (
            gpu.storage_with("norm", &query_norm).unwrap(),
            gpu.storage_with("norm", &key_norm).unwrap(),
        );
        let rows = Rows::new(&gpu);
        rows.set(&gpu, n as u32, first);
        let operands = rope::Operands {
            qkv: &buffer,
            keys: &keys,
            values: &values,
            turns: &turns_buffer,
            pairs: pairs as u32,
            neox,
            norms: norm.then_some((&query_buffer, &key_buffer, 1e-6)),
            rows: &rows,
        };
        let mut commands = gpu.commands();
        Rope::new(&gpu, heads, &operands).run(&mut commands, n as u32);
        commands.submit();
        let turned = read(&gpu, &buffer, width, n);
        let (keys, values) = (cached(&gpu, &keys), cached(&gpu, &values));
        for (row, qkv) in qkv.chunks(width).enumerate() {
            let position = first as usize + row;
            let turns = turns[position * pairs * 2..][..pairs * 2].as_chunks().0;
            for head in 0..4 {
                let weight = if head == 3 { &key_norm } else { &query_norm };
                let norm = norm.then_some((weight.as_slice(), 1e-6));
                let wanted = rope::reference::turn(&qkv[head * d..][..d], norm, turns, neox);
                let found: Vec<f32> = if head == 3 {
                    (0..d).map(|i| keys[(i / 4 * 9 + position) * 4 + i % 4]).collect()
                } else {
                    turned[row * width + head * d..][..d].to_vec()
                };
                let error = nmse(&found, &wanted);
                let most = if gpu.variants().half && head == 3 {
                    1e-6
                } else {
                    1e-10
                };
                assert!(error < most, "neox {neox}, norm {norm:?}, head {head}: {error:e}");
            }
            let copied: Vec<f32> = qkv[4 * d..].iter().map(|value| rounded(&gpu, *value)).collect();
            assert_eq!(values[position * d..][..d], copied, "values are copied");
        }
        assert!(
            values[..first as usize * d].iter().all(|v| *v == 0.0),
            "nothing before the first position"
        );
    }
}

#[test]
fn attention_agrees_with_f64_at_every_head_size_and_across_tiles() {
    let Some(gpu) = gpu() else { return };
    let mut random = Random(6);
    let shapes = [
        (8, 0, 5),
        (64, 250, 9),
        (80, 30, 2),
        (128, 700, 3),
        (256, 255, 2),
        (4, 3, 1),
    ];
    for (dim, first, n) in ways(&gpu).flat_map(|_| shapes) {
        let heads = rope::Heads {
            query: 4,
            kv: 2,
            dim,
            capacity: first + n,
        };
        let (d, capacity) = (dim as usize, heads.capacity as usize);
        let queries = random.values(n as usize * 4 * d);
        let kept = |values: Vec<f32>, size: f32| -> Vec<f32> {
            values.iter().map(|value| rounded(&gpu, size * value)).collect()
        };
        let keys = kept(random.values(2 * capacity * d), 2.0);
        let values = kept(random.values(2 * capacity * d), 1.0);
        let mut laid = vec![0.0; keys.len()];
        for (at, key) in keys.iter().enumerate() {
            let (kv, position, i) = (at / d / capacity, at / d % capacity, at % d);
            laid[((kv * d / 4 + i / 4) * capacity + position) * 4 + i % 4] = *key;
        }
        let (query_buffer, key_buffer, value_buffer) = (
            gpu.storage_with("queries", &spread(&queries, 4 * d)).unwrap(),
            gpu.cache_with("keys", &laid).unwrap(),
            gpu.cache_with("values", &values).unwrap(),
        );
        let out = gpu
            .storage("out", 4 * n as u64 * u64::from(stride(4 * dim)))
            .unwrap();
        let partials = gpu.storage("partials", Attention::partial_bytes(heads)).unwrap();
        let rows = Rows::new(&gpu);
        rows.set(&gpu, n, first);
        let operands = attention::Operands {
            queries: &query_buffer,
            query_width: 4 * dim,
            keys: &key_buffer,
            values: &value_buffer,
            out: &out,
            partials: &partials,
            rows: &rows,
        };
        let mut commands = gpu.commands();
        Attention::new(&gpu, heads, &operands)
            .unwrap()
            .run(&mut commands, n, first);
        commands.submit();
        let found = read(&gpu, &out, 4 * d, n as usize);
        let mut wanted = Vec::new();
        for (at, query) in queries.chunks(d).enumerate() {
            let (row, head) = (at / 4, at % 4);
            let held = head / 2 * capacity * d..(head / 2 * capacity + first as usize + row + 1) * d;
            let (keys, values) = (keys[held.clone()].chunks(d), values[held].chunks(d));
            wanted.extend(attention::reference::attend(query, keys, values));
        }
        let error = nmse(&found, &wanted);
        assert!(error < 1e-10, "{dim} values, from {first}: {error:e}");
    }
    let heads = rope::Heads {
        query: 1,
        kv: 1,
        dim: 6,
        capacity: 4,
    };
    let buffer = gpu.storage("x", 64).unwrap();
    let rows = Rows::new(&gpu);
    let operands = attention::Operands {
        queries: &buffer,
        query_width: 6,
        keys: &buffer,
        values: &buffer,
        out: &buffer,
        partials: &buffer,
        rows: &rows,
    };
    let error = Attention::new(&gpu, heads, &operands).err().unwrap();
    assert!(error.to_string().contains("heads of 6 values"), "{error}");
}

#[test]
fn the_likeliest_token_is_exact_with_ties_and_without_numbers() {
    let Some(gpu) = gpu() else { return };
    let mut random = Random(8);
    for vocab in [5, 512, 1000, 70_001] {
        let mut logits = random.values(4 * vocab);
        logits[vocab + 2] = 7.0;
        logits[vocab + 4] = 7.0;
        logits[2 * vocab + 3] = f32::NAN;
        logits[3 * vocab + 1] = f32::INFINITY;
        logits[..vocab].iter_mut().for_each(|x| *x -= 9.0);
        let buffer = gpu.storage_with("logits", &spread(&logits, vocab)).unwrap();
        let out = gpu.storage("out", 4 * argmax::RESULT_BYTES).unwrap();
        let mut commands = gpu.commands();
        Argmax::new(&gpu, &buffer, &out, vocab as u32).run(&mut commands, 4);
        commands.submit();
        let found = words(&block_on(gpu.take(&out, 4 * argmax::RESULT_BYTES)).unwrap());
        let found: Vec<Option<u32>> = found
            .as_chunks()
            .0
            .iter()
            .map(|pair| Argmax::token(*pair))
            .collect();
        let wanted: Vec<Option<u32>> = logits.chunks(vocab).map(argmax::reference::likeliest).collect();
        assert_eq!(found, wanted, "{vocab}");
        assert_eq!((found[1], found[3]), (Some(2), None));
    }
}

#[test]
fn the_likeliest_tokens_are_exact_with_ties_across_the_edge() {
    let Some(gpu) = gpu() else { return };
    let mut random = Random(9);
    for (vocab, k) in [(5, 3), (5, 9), (512, 40), (70_001, 128), (300, 1)] {
        let mut logits = random.values(3 * vocab);
        // Many equals, so that the edge runs through them.
        logits[vocab..2 * vocab]
            .iter_mut()
            .for_each(|x| *x = (*x * 2.0).round());
        logits[2 * vocab + 1] = f32::NAN;
        logits[2 * vocab] = f32::NEG_INFINITY;
        let buffer = gpu.storage_with("logits", &spread(&logits, vocab)).unwrap();
        let out = gpu.storage("out", 3 * topk::RESULT_BYTES).unwrap();
        let mut commands = gpu.commands();
        let count = TopK::new(&gpu, &buffer, &out, vocab as u32).run(&gpu, &mut commands, 3, k) as usize;
        commands.submit();
        assert_eq!(count, vocab.min(k as usize));
        let found = words(&block_on(gpu.take(&out, 3 * topk::RESULT_BYTES)).unwrap());
        for (row, logits) in found.chunks(2 * topk::MAX_K as usize).zip(logits.chunks(vocab)) {
            let mut found: Vec<(u32, f32)> = row.as_chunks().0[..count]
                .iter()
                .map(|pair| TopK::token(*pair))
                .collect();
            found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let ids: Vec<u32> = found.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids, topk::reference::likeliest(logits, count), "{k} of {vocab}");
            for (id, logit) in found {
                let wanted = logits[id as usize];
                assert!(
                    wanted.is_nan() || wanted.to_bits() == logit.to_bits(),
                    "{id}: {logit}"
                );
            }
        }
    }
}

#[test]
fn the_self_test_passes_and_says_that_a_software_adapter_is_batch_invariant() {
    let Some(gpu) = gpu() else { return };
    for (way, formats) in ways(&gpu).zip([&Format::ALL[..], &[Format::Q4_K], &[Format::Q4_K]]) {
        let SelfTest {
            batch_invariant,
            worst_nmse,
        } = block_on(self_test(&gpu, formats)).unwrap();
        eprintln!("{way}: batch invariant: {batch_invariant}, NMSE at most {worst_nmse:.1e}");
        assert!(batch_invariant || !gpu.adapter().software);
        assert!(worst_nmse < if way.half { 1e-6 } else { 1e-9 });
    }
    gpu.use_floor();
    let before = gpu.compiled();
    block_on(self_test(&gpu, &Format::ALL)).unwrap();
    assert_eq!(gpu.compiled(), before, "kernels are compiled once");
}

#[test]
fn a_device_that_is_gone_says_so() {
    let Some(gpu) = gpu() else { return };
    let gpu = Rc::new(gpu);
    assert!(gpu.check().is_ok());
    gpu.destroy();
    let error = block_on(self_test(&gpu, &[Format::Q8_0])).unwrap_err();
    assert!(matches!(error, GpuError::Lost(_)), "{error}");
}
