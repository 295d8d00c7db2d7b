//! Seeded synthetic models of every architecture and weight type against a transformer in f64.
//! Does not need shared files.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../examples/support/mod.rs"]
mod support;
mod synthetic;

use candle_core::quantized::GgmlDType;
use engine::{BackendKind, Input, MAX_POSITIONS, Output, Shard, Want};
use gguf::{Header, LayerRange, Stage};
use support::block_on;
use synthetic::{Model, PartByPart, Recipe, RopeKind, VOCAB};

fn load(model: &Model, first: u32, end: u32, n_layers: u32) -> Shard {
    let file = model.file.as_slice();
    let header = Header::read(file, file.len() as u64).unwrap();
    let stage = Stage::of(LayerRange::new(first, end).unwrap(), n_layers);
    let mut shard = block_on(Shard::load(
        &header,
        stage,
        &mut PartByPart::of(file),
        BackendKind::Cpu,
    ))
    .unwrap();
    let context = shard.config().context.min(320);
    shard.open(0, context).unwrap();
    shard
}

fn logits(shard: &mut Shard, tokens: &[u32], chunk: usize) -> Vec<f32> {
    let mut logits = Vec::new();
    for (index, tokens) in tokens.chunks(chunk).enumerate() {
        let rows: Vec<u32> = (0..tokens.len() as u32).collect();
        let step = shard.step(
            0,
            (index * chunk) as u32,
            Input::Tokens(tokens),
            Want::Logits(&rows),
        );
        let Output::Logits(more) = block_on(step).unwrap() else {
            panic!()
        };
        logits.extend(more);
    }
    logits
}

fn tokens() -> Vec<u32> {
    (0..70).map(|i| (i * i * 31 + 7) % VOCAB as u32).collect()
}

fn check(name: &str, recipe: Recipe, most: f64) {
    let layers = recipe.layers as u32;
    let model = Model::new(recipe);
    let found = logits(&mut load(&model, 0, layers, layers), &tokens(), 64);
    let wanted = model.logits(&tokens());
    let error: f64 = found
        .iter()
        .zip(&wanted)
        .map(|(a, b)| (f64::from(*a) - b).powi(2))
        .sum();
    let nmse = error / wanted.iter().map(|b| b * b).sum::<f64>();
    eprintln!("{name}: NMSE {nmse:.1e}");
    assert!(nmse < most, "{name}: NMSE {nmse:e}");
}

#[test]
fn every_architecture_agrees_with_f64() {
    let llama = Recipe::default;
    check("llama", llama(), 1e-10);
    check(
        "llama, tied",
        Recipe {
            tied: true,
            ..llama()
        },
        1e-10,
    );
    check(
        "llama, one kv head",
        Recipe {
            n_kv_heads: 1,
            ..llama()
        },
        1e-10,
    );
    let qwen2 = || Recipe {
        architecture: "qwen2",
        bias: true,
        ..llama()
    };
    check("qwen2", qwen2(), 1e-10);
    check(
        "qwen2, tied, as many kv heads",
        Recipe {
            tied: true,
            n_kv_heads: 4,
            ..qwen2()
        },
        1e-10,
    );
    let qwen3 = || Recipe {
        architecture: "qwen3",
        qk_norm: true,
        ..llama()
    };
    check("qwen3", qwen3(), 1e-10);
    check(
        "qwen3, heads wider than the model",
        Recipe {
            n_heads: 8,
            tied: true,
            ..qwen3()
        },
        1e-10,
    );
}

#[test]
fn every_rope_scaling_agrees_with_f64() {
    for architecture in ["llama", "qwen2"] {
        for (name, rope) in [
            ("linear", RopeKind::Linear),
            ("yarn", RopeKind::Yarn),
            ("yarn with numbers of its own", RopeKind::YarnTuned),
            ("llama3", RopeKind::Llama3),
            ("factors", RopeKind::Factors),
        ] {
            let bias = architecture == "qwen2";
            check(
                &format!("{architecture}, {name}"),
                Recipe {
                    architecture,
                    rope,
                    bias,
                    ..Recipe::default()
                },
                1e-9,
            );
        }
    }
}

const TYPES: [GgmlDType; 13] = [
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

#[test]
fn every_weight_type_agrees_with_f64() {
    for ty in TYPES {
        // The rarer formats round the input to 8 bits, as candle does.
        check(
            &format!("{ty:?}"),
            Recipe {
                ty,
                ..Recipe::default()
            },
            5e-4,
        );
    }
}

#[test]
fn every_weight_type_is_the_same_in_any_batch_and_on_any_cut() {
    for ty in TYPES {
        let model = Model::new(Recipe {
            ty,
            layers: 3,
            context: 320,
            ..Recipe::default()
        });
        let tokens: Vec<u32> = tokens().into_iter().cycle().take(300).collect();
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let whole = bits(&logits(&mut load(&model, 0, 3, 3), &tokens, 64));
        for chunk in [1, 2, 7, 256] {
            let mut shard = load(&model, 0, 3, 3);
            assert!(
                bits(&logits(&mut shard, &tokens, chunk)) == whole,
                "{ty:?} in chunks of {chunk}"
            );
            // What was written behind a truncation leaves no trace.
            let garbage: Vec<u32> = tokens.iter().rev().copied().take(50).collect();
            block_on(shard.step(0, 210, Input::Tokens(&garbage), Want::Nothing)).unwrap();
            shard.truncate(0, 200).unwrap();
            let rows: Vec<u32> = (0..60).collect();
            let step = shard.step(0, 200, Input::Tokens(&tokens[200..260]), Want::Logits(&rows));
            let Output::Logits(again) = block_on(step).unwrap() else {
                panic!()
            };
            assert!(
                bits(&again) == whole[200 * VOCAB..260 * VOCAB],
                "{ty:?} after truncation"
            );
        }
        let (mut first, mut last) = (load(&model, 0, 1, 3), load(&model, 1, 3, 3));
        let wire = engine::WireType::F32;
        let Output::Hidden(bytes) =
            block_on(first.step(0, 0, Input::Tokens(&tokens), Want::Hidden(wire))).unwrap()
        else {
            panic!()
        };
        let rows: Vec<u32> = (0..tokens.len() as u32).collect();
        let hidden = Input::Hidden { wire, bytes: &bytes };
        let Output::Logits(sharded) = block_on(last.step(0, 0, hidden, Want::Logits(&rows))).unwrap() else {
            panic!()
        };
        assert!(bits(&sharded) == whole, "{ty:?} cut");
    }
}

#[test]
fn positions_are_bounded_even_where_the_model_has_more() {
    let model = Model::new(Recipe {
        context: 1 << 20,
        n_kv_heads: 1,
        layers: 1,
        ..Recipe::default()
    });
    let mut shard = load(&model, 0, 1, 1);
    assert_eq!(
        shard.session_bytes(MAX_POSITIONS),
        2 * 4 * 64 * u64::from(MAX_POSITIONS)
    );
    shard.open(1, MAX_POSITIONS).unwrap();
    let error = shard.open(2, MAX_POSITIONS + 1).unwrap_err().to_string();
    assert!(error.contains("at most 131072"), "{error}");
}
