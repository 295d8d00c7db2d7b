//! The GPU back end end to end, on whatever adapter is there: the golden story, every cut, every batch,
//! every architecture and weight type, and how it fails.
//! Skips, and says so, where there is no adapter or no shared model: CI installs a software one.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods)] // a test may look at the clock

#[path = "../examples/support/mod.rs"]
mod support;
mod synthetic;

use std::rc::Rc;
use std::time::Instant;

use candle_core::quantized::GgmlDType;
use engine::{
    BackendKind, Choice, EngineError, Gpu, GpuError, Input, Output, Sampling, Shard, Want, WireType,
};
use gguf::{Header, LayerRange, Stage};
use support::{FileWeights, block_on, shared};
use synthetic::{Model, PartByPart, Recipe, RopeKind, VOCAB};

/// On the floor, whatever the device has beyond it.
fn gpu() -> Option<Rc<Gpu>> {
    match block_on(Gpu::open(Choice::Any)) {
        Ok(gpu) => {
            gpu.use_floor();
            Some(Rc::new(gpu))
        }
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn best(logits: &[f32]) -> u32 {
    Sampling::default().choose(logits, 0, &[]).unwrap()
}

fn nmse(found: &[f32], wanted: impl Iterator<Item = f64> + Clone) -> f64 {
    let error = found
        .iter()
        .zip(wanted.clone())
        .map(|(a, b)| (f64::from(*a) - b).powi(2));
    error.sum::<f64>() / wanted.map(|b| b * b).sum::<f64>()
}

/// The stages of a model with session 0 open in each.
struct Chain(Vec<Shard>);

impl Chain {
    fn story(model: &str, cuts: &[u32], gpu: Option<&Rc<Gpu>>) -> Option<Chain> {
        let (header, mut weights) =
            FileWeights::open(&shared(&format!("models/stories260K-{model}.gguf"))?).unwrap();
        let bounds = [&[0], cuts, &[5]].concat();
        let load = |pair: &[u32]| {
            let stage = Stage::of(LayerRange::new(pair[0], pair[1]).unwrap(), 5);
            let mut shard = match gpu {
                Some(gpu) => block_on(Shard::load_on(&header, stage, &mut weights, Rc::clone(gpu))),
                None => block_on(Shard::load(&header, stage, &mut weights, BackendKind::Cpu)),
            }
            .unwrap();
            shard.open(0, 512).unwrap();
            shard
        };
        Some(Chain(bounds.windows(2).map(load).collect()))
    }

    fn synthetic(model: &Model, layers: u32, gpu: Option<&Rc<Gpu>>) -> Chain {
        let file = model.file.as_slice();
        let header = Header::read(file, file.len() as u64).unwrap();
        let stage = Stage::of(LayerRange::new(0, layers).unwrap(), layers);
        let mut shard = match gpu {
            Some(gpu) => block_on(Shard::load_on(
                &header,
                stage,
                &mut PartByPart::of(file),
                Rc::clone(gpu),
            )),
            None => block_on(Shard::load(
                &header,
                stage,
                &mut PartByPart::of(file),
                BackendKind::Cpu,
            )),
        }
        .unwrap();
        shard.open(0, 128).unwrap();
        Chain(vec![shard])
    }

    fn step(&mut self, wire: WireType, first: u32, tokens: &[u32], want: Want<'_>) -> Output {
        let (last, before) = self.0.split_last_mut().unwrap();
        let mut hidden: Option<Vec<u8>> = None;
        for stage in before {
            let input = match &hidden {
                None => Input::Tokens(tokens),
                Some(bytes) => Input::Hidden { wire, bytes },
            };
            let Output::Hidden(out) = block_on(stage.step(0, first, input, Want::Hidden(wire))).unwrap()
            else {
                panic!()
            };
            hidden = Some(out);
        }
        let input = match &hidden {
            None => Input::Tokens(tokens),
            Some(bytes) => Input::Hidden { wire, bytes },
        };
        block_on(last.step(0, first, input, want)).unwrap()
    }

    /// Logits of every position, computed in chunks.
    fn logits(&mut self, first: u32, tokens: &[u32], chunk: usize) -> Vec<f32> {
        let mut logits = Vec::new();
        for (index, tokens) in tokens.chunks(chunk).enumerate() {
            let rows: Vec<u32> = (0..tokens.len() as u32).collect();
            let first = first + (index * chunk) as u32;
            let Output::Logits(more) = self.step(WireType::F32, first, tokens, Want::Logits(&rows)) else {
                panic!()
            };
            logits.extend(more);
        }
        logits
    }

    /// The greedy token after `tokens`, chosen where the stage computes.
    fn greedy(&mut self, first: u32, tokens: &[u32]) -> u32 {
        let want = Want::Sample {
            rows: &[tokens.len() as u32 - 1],
            sampling: &Sampling::default(),
            history: &[],
        };
        let Output::Tokens(tokens) = self.step(WireType::F32, first, tokens, want) else {
            panic!()
        };
        tokens[0]
    }
}

/// Tokens of any vocabulary, the same every time.
fn tokens(count: u32, vocab: u32) -> Vec<u32> {
    (0..count).map(|i| (i * i * 31 + 7) % vocab).collect()
}

#[test]
fn the_golden_story_comes_out_on_the_gpu_in_six_dispatches_a_layer() {
    let Some(gpu) = gpu() else { return };
    let (Some(mut chain), Some(path)) = (
        Chain::story("f32", &[], Some(&gpu)),
        shared("models/stories260K-golden.json"),
    ) else {
        return;
    };
    let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let wanted: Vec<u32> = golden["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap() as u32)
        .collect();
    let mut found = vec![1];
    while found.len() <= wanted.len() {
        let position = found.len() - 1;
        found.push(chain.greedy(position as u32, &found[position..]));
        let cost = chain.0[0].gpu_cost();
        assert_eq!(cost.submits, 1, "one submit a token");
        assert_eq!(
            cost.layer_dispatches,
            6 * 5,
            "six dispatches a layer while one tile is enough"
        );
    }
    assert_eq!(found[1..], wanted);
    let logits = chain.logits(0, &[1], 1);
    let top = &golden["step0_top5"];
    for (id, logit) in top["ids"]
        .as_array()
        .unwrap()
        .iter()
        .zip(top["logits"].as_array().unwrap())
    {
        let value = f64::from(logits[id.as_u64().unwrap() as usize]);
        assert!(
            (value - logit.as_f64().unwrap()).abs() < 1e-3,
            "{id}: {value} instead of {logit}"
        );
    }
    // Beyond the first tile the join comes on top.
    chain.logits(0, &tokens(300, 512), 64);
    chain.greedy(299, &[7]);
    assert_eq!(chain.0[0].gpu_cost().layer_dispatches, 7 * 5);
}

#[test]
fn every_cut_on_the_gpu_gives_the_logits_of_the_whole() {
    let Some(gpu) = gpu() else { return };
    let tokens = tokens(40, 512);
    for model in ["f32", "q8_0", "q4_0"] {
        let Some(mut whole) = Chain::story(model, &[], Some(&gpu)) else {
            return;
        };
        let whole = whole.logits(0, &tokens, 64);
        let most = whole.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        for mask in 1..16_u32 {
            let cuts: Vec<u32> = (1..5).filter(|layer| mask & (1 << (layer - 1)) != 0).collect();
            let cut = Chain::story(model, &cuts, Some(&gpu))
                .unwrap()
                .logits(0, &tokens, 64);
            let worst = cut
                .iter()
                .zip(&whole)
                .fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
            assert!(
                worst <= 1e-5 * most,
                "{model} cut before {cuts:?}: {worst} of {most}"
            );
            if gpu.adapter().software {
                assert!(bits(&cut) == bits(&whole), "{model} cut before {cuts:?}");
            }
        }
    }
}

#[test]
fn a_position_on_the_gpu_has_the_same_bits_alone_in_any_chunk_and_after_truncation() {
    let Some(gpu) = gpu() else { return };
    let tokens = tokens(300, 512);
    for model in ["f32", "q8_0", "q4_0"] {
        let Some(mut chain) = Chain::story(model, &[], Some(&gpu)) else {
            return;
        };
        assert!(chain.0[0].is_batch_invariant() || !gpu.adapter().software);
        let alone = bits(&chain.logits(0, &tokens, 1));
        for chunk in [2, 7, 64, 256] {
            let found = Chain::story(model, &[], Some(&gpu))
                .unwrap()
                .logits(0, &tokens, chunk);
            assert!(bits(&found) == alone, "{model} in chunks of {chunk}");
        }
        // Rejected speculation: something else was there, the same positions come again.
        chain.logits(200, &[7; 40], 40);
        let again = chain.logits(150, &tokens[150..], 13);
        assert!(bits(&again) == alone[150 * 512..], "{model} after truncation");
    }
}

#[test]
fn a_device_that_is_not_batch_invariant_gets_one_row_after_the_other() {
    let Some(gpu) = gpu() else { return };
    let tokens = tokens(128, 512);
    let Some(mut chain) = Chain::story("q8_0", &[], Some(&gpu)) else {
        return;
    };
    let prefill = |chain: &mut Chain| {
        let start = Instant::now();
        chain.step(WireType::F32, 0, &tokens, Want::Nothing);
        // The device has done it once something is read.
        chain.greedy(128, &[7]);
        start.elapsed()
    };
    let alone = bits(&chain.logits(0, &tokens, 1));
    let together = prefill(&mut chain);
    let dispatches = |chain: &mut Chain| {
        chain.step(WireType::F32, 0, &tokens, Want::Nothing);
        chain.0[0].gpu_cost().layer_dispatches
    };
    assert_eq!(dispatches(&mut chain), 6 * 5 * 2, "two chunks of 64");
    chain.0[0].compute_row_by_row();
    assert!(bits(&chain.logits(0, &tokens, 128)) == alone);
    assert_eq!(dispatches(&mut chain), 6 * 5 * 128, "128 rows");
    let apart = prefill(&mut chain);
    eprintln!("128 positions: {together:?} in chunks of 64, {apart:?} row by row");
}

#[test]
fn caches_in_half_precision_take_half_the_memory_and_tell_the_same_story() {
    let Some(gpu) = gpu() else { return };
    let tokens = tokens(256, 512);
    for model in ["f32", "q8_0", "q4_0"] {
        gpu.use_floor();
        let Some(mut floor) = Chain::story(model, &[], Some(&gpu)) else {
            return;
        };
        let on_floor = floor.logits(0, &tokens, 64);
        let bytes = floor.0[0].session_bytes(512);
        let on_cpu = Chain::story(model, &[], None).unwrap().logits(0, &tokens, 64);
        if !block_on(gpu.use_half()) {
            eprintln!("skipped: {:?} has no half precision", gpu.adapter());
            return;
        }
        let mut chain = Chain::story(model, &[], Some(&gpu)).unwrap();
        assert_eq!(2 * chain.0[0].session_bytes(512), bytes);
        assert!(chain.0[0].kernel_variants().contains("cache in f16"));
        let found = chain.logits(0, &tokens, 64);
        let agreed = |with: &[f32]| {
            let pairs = found.chunks(512).zip(with.chunks(512));
            pairs.filter(|(a, b)| best(a) == best(b)).count()
        };
        let (floor_agrees, cpu_agrees) = (agreed(&on_floor), agreed(&on_cpu));
        let error = nmse(&found, on_floor.iter().map(|x| f64::from(*x)));
        eprintln!(
            "{model}: of 256, {floor_agrees} as on the floor, {cpu_agrees} as the CPU; NMSE {error:.1e}"
        );
        assert!(floor_agrees.min(cpu_agrees) * 100 >= tokens.len() * 99 && error < 1e-6);
        assert!(
            bits(&chain.logits(0, &tokens, 1)) == bits(&found),
            "{model} alone"
        );
        let mut cut = Chain::story(model, &[1, 3], Some(&gpu)).unwrap();
        assert!(bits(&cut.logits(0, &tokens, 64)) == bits(&found), "{model} cut");
    }
}

#[test]
fn both_back_ends_agree_on_the_story_and_over_every_wire() {
    let Some(gpu) = gpu() else { return };
    let tokens = tokens(64, 512);
    for model in ["f32", "q8_0", "q4_0"] {
        let Some(mut on_cpu) = Chain::story(model, &[2], None) else {
            return;
        };
        let on_cpu = on_cpu.logits(0, &tokens, 64);
        let wanted = on_cpu.iter().map(|x| f64::from(*x));
        let mut chain = Chain::story(model, &[2], Some(&gpu)).unwrap();
        let found = chain.logits(0, &tokens, 64);
        let agreed = found
            .chunks(512)
            .zip(on_cpu.chunks(512))
            .filter(|(a, b)| best(a) == best(b))
            .count();
        let error = nmse(&found, wanted.clone());
        eprintln!("{model}: {agreed} of {} agree, NMSE {error:.1e}", tokens.len());
        assert!(agreed * 100 >= tokens.len() * 99 && error < 1e-5);
        for (wire, most) in [(WireType::F16, 1e-3), (WireType::Q8, 1e-2)] {
            let rows: Vec<u32> = (0..64).collect();
            let Output::Logits(found) = chain.step(wire, 0, &tokens, Want::Logits(&rows)) else {
                panic!()
            };
            assert!(nmse(&found, wanted.clone()) < most, "{model} over {wire:?}");
        }
    }
}

#[test]
fn both_back_ends_sample_the_same_tokens_whatever_is_read_back() {
    let Some(gpu) = gpu() else { return };
    let tokens = tokens(40, 512);
    let Some(mut on_cpu) = Chain::story("q8_0", &[], None) else {
        return;
    };
    let mut on_gpu = Chain::story("q8_0", &[], Some(&gpu)).unwrap();
    let warm = Sampling {
        temperature: 0.8,
        seed: 7,
        ..Sampling::default()
    };
    for sampling in [
        Sampling::default(),
        Sampling {
            repeat_penalty: 1.3,
            ..Sampling::default()
        },
        warm,
        Sampling {
            top_k: 20,
            top_p: 0.9,
            ..warm
        },
        Sampling {
            top_k: 40,
            min_p: 0.05,
            repeat_penalty: 1.2,
            ..warm
        },
        Sampling {
            top_k: 100,
            repeat_penalty: 1.2,
            ..warm
        },
        Sampling {
            top_k: 10,
            repeat_penalty: 0.8,
            ..warm
        },
    ] {
        let want = Want::Sample {
            rows: &[3, 20, 21, 39],
            sampling: &sampling,
            history: &tokens,
        };
        let wanted = on_cpu.step(WireType::F32, 0, &tokens, want);
        assert_eq!(
            on_gpu.step(WireType::F32, 0, &tokens, want),
            wanted,
            "{sampling:?}"
        );
    }
}

#[test]
fn every_architecture_on_the_gpu_agrees_with_f64() {
    let Some(gpu) = gpu() else { return };
    let llama = Recipe::default;
    let qwen2 = || Recipe {
        architecture: "qwen2",
        bias: true,
        ..llama()
    };
    let qwen3 = || Recipe {
        architecture: "qwen3",
        qk_norm: true,
        ..llama()
    };
    let cases = [
        ("llama", llama()),
        (
            "llama, tied, one kv head",
            Recipe {
                tied: true,
                n_kv_heads: 1,
                ..llama()
            },
        ),
        (
            "llama, factors",
            Recipe {
                rope: RopeKind::Factors,
                ..llama()
            },
        ),
        ("qwen2", qwen2()),
        (
            "qwen2, yarn, as many kv heads",
            Recipe {
                rope: RopeKind::Yarn,
                n_kv_heads: 4,
                ..qwen2()
            },
        ),
        ("qwen3", qwen3()),
        (
            "qwen3, heads wider than the model",
            Recipe {
                n_heads: 8,
                tied: true,
                ..qwen3()
            },
        ),
    ];
    for (name, recipe) in cases {
        let layers = recipe.layers as u32;
        let model = Model::new(recipe);
        let tokens = tokens(70, VOCAB as u32);
        let found = Chain::synthetic(&model, layers, Some(&gpu)).logits(0, &tokens, 64);
        let error = nmse(&found, model.logits(&tokens).into_iter());
        eprintln!("{name}: NMSE {error:.1e}");
        assert!(error < 1e-9, "{name}: {error:e}");
    }
}

#[test]
fn forced_decoding_agrees_with_the_cpu_for_every_weight_type() {
    let Some(gpu) = gpu() else { return };
    let types = [
        GgmlDType::F32,
        GgmlDType::F16,
        GgmlDType::BF16,
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q2K,
        GgmlDType::Q3K,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
    ];
    for ty in types {
        let model = Model::new(Recipe {
            ty,
            ..Recipe::default()
        });
        let tokens = tokens(120, VOCAB as u32);
        let on_cpu = Chain::synthetic(&model, 2, None).logits(0, &tokens, 64);
        let mut chain = Chain::synthetic(&model, 2, Some(&gpu));
        let on_gpu = chain.logits(0, &tokens, 64);
        let pairs = on_gpu.chunks(VOCAB).zip(on_cpu.chunks(VOCAB));
        let agreed = pairs.filter(|(a, b)| best(a) == best(b)).count();
        let error = nmse(&on_gpu, model.logits(&tokens).into_iter());
        eprintln!(
            "{ty:?}: {agreed} of {} agree, NMSE against f64 {error:.1e}",
            tokens.len()
        );
        assert!(
            agreed * 100 >= tokens.len() * 99,
            "{ty:?}: {agreed} of {}",
            tokens.len()
        );
        assert!(error < 1e-9, "{ty:?}: {error:e}");
        // One row takes another kernel; on a device that is batch invariant, with the same bits.
        let alone = chain.logits(119, &tokens[119..], 1);
        if chain.0[0].is_batch_invariant() {
            assert!(bits(&alone) == bits(&on_gpu[119 * VOCAB..]), "{ty:?} alone");
        }
    }
}

#[test]
fn a_gpu_that_goes_away_or_is_too_small_says_so() {
    let Some(gpu) = gpu() else { return };
    let model = Model::new(Recipe {
        context: 1 << 17,
        ..Recipe::default()
    });
    let mut chain = Chain::synthetic(&model, 2, Some(&gpu));
    let shard = &mut chain.0[0];
    assert_eq!(shard.backend(), BackendKind::Gpu);
    assert_eq!(shard.session_bytes(64), 2 * 2 * 4 * 128 * 64);
    let wanted = block_on(shard.step(0, 0, Input::Tokens(&[5]), Want::Logits(&[0]))).unwrap();
    let again = block_on(shard.step(0, 0, Input::Tokens(&[5]), Want::Logits(&[0]))).unwrap();
    assert_eq!(again, wanted);
    gpu.destroy();
    let error = block_on(shard.step(0, 1, Input::Tokens(&[5]), Want::Logits(&[0]))).unwrap_err();
    assert!(matches!(error, EngineError::Gpu(GpuError::Lost(_))), "{error}");
    assert_eq!(
        shard.length(0).unwrap(),
        1,
        "what was there before is still claimed"
    );
    let error = shard.open(1, 64).unwrap_err();
    assert!(matches!(error, EngineError::Gpu(GpuError::Lost(_))), "{error}");
}
