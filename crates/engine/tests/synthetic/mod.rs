//! Seeded small models as GGUF files in memory, and what an f64 transformer makes of them.
//! Does not use any of the engine's arithmetic: candle quantises, plain loops compute.
#![allow(dead_code, clippy::unwrap_used)] // each user takes a part

mod part_by_part;

use std::collections::BTreeMap;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

#[allow(unused_imports)] // each user takes a part
pub(crate) use part_by_part::PartByPart;

/// What kind of model to make.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) architecture: &'static str,
    pub(crate) ty: GgmlDType,
    pub(crate) n_heads: usize,
    pub(crate) n_kv_heads: usize,
    pub(crate) tied: bool,
    pub(crate) bias: bool,
    pub(crate) qk_norm: bool,
    pub(crate) rope: RopeKind,
    pub(crate) layers: usize,
    pub(crate) context: usize,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum RopeKind {
    Plain,
    Linear,
    Yarn,
    /// The same with every number of its own.
    YarnTuned,
    /// Llama 3's scaling, by its numbers.
    Llama3,
    /// Llama 3's scaling as converters write it: a divisor per pair.
    Factors,
}

pub(crate) const D_MODEL: usize = 256;
pub(crate) const D_FFN: usize = 512;
pub(crate) const HEAD_DIM: usize = 64;
pub(crate) const VOCAB: usize = 288;
const BASE: f64 = 10_000.0;
const EPS: f64 = 1e-6;
const FACTOR: f64 = 4.0;
const ORIGINAL_CONTEXT: f64 = 32.0;
/// Fast and slow turns, and the attention's factor, where they are not the usual ones.
const TUNED: (f64, f64, f64) = (3.0, 0.25, 1.5);
/// Waves longer than the original context over the first are stretched, shorter than over the second are kept.
const LLAMA3: (f64, f64) = (0.5, 3.0);

impl Default for Recipe {
    fn default() -> Recipe {
        Recipe {
            architecture: "llama",
            ty: GgmlDType::F32,
            n_heads: 4,
            n_kv_heads: 2,
            tied: false,
            bias: false,
            qk_norm: false,
            rope: RopeKind::Plain,
            layers: 2,
            context: 128,
        }
    }
}

/// A model: its file, and its weights as a reader of the file will see them.
pub(crate) struct Model {
    pub(crate) file: Vec<u8>,
    recipe: Recipe,
    weights: BTreeMap<String, Vec<f64>>,
}

