//! What a stage costs in memory beside its weights: the keys and values it promised, and 64 MiB at most.
//! Has one test, since a process has one allocator and whoever else allocates would be counted.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../../gguf/tests/counting/mod.rs"]
mod counting;
#[path = "../examples/support/mod.rs"]
mod support;

use counting::Since;
use engine::{BackendKind, Input, Output, Sampling, Shard, Want};
use gguf::synthetic::Model;
use gguf::{Header, LayerRange, Stage, TensorType};
use support::block_on;

/// What a stage may take for everything else.
const MOST: u64 = 64 << 20;

const POSITIONS: u32 = 512;

#[test]
fn a_stage_takes_its_weights_its_cache_and_64_mib_at_most() {
    for ty in [
        TensorType::Q4_0,
        TensorType::Q8_0,
        TensorType::Q4_K,
        TensorType::F16,
    ] {
        // The width and the vocabulary of a model of a billion parameters, in two layers.
        let model = Model {
            n_layers: 2,
            vocab: 32_000,
            tied_head: true,
            ty,
            ..Model::large()
        };
        let file = model.to_bytes().unwrap();
        let header = Header::read(file.as_slice(), file.len() as u64).unwrap();
        let weights: u64 = header.tensors().iter().map(|info| info.bytes).sum();
        let stage = Stage::of(LayerRange::new(0, 2).unwrap(), 2);

        let since = Since::now();
        let over = |beside: u64| since.most().saturating_sub(beside);
        let mut shard = block_on(Shard::load(
            &header,
            stage,
            &mut file.as_slice(),
            BackendKind::Cpu,
        ))
        .unwrap();
        let loading = over(weights);
        shard.open(0, POSITIONS).unwrap();
        let cache = shard.session_bytes(POSITIONS);
        let prompt: Vec<u32> = (0..100).map(|i| 300 + i * 7).collect();
        let sampling = Sampling::default();
        let want = |rows| Want::Sample {
            rows,
            sampling: &sampling,
            history: &[],
        };
        block_on(shard.step(0, 0, Input::Tokens(&prompt), want(&[99]))).unwrap();
        let output = block_on(shard.step(0, 100, Input::Tokens(&[5]), want(&[0]))).unwrap();
        assert!(matches!(output, Output::Tokens(_)));
        let computing = over(weights + cache);
        eprintln!(
            "{ty}: {} MiB of weights, {} MiB of cache; beside them {} MiB while loading, {} MiB while computing",
            weights >> 20,
            cache >> 20,
            loading >> 20,
            computing >> 20
        );
        assert!(
            loading <= MOST && computing <= MOST,
            "{ty}: {loading}, {computing} bytes"
        );
    }
}
