//! The vocabulary table of a model file, and the few ways into the file's metadata.
//! Does not merge, split or decode anything.

use std::cmp::Reverse;

use gguf::Metadata;

use crate::EngineError;

/// What a token is, by `tokenizer.ggml.token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Byte(u8),
}

/// All tokens: their bytes, scores and kinds, and a way from bytes to id.
pub(crate) struct Vocab {
    /// Every token's bytes, one after the other.
    text: Vec<u8>,
    /// Where each token's bytes end in `text`.
    ends: Vec<u32>,
    /// Ids in the order of their bytes; of equal tokens only the last.
    order: Vec<u32>,
    scores: Vec<f32>,
    kinds: Vec<Kind>,
    bytes: Box<[Option<u32>; 256]>,
    unknown: Option<u32>,
}

impl Vocab {
    /// Reads the token table.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] when tokens are missing or the tables differ in length.
    pub(crate) fn read(metadata: &Metadata) -> Result<Vocab, EngineError> {
        let refused = |what: String| Err(EngineError::Tokenizer(what));
        let Some(tokens) = metadata.strings("tokenizer.ggml.tokens")? else {
            return refused("the model has no tokenizer.ggml.tokens".into());
        };
        let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(tokens.len()));
        for token in tokens.iter() {
            text.extend_from_slice(token.as_bytes());
            ends.push(text.len() as u32);
        }
        let n = ends.len();
        let scores = metadata
            .f32s("tokenizer.ggml.scores")?
            .map_or_else(|| vec![0.0; n], <[f32]>::to_vec);
        let types = metadata
            .i32s("tokenizer.ggml.token_type")?
            .map_or_else(|| vec![1; n], <[i32]>::to_vec);
        if scores.len() != n || types.len() != n {
            return refused(format!(
                "{n} tokens, {} scores and {} types do not fit together",
                scores.len(),
                types.len()
            ));
        }
        let mut vocab = Vocab {
            text,
            ends,
            order: Vec::new(),
            scores,
            kinds: Vec::new(),
            bytes: Box::new([None; 256]),
            unknown: None,
        };
        vocab.kinds = (0..n as u32)
            .map(|id| kind(types[id as usize], vocab.token(id)))
            .collect();
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_unstable_by_key(|id| (vocab.token(*id), Reverse(*id)));
        order.dedup_by_key(|id| vocab.token(*id));
        vocab.order = order;
        for byte in 0..=255u8 {
            vocab.bytes[usize::from(byte)] = vocab
                .find(format!("<0x{byte:02X}>").as_bytes())
                .or_else(|| vocab.find(&[byte]));
        }
        vocab.unknown = metadata
            .u32("tokenizer.ggml.unknown_token_id")?
            .filter(|id| (*id as usize) < n)
            .or_else(|| {
                vocab
                    .kinds
                    .iter()
                    .position(|kind| *kind == Kind::Unknown)
                    .map(|id| id as u32)
            });
        Ok(vocab)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a token below [`Vocab::len`].
    pub(crate) fn token(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[id] as usize]
    }

    pub(crate) fn find(&self, token: &[u8]) -> Option<u32> {
        let at = self
            .order
            .binary_search_by(|id| self.token(*id).cmp(token))
            .ok()?;
        Some(self.order[at])
    }

    pub(crate) fn score(&self, id: u32) -> f32 {
        self.scores[id as usize]
    }

    pub(crate) fn kind(&self, id: u32) -> Kind {
        self.kinds[id as usize]
    }

    /// The token of a lone byte, else the unknown token.
    pub(crate) fn byte(&self, byte: u8) -> Option<u32> {
        self.bytes[usize::from(byte)].or(self.unknown)
    }

    pub(crate) fn unknown(&self) -> Option<u32> {
        self.unknown
    }
}

fn kind(number: i32, token: &[u8]) -> Kind {
    match number {
        2 => Kind::Unknown,
        3 => Kind::Control,
        4 => Kind::UserDefined,
        6 => byte_name(token).map_or(Kind::Normal, Kind::Byte),
        _ => Kind::Normal,
    }
}

/// The byte in `<0xE2>`.
fn byte_name(token: &[u8]) -> Option<u8> {
    let digits = token.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