impl Model {
    pub(crate) fn new(recipe: Recipe) -> Model {
        let mut tensors = Vec::new();
        let (q, kv) = (recipe.n_heads * HEAD_DIM, recipe.n_kv_heads * HEAD_DIM);
        let mut seed = 1;
        let mut weights = BTreeMap::new();
        let mut add = |name: String, cols: usize, rows: usize, ty: GgmlDType, centre: f32, spread: f32| {
            seed += 1;
            let values: Vec<f32> = noise(cols * rows, seed)
                .into_iter()
                .map(|x| centre + x * spread)
                .collect();
            let tensor = Tensor::from_vec(values, (rows, cols), &Device::Cpu).unwrap();
            let quantised = QTensor::quantize(&tensor, ty).unwrap();
            let exact = quantised
                .dequantize(&Device::Cpu)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap();
            weights.insert(name.clone(), exact.into_iter().map(f64::from).collect());
            let dims = if rows == 1 { vec![cols] } else { vec![cols, rows] };
            tensors.push((name, dims, ty, quantised.data().unwrap().into_owned()));
        };
        let wide = |cols: usize| (cols as f32).sqrt().recip() * 1.7;
        add("token_embd.weight".into(), D_MODEL, VOCAB, recipe.ty, 0.0, 1.0);
        add("output_norm.weight".into(), D_MODEL, 1, GgmlDType::F32, 1.0, 0.3);
        if !recipe.tied {
            add(
                "output.weight".into(),
                D_MODEL,
                VOCAB,
                recipe.ty,
                0.0,
                wide(D_MODEL),
            );
        }
        if recipe.rope == RopeKind::Factors {
            add(
                "rope_freqs.weight".into(),
                HEAD_DIM / 2,
                1,
                GgmlDType::F32,
                4.0,
                3.0,
            );
        }
        for layer in 0..recipe.layers {
            let mut add = |part: &str, cols, rows, ty, centre, spread| {
                add(format!("blk.{layer}.{part}"), cols, rows, ty, centre, spread)
            };
            add("attn_norm.weight", D_MODEL, 1, GgmlDType::F32, 1.0, 0.3);
            add("attn_q.weight", D_MODEL, q, recipe.ty, 0.0, wide(D_MODEL));
            add("attn_k.weight", D_MODEL, kv, recipe.ty, 0.0, wide(D_MODEL));
            add("attn_v.weight", D_MODEL, kv, recipe.ty, 0.0, wide(D_MODEL));
            add("attn_output.weight", q, D_MODEL, recipe.ty, 0.0, wide(q));
            if recipe.bias {
                add("attn_q.bias", q, 1, GgmlDType::F32, 0.0, 0.5);
                add("attn_k.bias", kv, 1, GgmlDType::F32, 0.0, 0.5);
                add("attn_v.bias", kv, 1, GgmlDType::F32, 0.0, 0.5);
            }
            if recipe.qk_norm {
                add("attn_q_norm.weight", HEAD_DIM, 1, GgmlDType::F32, 1.0, 0.3);
                add("attn_k_norm.weight", HEAD_DIM, 1, GgmlDType::F32, 1.0, 0.3);
            }
            add("ffn_norm.weight", D_MODEL, 1, GgmlDType::F32, 1.0, 0.3);
            add("ffn_gate.weight", D_MODEL, D_FFN, recipe.ty, 0.0, wide(D_MODEL));
            add("ffn_up.weight", D_MODEL, D_FFN, recipe.ty, 0.0, wide(D_MODEL));
            add("ffn_down.weight", D_FFN, D_MODEL, recipe.ty, 0.0, wide(D_FFN));
        }
        Model {
            file: write(&recipe, &tensors),
            recipe,
            weights,
        }
    }

    /// Logits (n, vocab) of tokens from position 0 on, in f64.
    pub(crate) fn logits(&self, tokens: &[u32]) -> Vec<f64> {
        let weights = |name: &str| &self.weights[name];
        let embedding = weights("token_embd.weight");
        let row = |token: &u32| embedding[*token as usize * D_MODEL..][..D_MODEL].to_vec();
        let mut hidden: Vec<Vec<f64>> = tokens.iter().map(row).collect();
        for layer in 0..self.recipe.layers {
            self.layer(layer, &mut hidden);
        }
        let head = weights(if self.recipe.tied {
            "token_embd.weight"
        } else {
            "output.weight"
        });
        hidden
            .iter()
            .flat_map(|x| product(head, &norm(x, weights("output_norm.weight"))))
            .collect()
    }

    fn layer(&self, layer: usize, hidden: &mut [Vec<f64>]) {
        let weight = |part: &str| &self.weights[&format!("blk.{layer}.{part}")];
        let biased = |part: &str, x: &[f64]| {
            let mut y = product(weight(&format!("{part}.weight")), x);
            if let Some(bias) = self.weights.get(&format!("blk.{layer}.{part}.bias")) {
                y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
            }
            y
        };
        let heads = |part: &str, x: &[f64], position: usize| {
            let plain = biased(part, x);
            let turned = plain.chunks(HEAD_DIM).flat_map(|head| {
                let normed = if self.recipe.qk_norm {
                    norm(head, weight(&format!("{part}_norm.weight")))
                } else {
                    head.to_vec()
                };
                self.turn(&normed, position)
            });
            turned.collect::<Vec<f64>>()
        };
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for (position, x) in hidden.iter_mut().enumerate() {
            let normed = norm(x, weight("attn_norm.weight"));
            let query = heads("attn_q", &normed, position);
            keys.push(heads("attn_k", &normed, position));
            values.push(biased("attn_v", &normed));
            let mut attended = Vec::new();
            for head in 0..self.recipe.n_heads {
                let kv = head * self.recipe.n_kv_heads / self.recipe.n_heads * HEAD_DIM;
                let query = &query[head * HEAD_DIM..][..HEAD_DIM];
                let score =
                    |key: &Vec<f64>| (inner(query, &key[kv..kv + HEAD_DIM]) / (HEAD_DIM as f64).sqrt()).exp();
                let scores: Vec<f64> = keys.iter().map(score).collect();
                let total: f64 = scores.iter().sum();
                attended.extend((0..HEAD_DIM).map(|i| {
                    scores
                        .iter()
                        .zip(&values)
                        .map(|(score, value)| score / total * value[kv + i])
                        .sum::<f64>()
                }));
            }
            add(x, &biased("attn_output", &attended));
            let normed = norm(x, weight("ffn_norm.weight"));
            let (gate, up) = (
                product(weight("ffn_gate.weight"), &normed),
                product(weight("ffn_up.weight"), &normed),
            );
            let inner: Vec<f64> = gate
                .iter()
                .zip(up)
                .map(|(g, u)| g / (1.0 + (-g).exp()) * u)
                .collect();
            add(x, &product(weight("ffn_down.weight"), &inner));
        }
    }

