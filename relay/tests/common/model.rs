//! A small sound GGUF, written by the test.
//! Its weights mean nothing.
#![allow(clippy::unwrap_used)]

const ALIGNMENT: usize = 32;
const F32: u32 = 0;

/// A llama of `layers` layers whose weights are `seed` and up: two seeds, two files.
pub fn gguf(layers: u32, seed: u32) -> Vec<u8> {
    let (d, ffn, vocab) = (32_u64, 64_u64, 96_u64);
    let mut tensors: Vec<(String, Vec<u64>)> = vec![
        ("token_embd.weight".into(), vec![d, vocab]),
        ("output_norm.weight".into(), vec![d]),
    ];
    for layer in 0..layers {
        let parts: [(&str, Vec<u64>); 9] = [
            ("attn_norm", vec![d]),
            ("attn_q", vec![d, d]),
            ("attn_k", vec![d, d]),
            ("attn_v", vec![d, d]),
            ("attn_output", vec![d, d]),
            ("ffn_norm", vec![d]),
            ("ffn_gate", vec![d, ffn]),
            ("ffn_up", vec![d, ffn]),
            ("ffn_down", vec![ffn, d]),
        ];
        for (part, dims) in parts {
            tensors.push((format!("blk.{layer}.{part}.weight"), dims));
        }
    }
    let mut file = b"GGUF".to_vec();
    file.extend(3_u32.to_le_bytes());
    file.extend((tensors.len() as u64).to_le_bytes());
    let numbers = [
        ("llama.block_count", layers),
        ("llama.context_length", 128),
        ("llama.embedding_length", d as u32),
        ("llama.feed_forward_length", ffn as u32),
        ("llama.attention.head_count", 4),
        ("llama.attention.head_count_kv", 4),
        ("llama.rope.dimension_count", 8),
    ];
    file.extend((numbers.len() as u64 + 7).to_le_bytes());
    for (key, text) in [
        ("general.architecture", "llama"),
        ("general.name", "Tiny"),
        ("tokenizer.ggml.model", "llama"),
    ] {
        string(&mut file, key);
        file.extend(8_u32.to_le_bytes());
        string(&mut file, text);
    }
    for (key, number) in numbers {
        string(&mut file, key);
        file.extend(4_u32.to_le_bytes());
        file.extend(number.to_le_bytes());
    }
    string(&mut file, "llama.attention.layer_norm_rms_epsilon");
    file.extend(6_u32.to_le_bytes());
    file.extend(1e-5_f32.to_le_bytes());
    array(&mut file, "tokenizer.ggml.tokens", 8, vocab);
    for token in 0..vocab {
        string(&mut file, &format!("<{token}>"));
    }
    array(&mut file, "tokenizer.ggml.scores", 6, vocab);
    for token in 0..vocab {
        file.extend((-(token as f32)).to_le_bytes());
    }
    array(&mut file, "tokenizer.ggml.token_type", 5, vocab);
    for _ in 0..vocab {
        file.extend(1_i32.to_le_bytes());
    }
    let mut offset = 0_u64;
    for (name, dims) in &tensors {
        string(&mut file, name);
        file.extend((dims.len() as u32).to_le_bytes());
        for dim in dims {
            file.extend(dim.to_le_bytes());
        }
        file.extend(F32.to_le_bytes());
        file.extend(offset.to_le_bytes());
        offset += (dims.iter().product::<u64>() * 4).next_multiple_of(ALIGNMENT as u64);
    }
    file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
    let data = file.len() + usize::try_from(offset).unwrap();
    let mut weight = seed;
    while file.len() < data {
        weight = weight.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        file.extend((weight as f32 / u32::MAX as f32 - 0.5).to_le_bytes());
    }
    file
}

/// The beginning of an array of `items` values of the type with that code.
fn array(file: &mut Vec<u8>, key: &str, code: u32, items: u64) {
    string(file, key);
    file.extend(9_u32.to_le_bytes());
    file.extend(code.to_le_bytes());
    file.extend(items.to_le_bytes());
}

fn string(file: &mut Vec<u8>, text: &str) {
    file.extend((text.len() as u64).to_le_bytes());
    file.extend(text.as_bytes());
}
