//! Byte-level BPE: words from the pre-tokenizer, bytes as printable characters, merges by rank.
//! Does not split text into words: that is [`super::split`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use gguf::Strings;

use super::split::Splitter;
use super::spm::Pieces;
use super::vocab::Vocab;
use crate::EngineError;

/// A merge that may happen: rank, left piece, right piece, bytes of both, what they make. The least
/// goes first.
type Merge = (u32, usize, usize, usize, u32);

/// The merge table and the rules around it.
pub(crate) struct Bpe {
    splitter: Splitter,
    /// Rank of a pair of piece numbers, and the piece they make.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// Piece numbers beyond the vocabulary, for parts of merges that are no tokens.
    strangers: HashMap<Box<str>, u32>,
    /// A word that is a token as it stands is not taken apart (llama-bpe).
    whole_words: bool,
}

impl Bpe {
    /// Builds the table. `merges` are pairs separated by a space, best first (the header's reader has
    /// bounded them); `pre` names the rules.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] for unknown rules and for a merge without a space.
    pub(crate) fn new(vocab: &Vocab, pre: &str, merges: &Strings) -> Result<Bpe, EngineError> {
        let splitter = Splitter::named(pre)?;
        let whole_words = splitter.keeps_whole_words();
        let mut bpe = Bpe {
            splitter,
            merges: HashMap::with_capacity(merges.len()),
            strangers: HashMap::new(),
            whole_words,
        };
        for (rank, merge) in (0..).zip(merges.iter()) {
            // A piece may itself begin with a space: the cut is the first one after its first byte.
            let cut = merge
                .char_indices()
                .skip(1)
                .find(|(_, c)| *c == ' ')
                .map(|(at, _)| at);
            let cut =
                cut.ok_or_else(|| EngineError::Tokenizer(format!("merge {rank} {merge:?} has no space")))?;
            let (left, right) = (&merge[..cut], &merge[cut + 1..]);
            let made = bpe.number(vocab, &[left, right].concat());
            let pair = (bpe.number(vocab, left), bpe.number(vocab, right));
            bpe.merges.entry(pair).or_insert((rank, made));
        }
        Ok(bpe)
    }

    /// Whether texts begin with BOS where the file does not say.
    pub(crate) fn adds_bos(&self) -> bool {
        self.whole_words
    }

    /// Appends the tokens of `text`.
    pub(crate) fn encode(&self, vocab: &Vocab, text: &str, out: &mut Vec<u32>) {
        let chars: Vec<char> = text.chars().collect();
        for word in self.splitter.split(&chars) {
            let bytes: String = word.iter().collect();
            let printable: String = bytes.bytes().map(printable).collect();
            self.encode_word(vocab, &printable, out);
        }
    }

    fn encode_word(&self, vocab: &Vocab, word: &str, out: &mut Vec<u32>) {
        if self.whole_words
            && let Some(id) = vocab.find(word.as_bytes())
        {
            out.push(id);
            return;
        }
        let mut pieces = Pieces::new(word);
        let mut numbers: Vec<u32> = pieces
            .spans
            .iter()
            .map(|(start, end)| self.find(vocab, &word[*start..*end]).unwrap_or(u32::MAX))
            .collect();
        let mut queue = BinaryHeap::new();
        for left in 0..pieces.spans.len().saturating_sub(1) {
            queue.extend(self.candidate(&pieces, &numbers, left));
        }
        while let Some(Reverse((_, left, right, bytes, made))) = queue.pop() {
            if !pieces.still(left, right, bytes) {
                continue;
            }
            pieces.join(left, right);
            numbers[left] = made;
            if let Some(before) = pieces.before(left) {
                queue.extend(self.candidate(&pieces, &numbers, before));
            }
            queue.extend(self.candidate(&pieces, &numbers, left));
        }
        for (start, end) in pieces.remaining() {
            match vocab.find(&word.as_bytes()[start..end]) {
                Some(id) => out.push(id),
                None => out.extend(
                    word[start..end]
                        .chars()
                        .filter_map(|c| vocab.find(c.encode_utf8(&mut [0; 4]).as_bytes())),
                ),
            }
        }
    }

    fn candidate(&self, pieces: &Pieces, numbers: &[u32], left: usize) -> Option<Reverse<Merge>> {
        let right = pieces.after(left)?;
        let (rank, made) = *self.merges.get(&(numbers[left], numbers[right]))?;
        Some(Reverse((
            rank,
            left,
            right,
            pieces.spans[right].1 - pieces.spans[left].0,
            made,
        )))
    }

    fn find(&self, vocab: &Vocab, piece: &str) -> Option<u32> {
        vocab
            .find(piece.as_bytes())
            .or_else(|| self.strangers.get(piece).copied())
    }

    fn number(&mut self, vocab: &Vocab, piece: &str) -> u32 {
        self.find(vocab, piece).unwrap_or_else(|| {
            let number = (vocab.len() + self.strangers.len()) as u32;
            self.strangers.insert(piece.into(), number);
            number
        })
    }
}

/// The character that stands for a byte in byte-level vocabularies: itself where it is printable
/// Latin-1, else the next of those from U+0100 on.
pub(crate) fn printable(byte: u8) -> char {
    match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        0..=b' ' => shifted(u32::from(byte)),
        0x7f..=0xa0 => shifted(u32::from(byte) - 0x7f + 33),
        0xad => shifted(67),
    }
}

/// The byte that a character stands for.
pub(crate) fn unprintable(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => Some(code as u8),
        code @ 0x100..=0x120 => Some((code - 0x100) as u8),
        code @ 0x121..=0x142 => Some((code - 0x121 + 0x7f) as u8),
        0x143 => Some(0xad),
        _ => None,
    }
}

fn shifted(index: u32) -> char {
    char::from_u32(0x100 + index).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own_and_comes_back() {
        let mut seen = std::collections::HashSet::new();
        for byte in 0..=255 {
            assert!(seen.insert(printable(byte)));
            assert_eq!(unprintable(printable(byte)), Some(byte), "{byte}");
        }
        assert_eq!(printable(b' '), 'Ġ');
        assert_eq!(printable(b'\n'), 'Ċ');
        assert_eq!(unprintable('\u{144}'), None);
    }
}
