//! Sentence encoders of the BERT class: a text becomes one vector of length 1, near those of texts that mean the same.
//! Does not generate, and reads no files: a shell hands it what the model's folder holds.

mod config;
mod layer;
mod safetensors;

use gguf::Strings;
use gguf::write::Writer;

use crate::cpu::matrix::Matrix;
use crate::cpu::ops::{add, add_scaled, dot};
use crate::cpu::quant::Workspace;
use crate::{EngineError, Tokenizer};
use config::Config;
use layer::{Layer, Norm};
use safetensors::SafeTensors;

pub use config::{MAX_ENCODER_LAYERS, MAX_ENCODER_TOKENS, MAX_ENCODER_WIDTH};
pub use safetensors::{MAX_SAFETENSORS_HEADER_BYTES, MAX_SAFETENSORS_TENSORS};

/// An encoder, ready to compute.
pub struct Encoder {
    tokenizer: Tokenizer,
    config: Config,
    /// (vocab, width)
    words: Matrix,
    /// (positions, width)
    positions: Matrix,
    /// What is added to every token: the first of the two kinds of text.
    kind: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Encoder {
    /// Takes `config.json`, `vocab.txt` and `model.safetensors`.
    ///
    /// # Errors
    /// [`EngineError::Encoder`] for a model of another class, numbers out of range, a vocabulary that does not fit,
    /// and tensors that are missing, misshapen or damaged.
    pub fn new(config: &[u8], vocabulary: &str, weights: &[u8]) -> Result<Encoder, EngineError> {
        let config = Config::read(config)?;
        let weights = SafeTensors::read(weights)?;
        let tokenizer = tokenizer(vocabulary)?;
        if tokenizer.vocab() as usize != config.vocab {
            let (pieces, vocab) = (tokenizer.vocab(), config.vocab);
            return Err(EngineError::Encoder(format!(
                "the vocabulary has {pieces} pieces, the model {vocab}"
            )));
        }
        let width = config.width;
        let part = |name: &str| format!("embeddings.{name}");
        let kinds = weights.matrix(&part("token_type_embeddings.weight"), config.kinds, width)?;
        let mut kind = vec![0.0; width];
        kinds.row(0, &mut kind);
        Ok(Encoder {
            words: weights.matrix(&part("word_embeddings.weight"), config.vocab, width)?,
            positions: weights.matrix(&part("position_embeddings.weight"), config.positions, width)?,
            kind,
            norm: Norm::load(&weights, &part("LayerNorm"), &config)?,
            layers: (0..config.layers)
                .map(|index| Layer::load(&weights, index, &config))
                .collect::<Result<_, _>>()?,
            tokenizer,
            config,
        })
    }

    /// Length of a vector.
    pub fn width(&self) -> usize {
        self.config.width
    }

    /// The tokens of a text as the encoder reads it: of a long one only the beginning, as it was trained.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        let mut tokens = self.tokenizer.encode(text, true);
        let most = self.config.tokens;
        if tokens.len() > most {
            let end = tokens.pop();
            tokens.truncate(most - 1);
            tokens.extend(end);
        }
        tokens
    }

    /// The vector of a text: the mean of its tokens' last hidden states, of length 1.
    ///
    /// # Errors
    /// [`EngineError::Encoder`] where the model makes no number of the text.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>, EngineError> {
        let width = self.config.width;
        let tokens = self.tokens(text);
        let mut hidden = vec![0.0; tokens.len() * width]; // (n, width)
        let mut position = vec![0.0; width];
        for (index, (row, token)) in hidden.chunks_exact_mut(width).zip(&tokens).enumerate() {
            self.words.row(*token as usize, row);
            self.positions.row(index, &mut position);
            add(row, &position);
            add(row, &self.kind);
        }
        self.norm.apply(&mut hidden);
        let mut workspace = Workspace::default();
        for layer in &self.layers {
            layer.forward(&mut hidden, &self.config, &mut workspace);
        }
        let mut mean = vec![0.0; width];
        for row in hidden.chunks_exact(width) {
            add_scaled(&mut mean, 1.0 / tokens.len() as f32, row);
        }
        let length = dot(&mean, &mean).sqrt();
        if !length.is_finite() || length == 0.0 {
            return Err(EngineError::Encoder(format!(
                "the vector has the length {length}"
            )));
        }
        mean.iter_mut().for_each(|x| *x /= length);
        Ok(mean)
    }
}

/// The tokenizer of a `vocab.txt`, in which every line is a piece and `##` marks those that go on with a word.
fn tokenizer(vocabulary: &str) -> Result<Tokenizer, EngineError> {
    let lines: Vec<&str> = vocabulary.lines().collect();
    let id = |name: &str| {
        let place = lines.iter().position(|line| *line == name);
        let place = place.and_then(|id| u32::try_from(id).ok());
        place.ok_or_else(|| EngineError::Encoder(format!("the vocabulary has no {name}")))
    };
    let special = |line: &str| line.starts_with('[') && line.ends_with(']') && line.len() > 2;
    // In model files it is the beginning of a word that is marked.
    let pieces = lines.iter().map(|line| match line.strip_prefix("##") {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ if special(line) => (*line).to_owned(),
        _ => format!("▁{line}"),
    });
    let kinds: Vec<i32> = lines
        .iter()
        .map(|line| if special(line) { 3 } else { 1 })
        .collect();
    let mut file = Writer::new();
    file.set("tokenizer.ggml.model", "bert")?
        .set("tokenizer.ggml.tokens", pieces.collect::<Strings>())?
        .set("tokenizer.ggml.token_type", kinds)?
        .set("tokenizer.ggml.cls_token_id", id("[CLS]")?)?
        .set("tokenizer.ggml.seperator_token_id", id("[SEP]")?)?
        .set("tokenizer.ggml.unknown_token_id", id("[UNK]")?)?;
    // Read as a stranger's file is, so that the same limits hold.
    let file = file.to_bytes();
    Tokenizer::from_header(&gguf::Header::read_vocabulary(
        file.as_slice(),
        file.len() as u64,
    )?)
}
