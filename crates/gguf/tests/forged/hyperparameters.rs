//! The numbers of the model: each alone out of its range, and against each other and the tensors.
//! Does not change how anything is encoded, but for types.

use gguf::synthetic::SplitMix;

use super::Given;
use super::draft::{Draft, Value, refused, string};

const POSITIVE: &str = "a positive number of a sane size";

pub(super) fn no_heads(draft: Draft, _: &mut SplitMix) -> Given {
    set(draft, "llama.attention.head_count", Value::U32(0), POSITIVE)
}

pub(super) fn no_kv_heads(draft: Draft, _: &mut SplitMix) -> Given {
    set(
        draft,
        "llama.attention.head_count_kv",
        Value::U32(0),
        "a divisor of head_count",
    )
}

pub(super) fn more_kv_heads_than_heads(draft: Draft, random: &mut SplitMix) -> Given {
    let many = draft.shape.heads * (2 + random.below(9) as u32);
    set(
        draft,
        "llama.attention.head_count_kv",
        Value::U32(many),
        "a divisor of head_count",
    )
}

pub(super) fn kv_heads_that_do_not_divide(mut draft: Draft, _: &mut SplitMix) -> Given {
    draft.set("llama.attention.head_count", Value::U32(4));
    set(
        draft,
        "llama.attention.head_count_kv",
        Value::U32(3),
        "a divisor of head_count",
    )
}

pub(super) fn width_that_heads_do_not_divide(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.set("llama.attention.head_count", Value::U32(4));
    draft.set("llama.attention.head_count_kv", Value::U32(4));
    let width = draft.shape.width + 1 + random.below(3) as u32;
    set(
        draft,
        "llama.embedding_length",
        Value::U32(width),
        "a multiple of head_count",
    )
}

pub(super) fn odd_rope_dimensions(draft: Draft, random: &mut SplitMix) -> Given {
    let odd = 1 + 2 * random.below(16) as u32;
    let files = [0, odd, 34, u32::MAX].map(|dimensions| {
        let mut draft = draft.clone();
        draft.set("llama.rope.dimension_count", Value::U32(dimensions));
        draft.file()
    });
    refused("even and at most the length of a head", files)
}

pub(super) fn no_layers(draft: Draft, _: &mut SplitMix) -> Given {
    set(draft, "llama.block_count", Value::U32(0), POSITIVE)
}

pub(super) fn layers_2_31(draft: Draft, _: &mut SplitMix) -> Given {
    set(draft, "llama.block_count", Value::U32(1 << 31), POSITIVE)
}

pub(super) fn layers_that_are_not_there(draft: Draft, random: &mut SplitMix) -> Given {
    let layers = draft.shape.layers + 1 + random.below(9) as u32;
    set(draft, "llama.block_count", Value::U32(layers), "is missing")
}

pub(super) fn no_context(draft: Draft, _: &mut SplitMix) -> Given {
    set(draft, "llama.context_length", Value::U32(0), POSITIVE)
}

pub(super) fn context_2_63(draft: Draft, _: &mut SplitMix) -> Given {
    set(
        draft,
        "llama.context_length",
        Value::U64(1 << 63),
        "is of type u64",
    )
}

pub(super) fn rope_base_0(draft: Draft, _: &mut SplitMix) -> Given {
    base(draft, 0.0)
}

pub(super) fn rope_base_minus_1(draft: Draft, _: &mut SplitMix) -> Given {
    base(draft, -1.0)
}

pub(super) fn rope_base_nan(draft: Draft, _: &mut SplitMix) -> Given {
    base(draft, f32::NAN)
}

pub(super) fn rope_base_infinite(draft: Draft, _: &mut SplitMix) -> Given {
    base(draft, f32::INFINITY)
}

pub(super) fn epsilon_nan(draft: Draft, _: &mut SplitMix) -> Given {
    epsilon(draft, f32::NAN)
}

pub(super) fn epsilon_negative(draft: Draft, random: &mut SplitMix) -> Given {
    epsilon(draft, -1e-6 - random.signed().abs())
}

pub(super) fn vocab_size_unlike_the_tokens(draft: Draft, random: &mut SplitMix) -> Given {
    let vocab = draft.shape.vocab + 1 + random.below(9) as u32;
    set(
        draft,
        "llama.vocab_size",
        Value::U32(vocab),
        "not the number of tokens",
    )
}

/// All tables of the vocabulary agree, but the embedding has other rows.
pub(super) fn tokens_unlike_the_embedding(mut draft: Draft, random: &mut SplitMix) -> Given {
    let vocab = draft.shape.vocab - 1 - random.below(4) as u32;
    draft.set("llama.vocab_size", Value::U32(vocab));
    let tokens = (0..vocab)
        .flat_map(|id| string(format!("t{id}").as_bytes()))
        .collect();
    draft.set("tokenizer.ggml.tokens", Value::Array(8, vocab.into(), tokens));
    let four = |_| [0_u8; 4];
    draft.set(
        "tokenizer.ggml.scores",
        Value::Array(6, vocab.into(), (0..vocab).flat_map(four).collect()),
    );
    draft.set(
        "tokenizer.ggml.token_type",
        Value::Array(5, vocab.into(), (0..vocab).flat_map(four).collect()),
    );
    draft.refused("has the shape")
}

pub(super) fn experts(mut draft: Draft, random: &mut SplitMix) -> Given {
    draft.set("llama.expert_count", Value::U32(random.below(9) as u32));
    set(
        draft,
        "llama.expert_used_count",
        Value::U32(1 + random.below(99) as u32),
        "mixtures of experts",
    )
}

pub(super) fn unknown_architecture(draft: Draft, random: &mut SplitMix) -> Given {
    let names = ["", "lama", "LLAMA", "llama\0", "mamba", "gemma3n"];
    let name = names[random.below(names.len() as u64) as usize];
    set(
        draft,
        "general.architecture",
        Value::Text(name),
        "is not supported: llama",
    )
}

/// Every key that is read, with a value of a type that it never has.
pub(super) fn every_key_of_another_type(draft: Draft, _: &mut SplitMix) -> Given {
    let ignored = ["general.name", "tokenizer.ggml.model"];
    let read = draft
        .entries
        .iter()
        .filter(|entry| !ignored.iter().any(|key| key.as_bytes() == entry.key));
    let files: Vec<_> = read
        .map(|entry| {
            let mut draft = draft.clone();
            draft.set(&String::from_utf8_lossy(&entry.key), Value::U64(32));
            draft.file()
        })
        .collect();
    refused("is of type u64", files)
}

fn base(draft: Draft, base: f32) -> Given {
    set(
        draft,
        "llama.rope.freq_base",
        Value::F32(base),
        "finite and at least 1",
    )
}

fn epsilon(draft: Draft, epsilon: f32) -> Given {
    set(
        draft,
        "llama.attention.layer_norm_rms_epsilon",
        Value::F32(epsilon),
        "between 0 and 1",
    )
}

fn set(mut draft: Draft, key: &str, value: Value<'_>, error: &'static str) -> Given {
    draft.set(key, value);
    draft.refused(error)
}
