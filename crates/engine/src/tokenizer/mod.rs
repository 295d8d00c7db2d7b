//! Text to tokens and back, from the vocabulary that the model file carries.
//! Does not load files or fill templates.

mod bpe;
mod decoder;
mod split;
mod spm;
mod vocab;
mod wordpiece;

use gguf::{Header, Metadata};

pub use decoder::Decoder;
pub use wordpiece::MAX_WORD_CHARS;

use crate::EngineError;
use bpe::Bpe;
use vocab::{Kind, Vocab};

/// Control tokens that end an answer in one model family or another, besides the file's own EOS.
const END_NAMES: [&str; 9] = [
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|return|>",
    "<｜end▁of▁sentence｜>",
];

/// A model's tokenizer.
pub struct Tokenizer {
    vocab: Vocab,
    model: Model,
    /// Tokens that text may name outright: user-defined and control ones, by their first byte, the
    /// longest first.
    named: Vec<Vec<u32>>,
    bos: Option<u32>,
    eos: Option<u32>,
    separator: Option<u32>,
    add_bos: bool,
    add_eos: bool,
    ends: Vec<u32>,
}

enum Model {
    SentencePiece { space_prefix: bool },
    Bpe(Bpe),
    WordPiece,
}

impl Tokenizer {
    /// Reads `tokenizer.ggml.*` from a model's header.
    ///
    /// # Errors
    /// [`EngineError::Tokenizer`] for a kind that is not known and for tables that do not fit together.
    pub fn from_header(header: &Header) -> Result<Tokenizer, EngineError> {
        Tokenizer::from_metadata(header.metadata())
    }

    /// The same from the metadata alone: a vocabulary file has no more.
    ///
    /// # Errors
    /// As [`Tokenizer::from_header`].
    pub fn from_metadata(metadata: &Metadata) -> Result<Tokenizer, EngineError> {
        let vocab = Vocab::read(metadata)?;
        let flag = |name: &str, default: bool| -> Result<bool, EngineError> {
            Ok(metadata
                .bool(&format!("tokenizer.ggml.{name}"))?
                .unwrap_or(default))
        };
        let special = |name: &str, default: Option<u32>| {
            let id = metadata.u32(&format!("tokenizer.ggml.{name}_token_id"))?;
            match id.or(default.filter(|id| (*id as usize) < vocab.len())) {
                Some(id) if id as usize >= vocab.len() => Err(EngineError::Tokenizer(format!(
                    "{name}_token_id {id} is outside the vocabulary of {}",
                    vocab.len()
                ))),
                id => Ok(id),
            }
        };
        let kind = metadata.string("tokenizer.ggml.model")?.unwrap_or_default();
        let bos;
        let mut separator = None;
        let (model, add_bos) = match kind {
            "llama" => {
                let space_prefix = flag("add_space_prefix", true)?;
                bos = special("bos", Some(1))?;
                (Model::SentencePiece { space_prefix }, true)
            }
            "gpt2" => {
                let pre = metadata.string("tokenizer.ggml.pre")?.unwrap_or("default");
                let merges = metadata.strings("tokenizer.ggml.merges")?;
                let missing = || EngineError::Tokenizer("the model has no tokenizer.ggml.merges".into());
                bos = special("bos", None)?;
                let bpe = Bpe::new(&vocab, pre, merges.ok_or_else(missing)?)?;
                let add_bos = bpe.adds_bos();
                (Model::Bpe(bpe), add_bos)
            }
            "bert" => {
                bos = special("cls", None)?.or(special("bos", Some(101))?);
                separator = special("seperator", Some(102))?; // the key is spelt so
                (Model::WordPiece, true)
            }
            other => {
                let known = "llama, gpt2, bert";
                return Err(EngineError::Tokenizer(format!(
                    "model {other:?} is not one of {known}"
                )));
            }
        };
        let eos = special("eos", (kind == "llama").then_some(2))?;
        let add_bos = flag("add_bos_token", add_bos)?;
        let add_eos = flag("add_eos_token", false)?;
        let mut ends: Vec<u32> = [eos, special("eot", None)?, special("eom", None)?]
            .into_iter()
            .flatten()
            .collect();
        ends.extend(
            END_NAMES
                .iter()
                .filter_map(|name| vocab.find(name.as_bytes()))
                .filter(|id| vocab.kind(*id) == Kind::Control),
        );
        let named = named(&vocab);
        Ok(Tokenizer {
            vocab,
            model,
            named,
            bos,
            eos,
            separator,
            add_bos,
            add_eos,
            ends,
        })
    }

    /// The tokens of a text. Control tokens written out in it stay text; `add_bos` puts the model's
    /// beginning (and, for BERT, its end) around it where the model wants that.
    pub fn encode(&self, text: &str, add_bos: bool) -> Vec<u32> {
        self.encode_text(text, add_bos, false)
    }

