//! Weights per second of whole tokens, one after the other on the GPU, beside a copy in the same run.
//! Does not keep the model: 1.2 billion parameters are made in memory, and have learnt nothing.
//!
//! `cargo run --release -p engine --example decode -- [--type Q4_K] [--tokens 32]`
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)] // a shell with a clock

mod support;

use std::rc::Rc;
use std::time::Instant;

use engine::{Choice, Gpu, Input, Output, Sampling, Shard, Want};
use gguf::synthetic::Model;
use gguf::{Header, LayerRange, Stage, TensorType};
use support::{Failure, block_on};

/// Bytes that are copied from one buffer to another: several times the last-level cache of any GPU sold to people.
const COPY_BYTES: u64 = 512 << 20;

/// Repetitions of the copy of which the best counts.
const RUNS: usize = 5;

/// Tokens that are counted, where nobody says how many; fewer where a processor plays the GPU.
const TOKENS: u32 = 32;
const SOFTWARE_TOKENS: u32 = 4;

/// Tokens before those that are counted.
const WARM_UP: u32 = 2;

fn main() -> Result<(), Failure> {
    let (mut ty, mut count) = (TensorType::Q4_K, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--type" => {
                let named = TensorType::ALL.into_iter().find(|ty| ty.to_string() == value);
                ty = named.ok_or(format!("no type {value}"))?;
            }
            "--tokens" => count = Some(value.parse()?),
            _ => return Err(format!("unknown option {flag}").into()),
        }
    }
    let gpu = Rc::new(block_on(Gpu::open(Choice::Any))?);
    eprintln!("{:?}, {}", gpu.adapter(), gpu.variants());
    let count: u32 = count.unwrap_or(if gpu.adapter().software {
        SOFTWARE_TOKENS
    } else {
        TOKENS
    });
    let copy = copy(&gpu)?;
    let model = Model { ty, ..Model::large() };
    let file = model.to_bytes()?;
    let header = Header::read(file.as_slice(), file.len() as u64)?;
    let stage = Stage::of(LayerRange::new(0, model.n_layers)?, model.n_layers);
    let mut shard = block_on(Shard::load_on(
        &header,
        stage,
        &mut file.as_slice(),
        Rc::clone(&gpu),
    ))?;
    drop(file);
    // Of the embedding a token reads one row.
    let read = header
        .tensors()
        .iter()
        .filter(|info| info.name != "token_embd.weight");
    let bytes: u64 = read.map(|info| info.bytes).sum();
    shard.open(0, WARM_UP + count)?;
    let (mut token, mut start) = (1, Instant::now());
    for position in 0..WARM_UP + count {
        if position == WARM_UP {
            start = Instant::now();
        }
        let want = Want::Sample {
            rows: &[0],
            sampling: &Sampling::default(),
            history: &[],
        };
        if let Output::Tokens(next) = block_on(shard.step(0, position, Input::Tokens(&[token]), want))? {
            token = next.first().copied().unwrap_or(token);
        }
    }
    let tokens_per_s = f64::from(count) / start.elapsed().as_secs_f64();
    let weights = bytes as f64 * tokens_per_s / 1e9;
    println!(
        "{{\"format\":\"{ty}\",\"mib_per_token\":{},\"tokens_per_s\":{tokens_per_s:.2},\"dispatches\":{},\
         \"weights_gb_per_s\":{weights:.2},\"copy_gb_per_s\":{copy:.2},\"share\":{:.2}}}",
        bytes >> 20,
        shard.gpu_cost().dispatches,
        weights / copy
    );
    Ok(())
}

/// Gigabytes per second of a copy, which reads and writes every byte.
fn copy(gpu: &Gpu) -> Result<f64, Failure> {
    let each = COPY_BYTES.min(gpu.most_bytes());
    let buffers = COPY_BYTES.div_ceil(each);
    let mut pairs = Vec::new();
    for _ in 0..buffers {
        pairs.push((gpu.storage("copy", each)?, gpu.storage("copy", each)?));
    }
    let mut best = f64::INFINITY;
    for turn in 0..=RUNS {
        let start = Instant::now();
        let mut commands = gpu.commands();
        pairs
            .iter()
            .for_each(|(from, to)| commands.copy(from, 0, to, 0, each));
        commands.submit();
        if let Some((_, to)) = pairs.last() {
            block_on(gpu.take(to, 16))?;
        }
        // The first one warms up.
        if turn > 0 {
            best = best.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(2.0 * (buffers * each) as f64 / best / 1e9)
}
