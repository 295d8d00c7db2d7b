//! The four shared vocabularies: every test string to exactly the expected ids, and back.
//! Does nothing, and says so, where the shared vectors are not there.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../examples/support/mod.rs"]
mod support;

use engine::{Decoder, MAX_WORD_CHARS, Tokenizer};
use support::{shared, vocabulary};

const SEPARATOR: &str = "\n__ggml_vocab_test__\n";

/// A string and its ids.
type Vector = (String, Vec<u32>);

/// The tokenizer, and its strings with their ids.
fn vectors(name: &str) -> Option<(Tokenizer, Vec<Vector>)> {
    let path = shared(&format!("vectors/vocab-{name}.gguf"))?;
    let tokenizer = Tokenizer::from_header(&vocabulary(&path).unwrap()).unwrap();
    let input = std::fs::read_to_string(format!("{path}.inp")).unwrap();
    let output = std::fs::read_to_string(format!("{path}.out")).unwrap();
    let texts = input
        .strip_suffix(SEPARATOR)
        .unwrap()
        .split(SEPARATOR)
        .map(str::to_owned);
    let ids = output
        .lines()
        .map(|line| line.split_whitespace().map(|id| id.parse().unwrap()).collect());
    Some((tokenizer, texts.zip(ids).collect()))
}

fn check(name: &str, comes_back: bool) {
    let Some((tokenizer, vectors)) = vectors(name) else {
        return;
    };
    assert!(vectors.len() >= 46, "{name}: {} vectors", vectors.len());
    for (text, ids) in &vectors {
        assert_eq!(&tokenizer.encode(text, false), ids, "{name}: {text:?}");
        if comes_back {
            assert_eq!(&tokenizer.decode(ids), text, "{name}: {text:?}");
        }
        streams_whole_characters(&tokenizer, ids);
    }
}

/// The pieces are strings, so they are valid UTF-8 by their type; joined they must be the whole.
fn streams_whole_characters(tokenizer: &Tokenizer, ids: &[u32]) {
    let mut bytes = Vec::new();
    ids.iter().for_each(|id| tokenizer.bytes(*id, &mut bytes));
    let mut decoder = Decoder::continuing();
    let mut pieces: Vec<String> = ids.iter().map(|id| decoder.push(tokenizer, *id)).collect();
    assert!(pieces.iter().all(|piece| !piece.contains('\u{fffd}')));
    pieces.push(decoder.finish());
    assert_eq!(pieces.concat().into_bytes(), bytes);
}

#[test]
fn sentencepiece_strings_become_their_ids_and_come_back() {
    check("llama-spm", true);
}

#[test]
fn gpt2_strings_become_their_ids_and_come_back() {
    check("gpt-2", true);
}

#[test]
fn deepseek_strings_become_their_ids_and_come_back() {
    check("deepseek-llm", true);
}

#[test]
fn bert_strings_become_their_ids() {
    check("bert-bge", false);
}

#[test]
fn beginnings_are_added_where_the_model_wants_them() {
    let Some((spm, _)) = vectors("llama-spm") else {
        return;
    };
    assert_eq!(spm.encode("Hello", true), [1, 15043]);
    assert_eq!(spm.encode("Hello", false), [15043]);
    assert_eq!(spm.encode("", true), [1]);
    assert_eq!((spm.bos(), spm.eos()), (Some(1), Some(2)));
    assert!(spm.is_end(2) && !spm.is_end(15043));
    let Some((bert, _)) = vectors("bert-bge") else {
        return;
    };
    assert_eq!(bert.encode("Hello", true), [101, 7592, 102]);
    let longest = "a".repeat(MAX_WORD_CHARS);
    assert_ne!(bert.encode(&longest, false), [100]);
    assert_eq!(
        bert.encode(&(longest + "a"), false),
        [100],
        "a longer word is unknown as a whole"
    );
    let Some((gpt2, _)) = vectors("gpt-2") else { return };
    assert_eq!(gpt2.encode("Hello", true), [15496]);
}

#[test]
fn control_tokens_are_text_in_a_prompt_and_tokens_in_a_template() {
    let Some((spm, _)) = vectors("llama-spm") else {
        return;
    };
    assert_eq!(
        spm.encode_chat("<s>Hello</s>"),
        [1, 15043, 2],
        "the template's own BOS is not doubled"
    );
    assert_eq!(spm.encode_chat("Hello</s>"), [1, 15043, 2]);
    let plain = spm.encode("Hello</s>", true);
    assert!(!plain.contains(&2) && plain.len() > 3);
    assert_eq!(spm.decode(&plain), "Hello</s>");
}

#[test]
fn a_character_that_never_ends_becomes_a_replacement_not_a_panic() {
    let Some((gpt2, _)) = vectors("gpt-2") else { return };
    let llama = gpt2.encode("🦙", false);
    assert!(llama.len() > 1);
    let mut decoder = Decoder::continuing();
    assert_eq!(decoder.push(&gpt2, llama[0]), "");
    assert_eq!(decoder.clone().finish(), "\u{fffd}");
    assert_eq!(decoder.push(&gpt2, 39), "\u{fffd}H");
    assert_eq!(
        decoder.push(&gpt2, u32::MAX),
        "",
        "an id outside the vocabulary has no text"
    );
}