    fn turn(&self, head: &[f64], position: usize) -> Vec<f64> {
        let half = HEAD_DIM / 2;
        let mut out = vec![0.0; HEAD_DIM];
        let mut size = 1.0;
        for pair in 0..half {
            let plain = BASE.powf(-(2.0 * pair as f64) / HEAD_DIM as f64);
            let speed = match self.recipe.rope {
                RopeKind::Plain => plain,
                RopeKind::Linear => plain / FACTOR,
                RopeKind::Factors => plain / self.weights["rope_freqs.weight"][pair],
                RopeKind::Yarn | RopeKind::YarnTuned => {
                    let tuned = self.recipe.rope == RopeKind::YarnTuned;
                    let (fast, slow, attention) = if tuned { TUNED } else { (32.0, 1.0, 1.0) };
                    size = attention * (1.0 + 0.1 * FACTOR.ln());
                    // Pairs that turn more than `fast` times over the original context keep their speed,
                    // those that turn less than `slow` times are slowed, those between are blended.
                    let pair_turning = |turns: f64| {
                        half as f64 * (ORIGINAL_CONTEXT / (turns * std::f64::consts::TAU)).ln() / BASE.ln()
                    };
                    let (low, high) = (pair_turning(fast).floor().max(0.0), pair_turning(slow).ceil());
                    let slow = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    plain * (1.0 - slow) + plain / FACTOR * slow
                }
                RopeKind::Llama3 => {
                    let (low, high) = LLAMA3;
                    let wave = std::f64::consts::TAU / plain;
                    if wave < ORIGINAL_CONTEXT / high {
                        plain
                    } else if wave > ORIGINAL_CONTEXT / low {
                        plain / FACTOR
                    } else {
                        let smooth = (ORIGINAL_CONTEXT / wave - low) / (high - low);
                        (1.0 - smooth) * plain / FACTOR + smooth * plain
                    }
                }
            };
            let (sin, cos) = (position as f64 * speed).sin_cos();
            let (a, b) = if self.recipe.architecture == "llama" {
                (2 * pair, 2 * pair + 1)
            } else {
                (pair, pair + half)
            };
            out[a] = (head[a] * cos - head[b] * sin) * size;
            out[b] = (head[a] * sin + head[b] * cos) * size;
        }
        out
    }
}

