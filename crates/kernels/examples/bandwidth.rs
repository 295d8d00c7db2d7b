//! Bytes per second of every product of a matrix with a row, beside a copy of as many bytes in the same run.
//! Does not run a model.
//!
//! `cargo run --release -p kernels --example bandwidth -- [--rows 4096] [--cols 4096] [--mib 256] [--formats q4_0,q8_0]`
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)] // a shell with a clock

use std::error::Error;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use kernels::ops::{End, Matmul, Rows, matmul, stride};
use kernels::{Buffer, Choice, Format, Gpu, Weights};

/// Repetitions of which the best counts: what disturbs a run only ever makes it slower.
const RUNS: usize = 5;
/// The same where a processor plays the GPU and takes seconds for each.
const SOFTWARE_RUNS: usize = 2;

/// Several times the last-level cache of any GPU sold to people so far, so that no cache flatters.
const WORKING_SET_MIB: usize = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut rows, mut cols, mut mib) = (4096, 4096, WORKING_SET_MIB);
    let mut formats = vec![
        Format::Q4_0,
        Format::Q8_0,
        Format::Q4_K,
        Format::Q6_K,
        Format::F16,
    ];
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--rows" => rows = value.parse()?,
            "--cols" => cols = value.parse()?,
            "--mib" => mib = value.parse()?,
            "--formats" => {
                let named = |name: &str| Format::ALL.into_iter().find(|format| format.name() == name);
                let all = value
                    .split(',')
                    .map(|name| named(name).ok_or_else(|| format!("no format {name}")));
                formats = all.collect::<Result<_, _>>()?;
            }
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let gpu = block_on(Gpu::open(Choice::Any))?;
    eprintln!("{:?}", gpu.adapter());
    for format in formats {
        let row = measure(&gpu, format, rows, cols, mib << 20)?;
        println!("{row}");
    }
    Ok(())
}

/// One line of JSON about one format.
fn measure(
    gpu: &Gpu,
    format: Format,
    rows: usize,
    cols: usize,
    working_set: usize,
) -> Result<String, Box<dyn Error>> {
    let row_bytes = Weights::row_bytes(format, cols)?;
    let copies = (working_set / (rows * row_bytes)).max(2);
    let bytes = format.sample(rows * row_bytes / format.block_bytes(), 1);
    let x = gpu.storage_with("x", &vec![0.5_f32; stride(cols as u32) as usize])?;
    let out = gpu.storage("out", 4 * u64::from(stride(rows as u32)))?;
    let counter = Rows::new(gpu);
    let mut kernels = Vec::new();
    let mut held = 0;
    for _ in 0..copies {
        let weights = Weights::stacked(gpu, "weights", format, cols, &[&bytes])?;
        held = weights.bytes();
        let operands = matmul::Operands {
            x: &x,
            out: &out,
            out_width: rows as u32,
            out_first: 0,
            norm: None,
            bias: None,
            rows: &counter,
        };
        kernels.push(Matmul::new(gpu, &weights, &operands, End::Store)?);
    }
    counter.set(gpu, 1, 0);
    let product = best(gpu, &out, || {
        let mut commands = gpu.commands();
        kernels.iter().for_each(|kernel| kernel.run(&mut commands, 1));
        commands.submit();
    })?;
    drop(kernels);
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for _ in 0..copies {
        from.push(gpu.storage("copy", held)?);
        to.push(gpu.storage("copy", held)?);
    }
    let copy = best(gpu, &out, || {
        let mut commands = gpu.commands();
        from.iter()
            .zip(&to)
            .for_each(|(from, to)| commands.copy(from, 0, to, 0, held));
        commands.submit();
    })?;
    let gbps = |bytes: f64, seconds: f64| bytes * copies as f64 / seconds / 1e9;
    // A copy reads and writes every byte.
    let (product, copy) = (gbps(held as f64, product), gbps(2.0 * held as f64, copy));
    Ok(format!(
        "{{\"format\":\"{}\",\"rows\":{rows},\"cols\":{cols},\"buffers\":{copies},\"product_gb_per_s\":{product:.2},\
         \"copy_gb_per_s\":{copy:.2},\"share\":{:.2}}}",
        format.name(),
        product / copy
    ))
}

/// Seconds of the fastest run, after one that warms up.
fn best(gpu: &Gpu, wait_on: &Buffer, run: impl Fn()) -> Result<f64, Box<dyn Error>> {
    let runs = if gpu.adapter().software {
        SOFTWARE_RUNS
    } else {
        RUNS
    };
    let mut best = f64::INFINITY;
    for turn in 0..=runs {
        let start = Instant::now();
        run();
        block_on(gpu.take(wait_on, 16))?;
        if turn > 0 {
            best = best.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(best)
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}
