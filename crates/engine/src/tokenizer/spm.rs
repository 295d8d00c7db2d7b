//! SentencePiece-style BPE: whichever neighbours make the best-scored token merge first.
//! Does not know special tokens; it is given plain text between them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::vocab::Vocab;

/// The mark that stands for a space inside tokens.
pub(crate) const SPACE: char = '\u{2581}';

/// Appends the tokens of `text`, with a space put before it where `prefix` says so.
pub(crate) fn encode(vocab: &Vocab, text: &str, prefix: bool, out: &mut Vec<u32>) {
    let mut escaped = String::with_capacity(text.len() + 8);
    if prefix {
        escaped.push(SPACE);
    }
    escaped.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
    let mut pieces = Pieces::new(&escaped);
    let mut queue = BinaryHeap::new();
    for left in 0..pieces.spans.len().saturating_sub(1) {
        queue.extend(candidate(vocab, &escaped, &pieces, left));
    }
    while let Some(merge) = queue.pop() {
        if !pieces.still(merge.left, merge.right, merge.bytes) {
            continue;
        }
        pieces.join(merge.left, merge.right);
        if let Some(before) = pieces.before(merge.left) {
            queue.extend(candidate(vocab, &escaped, &pieces, before));
        }
        queue.extend(candidate(vocab, &escaped, &pieces, merge.left));
    }
    for (start, end) in pieces.remaining() {
        let piece = &escaped.as_bytes()[start..end];
        match vocab.find(piece) {
            Some(id) => out.push(id),
            None => out.extend(piece.iter().filter_map(|byte| vocab.byte(*byte))),
        }
    }
}

/// A merge that may happen; the heap's greatest is the best score, then the leftmost.
struct Merge {
    score: f32,
    left: usize,
    right: usize,
    bytes: usize,
}

impl Ord for Merge {
    fn cmp(&self, other: &Merge) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Merge) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merge {
    fn eq(&self, other: &Merge) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merge {}

fn candidate(vocab: &Vocab, text: &str, pieces: &Pieces, left: usize) -> Option<Merge> {
    let right = pieces.after(left)?;
    let (start, end) = (pieces.spans[left].0, pieces.spans[right].1);
    let id = vocab.find(&text.as_bytes()[start..end])?;
    Some(Merge {
        score: vocab.score(id),
        left,
        right,
        bytes: end - start,
    })
}

/// A text cut into pieces that only ever join: a linked list over byte spans.
pub(crate) struct Pieces {
    /// Start and end in bytes; empty once swallowed.
    pub(crate) spans: Vec<(usize, usize)>,
    next: Vec<usize>,
    previous: Vec<usize>,
}

const NONE: usize = usize::MAX;

impl Pieces {
    /// One piece per character.
    pub(crate) fn new(text: &str) -> Pieces {
        let spans: Vec<_> = text
            .char_indices()
            .map(|(at, c)| (at, at + c.len_utf8()))
            .collect();
        let count = spans.len();
        let next = (1..=count).map(|i| if i < count { i } else { NONE }).collect();
        let previous = (0..count).map(|i| i.checked_sub(1).unwrap_or(NONE)).collect();
        Pieces {
            spans,
            next,
            previous,
        }
    }

    pub(crate) fn after(&self, piece: usize) -> Option<usize> {
        Some(self.next[piece]).filter(|next| *next != NONE)
    }

    pub(crate) fn before(&self, piece: usize) -> Option<usize> {
        Some(self.previous[piece]).filter(|previous| *previous != NONE)
    }

    /// Whether the two are still neighbours of that many bytes together.
    pub(crate) fn still(&self, left: usize, right: usize, bytes: usize) -> bool {
        let ((start, left_end), (right_start, end)) = (self.spans[left], self.spans[right]);
        start < left_end && right_start < end && left_end == right_start && end - start == bytes
    }

    /// Lets `left` swallow `right`.
    pub(crate) fn join(&mut self, left: usize, right: usize) {
        self.spans[left].1 = self.spans[right].1;
        self.spans[right].0 = self.spans[right].1;
        self.next[left] = self.next[right];
        if let Some(next) = self.after(left) {
            self.previous[next] = left;
        }
    }

    /// The pieces left, in order.
    pub(crate) fn remaining(&self) -> impl Iterator<Item = (usize, usize)> {
        self.spans.iter().copied().filter(|(start, end)| start < end)
    }
}
