//! The numbers of an encoder, from its `config.json`, each within its range.
//! Does not look at weights.

use serde_json::Value;

use crate::EngineError;

/// Widths of the model and inside its layers: the largest published encoders have 1,024 and 4,096.
pub const MAX_ENCODER_WIDTH: usize = 16_384;

/// The largest published encoders have 24.
pub const MAX_ENCODER_LAYERS: usize = 128;

/// Tokens of one text: attention is quadratic in them, and a text is a sentence or a page.
pub const MAX_ENCODER_TOKENS: usize = 8_192;

/// A `config.json` has one or two kilobytes.
const MAX_CONFIG_BYTES: usize = 64 << 10;

/// What an encoder of this class reads of a text unless its configuration says less: what they were trained on.
const TRAINED_TOKENS: usize = 256;

/// The numbers of an encoder.
pub(super) struct Config {
    pub(super) vocab: usize,
    pub(super) width: usize,
    pub(super) inner: usize,
    pub(super) heads: usize,
    pub(super) layers: usize,
    /// Positions that have an embedding.
    pub(super) positions: usize,
    /// Kinds of text that have one.
    pub(super) kinds: usize,
    /// Tokens that are read of a text.
    pub(super) tokens: usize,
    pub(super) eps: f32,
}

impl Config {
    pub(super) fn read(json: &[u8]) -> Result<Config, EngineError> {
        let refuse = |reason: String| EngineError::Encoder(format!("config.json: {reason}"));
        if json.len() > MAX_CONFIG_BYTES {
            return Err(refuse(format!("{} bytes are too many", json.len())));
        }
        let json: Value = serde_json::from_slice(json).map_err(|error| refuse(error.to_string()))?;
        for (key, needed) in [
            ("model_type", "bert"),
            ("hidden_act", "gelu"),
            ("position_embedding_type", "absolute"),
        ] {
            let found = json[key].as_str().unwrap_or(needed);
            if found != needed {
                return Err(refuse(format!("{key} {found:.40} is not supported, {needed} is")));
            }
        }
        let number = |key: &str, most: usize| {
            let found = json[key].as_u64().and_then(|number| usize::try_from(number).ok());
            found
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(|| refuse(format!("{key} is {}, not 1 to {most}", json[key])))
        };
        let config = Config {
            vocab: number("vocab_size", gguf::limits::MAX_VOCAB as usize)?,
            width: number("hidden_size", MAX_ENCODER_WIDTH)?,
            inner: number("intermediate_size", MAX_ENCODER_WIDTH)?,
            heads: number("num_attention_heads", MAX_ENCODER_WIDTH)?,
            layers: number("num_hidden_layers", MAX_ENCODER_LAYERS)?,
            positions: number("max_position_embeddings", MAX_ENCODER_TOKENS)?,
            kinds: number("type_vocab_size", 16)?,
            tokens: 0,
            eps: json["layer_norm_eps"].as_f64().unwrap_or(1e-12) as f32,
        };
        if !config.width.is_multiple_of(config.heads) {
            let (width, heads) = (config.width, config.heads);
            return Err(refuse(format!("{heads} heads do not divide a width of {width}")));
        }
        if !(config.eps >= 0.0 && config.eps < 1.0) {
            return Err(refuse(format!("layer_norm_eps is {}, not 0 to 1", config.eps)));
        }
        let tokens = config.positions.min(TRAINED_TOKENS);
        if tokens < 3 {
            return Err(refuse(format!("{tokens} positions hold no text")));
        }
        Ok(Config { tokens, ..config })
    }
}
