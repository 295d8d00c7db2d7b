//! The vocabulary and the chat template, as far as a reader can judge them without running anything.
//! Does not render templates: those that mean harm when they run are tested where they run.

use gguf::synthetic::SplitMix;

use super::Given;
use super::draft::{Draft, Value, refused, string};

pub(super) fn tables_of_different_lengths(draft: Draft, random: &mut SplitMix) -> Given {
    let off = [-1_i64, 1, 5][random.below(3) as usize];
    let len = u64::from(draft.shape.vocab).saturating_add_signed(off);
    let files = [("tokenizer.ggml.scores", 6), ("tokenizer.ggml.token_type", 5)].map(|(key, code)| {
        let mut draft = draft.clone();
        draft.set(key, Value::Array(code, len, vec![0; 4 * len as usize]));
        draft.file()
    });
    refused("entries for", files)
}

pub(super) fn a_token_of_a_mebibyte(mut draft: Draft, random: &mut SplitMix) -> Given {
    let at = random.below(draft.shape.vocab.into()) as u32;
    tokens(
        &mut draft,
        |id| if id == at { vec![b'x'; 1 << 20] } else { name(id) },
    );
    draft.refused("has 1048576 bytes")
}

pub(super) fn tokens_twice(mut draft: Draft, random: &mut SplitMix) -> Given {
    let last = draft.shape.vocab - 1;
    let twin = random.below(last.into()) as u32;
    tokens(&mut draft, |id| name(if id == last { twin } else { id }));
    draft.refused("repeats an earlier one")
}

pub(super) fn special_token_outside(draft: Draft, random: &mut SplitMix) -> Given {
    let id = draft.shape.vocab + random.below(1 << 20) as u32;
    let files = ["bos", "eos", "padding", "unknown", "eot"].map(|which| {
        let mut draft = draft.clone();
        draft.set(&format!("tokenizer.ggml.{which}_token_id"), Value::U32(id));
        draft.file()
    });
    refused("in a vocabulary of", files)
}

pub(super) fn special_token_negative(draft: Draft, _: &mut SplitMix) -> Given {
    let files = ["bos", "eos", "padding"].map(|which| {
        let mut draft = draft.clone();
        draft.set(&format!("tokenizer.ggml.{which}_token_id"), Value::I32(-1));
        draft.file()
    });
    refused("is of type i32", files)
}

pub(super) fn merge_without_space(draft: Draft, random: &mut SplitMix) -> Given {
    let forms = ["t1", "t1 ", "", " "];
    merge(
        draft,
        forms[random.below(4) as usize],
        "is not two tokens with a space between them",
    )
}

pub(super) fn merge_to_unknown_tokens(draft: Draft, random: &mut SplitMix) -> Given {
    let forms = ["t1 t2", "nobody t1", "t1 nobody"];
    merge(draft, forms[random.below(3) as usize], "not in the vocabulary")
}

pub(super) fn ten_million_merges(mut draft: Draft, _: &mut SplitMix) -> Given {
    draft.file_bytes = Some(200 << 20);
    draft.set(
        "tokenizer.ggml.merges",
        Value::Array(8, 10_000_000, string(b"t1 t2")),
    );
    draft.refused("elements of an array")
}

pub(super) fn token_not_utf8(mut draft: Draft, random: &mut SplitMix) -> Given {
    let bad = [
        &[0xFF][..],
        &[0xC3],
        &[0xED, 0xA0, 0x80],
        &[0xF4, 0x90, 0x80, 0x80],
        &[0xC0, 0x80],
    ];
    let bad = bad[random.below(5) as usize];
    let at = random.below(draft.shape.vocab.into()) as u32;
    tokens(&mut draft, |id| if id == at { bad.to_vec() } else { name(id) });
    draft.refused("is not UTF-8")
}

pub(super) fn template_of_ten_mebibytes(mut draft: Draft, random: &mut SplitMix) -> Given {
    let keys = ["tokenizer.chat_template", "tokenizer.chat_template.tool_use"];
    let key = keys[random.below(2) as usize];
    draft.set(key, Value::Text(&"x".repeat(10 << 20)));
    draft.refused("bytes of a chat template")
}

fn name(id: u32) -> Vec<u8> {
    format!("t{id}").into_bytes()
}

fn tokens(draft: &mut Draft, token: impl Fn(u32) -> Vec<u8>) {
    let vocab = draft.shape.vocab;
    let items = (0..vocab).flat_map(|id| string(&token(id))).collect();
    draft.set("tokenizer.ggml.tokens", Value::Array(8, vocab.into(), items));
}

fn merge(mut draft: Draft, merge: &str, error: &'static str) -> Given {
    draft.set(
        "tokenizer.ggml.merges",
        Value::Array(8, 1, string(merge.as_bytes())),
    );
    draft.refused(error)
}