    /// The tokens of a filled-in chat template, in which control tokens are written out. BOS is not
    /// doubled where the template has written it.
    pub fn encode_chat(&self, text: &str) -> Vec<u32> {
        let mut ids = self.encode_text(text, true, true);
        if ids.len() > 1 && ids[0] == ids[1] && Some(ids[0]) == self.bos {
            ids.remove(0);
        }
        ids
    }

    /// Appends the bytes that a token stands for; none for control tokens and unknown ids.
    pub fn bytes(&self, token: u32, out: &mut Vec<u8>) {
        if token as usize >= self.vocab.len() {
            return;
        }
        let text = self.vocab.token(token);
        match (self.vocab.kind(token), &self.model) {
            (Kind::Control, _) => {}
            (Kind::Unknown, _) => out.extend_from_slice("\u{fffd}".as_bytes()),
            (Kind::Byte(byte), _) => out.push(byte),
            (Kind::UserDefined, Model::Bpe(_)) => out.extend_from_slice(text),
            (_, Model::Bpe(_)) => {
                for c in String::from_utf8_lossy(text).chars() {
                    match bpe::unprintable(c) {
                        Some(byte) => out.push(byte),
                        None => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                }
            }
            _ => out.extend_from_slice(String::from_utf8_lossy(text).replace(spm::SPACE, " ").as_bytes()),
        }
    }

    /// The whole text of some tokens from its beginning.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let mut decoder = Decoder::at_start();
        let mut text: String = tokens.iter().map(|token| decoder.push(self, *token)).collect();
        text.push_str(&decoder.finish());
        text
    }

    /// The beginning-of-text token.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The end-of-text token.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Whether this token ends an answer.
    pub fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// Whether this token is a control token, which has no text.
    pub fn is_control(&self, token: u32) -> bool {
        (token as usize) < self.vocab.len() && self.vocab.kind(token) == Kind::Control
    }

    /// A token as the vocabulary writes it.
    pub fn token(&self, token: u32) -> Option<String> {
        ((token as usize) < self.vocab.len())
            .then(|| String::from_utf8_lossy(self.vocab.token(token)).into_owned())
    }

    /// Tokens in the vocabulary.
    pub fn vocab(&self) -> u32 {
        self.vocab.len() as u32
    }

    fn marks_start_with_space(&self) -> bool {
        match self.model {
            Model::SentencePiece { space_prefix } => space_prefix,
            Model::Bpe(_) => false,
            Model::WordPiece => true,
        }
    }

    fn encode_text(&self, text: &str, ends: bool, control: bool) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3 + 2);
        if ends && self.add_bos {
            ids.extend(self.bos);
        }
        let mut after_named = true;
        let (mut start, mut at) = (0, 0);
        while at < text.len() {
            match self.named_at(&text.as_bytes()[at..], control) {
                Some(id) => {
                    self.encode_plain(&text[start..at], after_named, &mut ids);
                    ids.push(id);
                    at += self.vocab.token(id).len();
                    (start, after_named) = (at, true);
                }
                None => {
                    at += 1;
                    while !text.is_char_boundary(at) {
                        at += 1;
                    }
                }
            }
        }
        self.encode_plain(&text[start..], after_named, &mut ids);
        if ends {
            ids.extend(self.separator);
            if self.add_eos {
                ids.extend(self.eos);
            }
        }
        ids
    }

    fn encode_plain(&self, text: &str, after_named: bool, ids: &mut Vec<u32>) {
        if text.is_empty() {
            return;
        }
        match &self.model {
            Model::SentencePiece { space_prefix } => {
                spm::encode(&self.vocab, text, *space_prefix && after_named, ids)
            }
            Model::Bpe(bpe) => bpe.encode(&self.vocab, text, ids),
            Model::WordPiece => wordpiece::encode(&self.vocab, text, ids),
        }
    }

    /// The longest named token at the beginning of `text`.
    fn named_at(&self, text: &[u8], control: bool) -> Option<u32> {
        let candidates = &self.named[usize::from(*text.first()?)];
        let allowed = |id: &u32| control || self.vocab.kind(*id) == Kind::UserDefined;
        candidates
            .iter()
            .copied()
            .find(|id| allowed(id) && text.starts_with(self.vocab.token(*id)))
    }
}

fn named(vocab: &Vocab) -> Vec<Vec<u32>> {
    let mut named = vec![Vec::new(); 256];
    for id in 0..vocab.len() as u32 {
        let text = vocab.token(id);
        // Only whole characters: a cut inside one would leave text that is none.
        let whole = std::str::from_utf8(text).is_ok();
        let may_be_named = matches!(vocab.kind(id), Kind::Control | Kind::UserDefined);
        if let (true, Some(first)) = (may_be_named && whole, text.first()) {
            named[usize::from(*first)].push(id);
        }
    }
    for ids in &mut named {
        ids.sort_by_key(|id| std::cmp::Reverse(vocab.token(*id).len()));
    }
    named
}