/// Uniform in [−1, 1).
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn product(weights: &[f64], x: &[f64]) -> Vec<f64> {
    weights.chunks(x.len()).map(|row| inner(row, x)).collect()
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

fn norm(x: &[f64], weight: &[f64]) -> Vec<f64> {
    let scale = 1.0 / (inner(x, x) / x.len() as f64 + EPS).sqrt();
    x.iter().zip(weight).map(|(x, w)| x * scale * w).collect()
}

type Written = (String, Vec<usize>, GgmlDType, Vec<u8>);

fn write(recipe: &Recipe, tensors: &[Written]) -> Vec<u8> {
    let mut keys = Keys(Vec::new(), 0);
    let arch = recipe.architecture;
    keys.string("general.architecture", arch);
    for (key, value) in [
        ("block_count", recipe.layers),
        ("embedding_length", D_MODEL),
        ("feed_forward_length", D_FFN),
        ("attention.head_count", recipe.n_heads),
        ("attention.head_count_kv", recipe.n_kv_heads),
        ("attention.key_length", HEAD_DIM),
        ("attention.value_length", HEAD_DIM),
        ("context_length", recipe.context),
    ] {
        keys.u32(&format!("{arch}.{key}"), value as u32);
    }
    keys.f32(&format!("{arch}.attention.layer_norm_rms_epsilon"), EPS as f32);
    keys.f32(&format!("{arch}.rope.freq_base"), BASE as f32);
    if let Some(kind) = match recipe.rope {
        RopeKind::Linear => Some("linear"),
        RopeKind::Yarn | RopeKind::YarnTuned => Some("yarn"),
        RopeKind::Llama3 => Some("llama3"),
        _ => None,
    } {
        keys.string(&format!("{arch}.rope.scaling.type"), kind);
        keys.f32(&format!("{arch}.rope.scaling.factor"), FACTOR as f32);
        keys.u32(
            &format!("{arch}.rope.scaling.original_context_length"),
            ORIGINAL_CONTEXT as u32,
        );
    }
    for (name, value) in match recipe.rope {
        RopeKind::YarnTuned => vec![
            ("yarn_beta_fast", TUNED.0),
            ("yarn_beta_slow", TUNED.1),
            ("attn_factor", TUNED.2),
        ],
        RopeKind::Llama3 => vec![("low_freq_factor", LLAMA3.0), ("high_freq_factor", LLAMA3.1)],
        _ => Vec::new(),
    } {
        keys.f32(&format!("{arch}.rope.scaling.{name}"), value as f32);
    }
    keys.string("tokenizer.ggml.model", "llama");
    let names: Vec<String> = (0..VOCAB).map(|i| format!("t{i}")).collect();
    keys.array("tokenizer.ggml.tokens", 8, names.iter().map(|name| string(name)));
    keys.array(
        "tokenizer.ggml.scores",
        6,
        (0..VOCAB).map(|i| (-(i as f32)).to_le_bytes().to_vec()),
    );
    keys.array(
        "tokenizer.ggml.token_type",
        5,
        (0..VOCAB).map(|_| 1i32.to_le_bytes().to_vec()),
    );

    let (mut infos, mut data) = (Vec::new(), Vec::new());
    for (name, dims, ty, bytes) in tensors {
        infos.extend(string(name));
        infos.extend((dims.len() as u32).to_le_bytes());
        dims.iter()
            .for_each(|dim| infos.extend((*dim as u64).to_le_bytes()));
        infos.extend(code(*ty).to_le_bytes());
        infos.extend((data.len() as u64).to_le_bytes());
        data.extend(bytes);
        data.resize(data.len().next_multiple_of(32), 0);
    }
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend((tensors.len() as u64).to_le_bytes());
    file.extend((keys.1 as u64).to_le_bytes());
    file.extend(keys.0);
    file.extend(infos);
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(data);
    file
}

struct Keys(Vec<u8>, usize);

impl Keys {
    fn key(&mut self, key: &str, ty: u32) {
        self.0.extend(string(key));
        self.0.extend(ty.to_le_bytes());
        self.1 += 1;
    }

    fn string(&mut self, key: &str, value: &str) {
        self.key(key, 8);
        self.0.extend(string(value));
    }

    fn u32(&mut self, key: &str, value: u32) {
        self.key(key, 4);
        self.0.extend(value.to_le_bytes());
    }

    fn f32(&mut self, key: &str, value: f32) {
        self.key(key, 6);
        self.0.extend(value.to_le_bytes());
    }

    fn array(&mut self, key: &str, ty: u32, items: impl ExactSizeIterator<Item = Vec<u8>>) {
        self.key(key, 9);
        self.0.extend(ty.to_le_bytes());
        self.0.extend((items.len() as u64).to_le_bytes());
        items.for_each(|item| self.0.extend(item));
    }
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn code(ty: GgmlDType) -> u32 {
    match ty {
        GgmlDType::F32 => 0,
        GgmlDType::F16 => 1,
        GgmlDType::Q4_0 => 2,
        GgmlDType::Q4_1 => 3,
        GgmlDType::Q5_0 => 6,
        GgmlDType::Q5_1 => 7,
        GgmlDType::Q8_0 => 8,
        GgmlDType::Q2K => 10,
        GgmlDType::Q3K => 11,
        GgmlDType::Q4K => 12,
        GgmlDType::Q5K => 13,
        GgmlDType::Q6K => 14,
        GgmlDType::BF16 => 30,
        other => panic!("{other:?} is not written here"),
    }
}
