//! WordPiece as BERT uses it: words in lower case without accents, longest known piece first.
//! Does not add [CLS] and [SEP]: the tokenizer does.

use unicode_normalization::UnicodeNormalization;

use super::split::{mark, punctuation};
use super::spm::SPACE;
use super::vocab::Vocab;

/// Characters of a word beyond which it is unknown as a whole, as in BERT's own tokenizer. Bounds
/// the quadratic search.
pub const MAX_WORD_CHARS: usize = 100;

/// Appends the tokens of `text`.
pub(crate) fn encode(vocab: &Vocab, text: &str, out: &mut Vec<u32>) {
    for word in words(text) {
        let start = out.len();
        if !pieces(vocab, &word, out) {
            out.truncate(start);
            out.extend(vocab.unknown());
        }
    }
}

/// Whether the word is made of known pieces alone.
fn pieces(vocab: &Vocab, word: &str, out: &mut Vec<u32>) -> bool {
    if word.chars().count() > MAX_WORD_CHARS {
        return false;
    }
    // Converted vocabularies mark the beginning of a word, where BERT's own marks the rest.
    let word: String = std::iter::once(SPACE).chain(word.chars()).collect();
    let mut rest = word.as_str();
    while !rest.is_empty() {
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
        let found = ends
            .into_iter()
            .find_map(|end| Some((end, vocab.find(&rest.as_bytes()[..end])?)));
        let Some((end, id)) = found else { return false };
        out.push(id);
        rest = &rest[end..];
    }
    true
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in text.nfd().filter(|c| !mark(*c)).flat_map(char::to_lowercase) {
        if c.is_whitespace() {
            words.push(String::new());
        } else if c == '\0' || c == char::REPLACEMENT_CHARACTER || c.is_control() {
            continue;
        } else if punctuation(c) || c.is_ascii_punctuation() || chinese(c) {
            words.push(c.to_string());
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The blocks that BERT calls Chinese characters.
fn chinese(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{2a6df}' | '\u{2a700}'..='\u{2b73f}'
        | '\u{2b740}'..='\u{2b81f}' | '\u{2b820}'..='\u{2ceaf}' | '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}
