//! Learns a byte-level BPE vocabulary (Sennrich et al. 2016) from text: words as `smollm`'s rules cut them.
//! Does not encode: `engine` does, from the file that carries the vocabulary.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::TrainError;

/// Control tokens, behind all others.
pub const CONTROLS: [&str; 4] = ["<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>"];

/// Tokens and how they came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// Tokens as the file writes them: bytes as printable characters, then merges, then [`CONTROLS`].
    pub tokens: Vec<String>,
    /// Pairs, best first.
    pub merges: Vec<(String, String)>,
}

impl Vocabulary {
    /// Learns at most `size` tokens; fewer where the text has no more pairs that come twice.
    ///
    /// # Errors
    /// [`TrainError::Vocabulary`], [`TrainError::EmptyCorpus`].
    pub fn learn<'a>(texts: impl Iterator<Item = &'a str>, size: u32) -> Result<Vocabulary, TrainError> {
        let specials = CONTROLS.len() as u32;
        let needed = 256 + specials;
        if size < needed {
            return Err(TrainError::Vocabulary {
                found: size,
                specials,
                needed,
            });
        }
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for text in texts {
            for word in words(text) {
                *counts.entry(word).or_default() += 1;
            }
        }
        if counts.is_empty() {
            return Err(TrainError::EmptyCorpus);
        }
        let mut learner = Learner::new(&counts);
        while (learner.tokens.len() as u32) < size - specials && learner.merge_best() {}
        let mut tokens = learner.tokens;
        tokens.extend(CONTROLS.map(str::to_owned));
        Ok(Vocabulary {
            tokens,
            merges: learner.merges,
        })
    }

    /// The id of a control token.
    pub fn control(&self, name: &str) -> u32 {
        let at = self.tokens.iter().rposition(|token| token == name);
        at.unwrap_or_default() as u32
    }
}

/// The words seen, as tokens, and how often each pair of neighbours comes.
struct Learner {
    tokens: Vec<String>,
    merges: Vec<(String, String)>,
    words: Vec<(Vec<u32>, i64)>,
    pairs: HashMap<(u32, u32), i64>,
}

impl Learner {
    fn new(counts: &BTreeMap<String, i64>) -> Learner {
        let mut learner = Learner {
            tokens: (0..=u8::MAX).map(|byte| printable(byte).to_string()).collect(),
            merges: Vec::new(),
            words: Vec::new(),
            pairs: HashMap::new(),
        };
        for (word, count) in counts {
            let ids: Vec<u32> = word.bytes().map(u32::from).collect();
            learner.count(&ids, *count);
            learner.words.push((ids, *count));
        }
        learner
    }

    fn count(&mut self, word: &[u32], times: i64) {
        for pair in word.windows(2) {
            *self.pairs.entry((pair[0], pair[1])).or_default() += times;
        }
    }

    /// Makes the commonest pair a token, the first by id among equals. False when no pair comes twice.
    fn merge_best(&mut self) -> bool {
        let best = self
            .pairs
            .iter()
            .max_by_key(|(pair, count)| (**count, std::cmp::Reverse(**pair)));
        let Some((&(left, right), &count)) = best else {
            return false;
        };
        if count < 2 {
            return false;
        }
        let made = self.tokens.len() as u32;
        let parts = [left, right].map(|id| self.tokens[id as usize].clone());
        self.tokens.push(parts.concat());
        let [left_text, right_text] = parts;
        self.merges.push((left_text, right_text));
        for at in 0..self.words.len() {
            let (word, times) = &self.words[at];
            if !word.windows(2).any(|pair| (pair[0], pair[1]) == (left, right)) {
                continue;
            }
            let (old, times) = (word.clone(), *times);
            let new = join(&old, (left, right), made);
            self.count(&old, -times);
            self.count(&new, times);
            self.words[at].0 = new;
        }
        self.pairs.remove(&(left, right));
        true
    }
}

fn join(word: &[u32], pair: (u32, u32), made: u32) -> Vec<u32> {
    let mut new = Vec::with_capacity(word.len());
    let mut at = 0;
    while at < word.len() {
        if at + 1 < word.len() && (word[at], word[at + 1]) == pair {
            new.push(made);
            at += 2;
        } else {
            new.push(word[at]);
            at += 1;
        }
    }
    new
}

/// GPT-2's printable stand-in for a byte.
fn printable(byte: u8) -> char {
    let stands_for_itself = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if stands_for_itself(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|other| !stands_for_itself(*other)).count() as u32;
    char::from_u32(256 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Cuts a text as `tokenizer.ggml.pre` = `smollm` does: digits alone, then contractions, letters and the rest, each
/// with the space before it.
fn words(text: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Digit,
        Letter,
        Space,
        Other,
    }
    let class = |c: char| match c {
        c if c.is_numeric() => Class::Digit,
        c if c.is_alphabetic() => Class::Letter,
        c if c.is_whitespace() => Class::Space,
        _ => Class::Other,
    };
    let chars: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        let contraction = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"]
            .iter()
            .map(|end| end.chars().collect::<Vec<char>>())
            .find(|end| chars[at..].starts_with(end));
        if let Some(end) = contraction {
            at += end.len();
        } else {
            // A digit is a word of its own: a space before it does not join it.
            let spaced = chars[at] == ' '
                && chars
                    .get(at + 1)
                    .is_some_and(|c| !matches!(class(*c), Class::Space | Class::Digit));
            at += usize::from(spaced);
            let kind = class(chars[at]);
            at += 1;
            while kind != Class::Digit && at < chars.len() && class(chars[at]) == kind {
                at += 1;
            }
            let more = chars.get(at).is_some_and(|c| class(*c) != Class::Digit);
            if kind == Class::Space && at - start > 1 && more {
                at -= 1; // the last space belongs to the next word
            }
        }
        words.push(chars[start..at].iter().collect());
    }
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_are_cut_at_digits_contractions_and_punctuation() {
        let check = |text: &str, expect: &[&str]| assert_eq!(words(text), expect, "{text}");
        check(
            "What's this, 12 + 3?",
            &["What", "'s", " this", ",", " ", "1", "2", " +", " ", "3", "?"],
        );
        check("a  b\n\nc", &["a", " ", " b", "\n", "\n", "c"]);
        check("", &[]);
    }

    #[test]
    fn the_commonest_pair_is_merged_first_and_equals_by_id() {
        let vocabulary = Vocabulary::learn(["abab abab cd cd"].into_iter(), 270).unwrap();
        let pair = |at: usize| (vocabulary.merges[at].0.as_str(), vocabulary.merges[at].1.as_str());
        assert_eq!(pair(0), ("a", "b"));
        // (ab, ab), (c, d) and (space, c) come twice each: the space has the lowest id.
        assert_eq!(pair(1), ("Ġ", "c"));
        assert_eq!(
            vocabulary.tokens.len(),
            256 + vocabulary.merges.len() + CONTROLS.len()
        );
        assert_eq!(
            vocabulary.control("<|end|>") as usize,
            vocabulary.tokens.len() - 1
        );
    }

    #[test]
    fn a_vocabulary_without_room_for_every_byte_is_refused() {
        let refused = |text: &'static str, size| Vocabulary::learn([text].into_iter(), size).unwrap_err();
        assert!(refused("abc", 255).to_string().contains("at least 260"));
        assert!(refused("abc", 259).to_string().contains("259"));
        assert!(Vocabulary::learn(["abc"].into_iter(), 260).is_ok());
        assert!(matches!(refused("", 300), TrainError::EmptyCorpus));
    }
}
