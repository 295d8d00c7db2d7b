//! Whether the tables of a vocabulary fit each other.
//! Does not tokenize.

use std::collections::HashSet;

use crate::error::{GgufError, excerpt};
use crate::limits::{MAX_TEMPLATE_BYTES, MAX_TOKEN_BYTES, MAX_VOCAB};
use crate::metadata::Metadata;
use crate::strings::Strings;
use crate::value::Value;

const TOKENS: &str = "tokenizer.ggml.tokens";
const SCORES: &str = "tokenizer.ggml.scores";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";

/// Checks `tokenizer.*` and returns how many tokens there are.
pub(crate) fn check(metadata: &Metadata) -> Result<u32, GgufError> {
    let tokens = metadata
        .strings(TOKENS)?
        .ok_or_else(|| GgufError::MissingKey(TOKENS.into()))?;
    let vocab = u32::try_from(tokens.len())
        .ok()
        .filter(|vocab| *vocab <= MAX_VOCAB)
        .ok_or(GgufError::Limit {
            what: "tokens",
            found: tokens.len() as u64,
            limit: MAX_VOCAB.into(),
        })?;
    check_tables(metadata, tokens)?;
    let set = distinct(tokens)?;
    check_ids(metadata, vocab)?;
    if let Some(merges) = metadata.strings(MERGES)? {
        check_merges(merges, &set)?;
    }
    check_templates(metadata)?;
    Ok(vocab)
}

fn check_tables(metadata: &Metadata, tokens: &Strings) -> Result<(), GgufError> {
    let same = |table: &'static str, found: usize| {
        let (found, tokens) = (found as u64, tokens.len() as u64);
        if found == tokens {
            Ok(())
        } else {
            Err(GgufError::TableLength { table, found, tokens })
        }
    };
    if let Some(scores) = metadata.f32s(SCORES)? {
        same(SCORES, scores.len())?;
        if let Some(id) = scores.iter().position(|score| score.is_nan()) {
            return Err(GgufError::Score { id: id as u32 });
        }
    }
    metadata
        .i32s(TYPES)?
        .map_or(Ok(()), |types| same(TYPES, types.len()))
}

/// The tokens as a set. Empty ones may repeat: converters fill holes in a vocabulary with them.
fn distinct(tokens: &Strings) -> Result<HashSet<&str>, GgufError> {
    let mut set = HashSet::with_capacity(tokens.len());
    for (id, token) in (0..).zip(tokens.iter()) {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(GgufError::TokenBytes {
                id,
                bytes: token.len() as u64,
            });
        }
        if !set.insert(token) && !token.is_empty() {
            return Err(GgufError::DuplicateToken { id });
        }
    }
    Ok(set)
}

/// Every `tokenizer.ggml.…_token_id`.
fn check_ids(metadata: &Metadata, vocab: u32) -> Result<(), GgufError> {
    for (key, value) in metadata.iter() {
        if !key.starts_with("tokenizer.ggml.") || !key.ends_with("_token_id") {
            continue;
        }
        let Value::U32(id) = *value else {
            return Err(GgufError::WrongType {
                key: key.to_owned(),
                found: value.type_name(),
                needed: "u32",
            });
        };
        if id >= vocab {
            return Err(GgufError::TokenOutOfRange {
                key: key.to_owned(),
                id,
                vocab,
            });
        }
    }
    Ok(())
}

fn check_merges(merges: &Strings, tokens: &HashSet<&str>) -> Result<(), GgufError> {
    let mut made = String::new();
    for (index, merge) in (0..).zip(merges.iter()) {
        let wrong = |reason| Err(GgufError::Merge { index, reason });
        // A token may itself begin with a space; only the first one behind it separates.
        let split = merge.char_indices().skip(1).find(|(_, c)| *c == ' ');
        let Some((at, _)) = split else {
            return wrong("is not two tokens with a space between them");
        };
        let (left, right) = (&merge[..at], &merge[at + 1..]);
        made.clear();
        made.push_str(left);
        made.push_str(right);
        if right.is_empty() {
            return wrong("is not two tokens with a space between them");
        }
        if !tokens.contains(left) || !tokens.contains(right) || !tokens.contains(made.as_str()) {
            return wrong("its parts or what it makes are not in the vocabulary");
        }
    }
    Ok(())
}

fn check_templates(metadata: &Metadata) -> Result<(), GgufError> {
    const TEMPLATE: &str = "tokenizer.chat_template";
    for (key, value) in metadata
        .iter()
        .filter(|(key, _)| *key == TEMPLATE || key.starts_with("tokenizer.chat_template."))
    {
        let Value::String(template) = value else {
            let (key, found) = (excerpt(key.as_bytes()), value.type_name());
            return Err(GgufError::WrongType {
                key,
                found,
                needed: "string",
            });
        };
        if template.len() > MAX_TEMPLATE_BYTES {
            let (found, limit) = (template.len() as u64, MAX_TEMPLATE_BYTES as u64);
            return Err(GgufError::Limit {
                what: "bytes of a chat template",
                found,
                limit,
            });
        }
    }
    Ok(())
}
