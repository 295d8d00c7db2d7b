//! The hyper-parameters of a model, checked against each other.
//! Does not look at tensors beyond which optional ones are there: `shapes` does.

use std::fmt;

use crate::error::{GgufError, excerpt};
use crate::limits::{MAX_CONTEXT, MAX_HEADS, MAX_LAYERS, MAX_VOCAB, MAX_WIDTH};
use crate::metadata::Metadata;
use crate::rope::{Rope, RopeLayout, RopeScaling};

/// A model family, by `general.architecture`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Llama; also Mistral, SmolLM, TinyLlama.
    Llama,
    /// Qwen 2 and 2.5: biases on queries, keys and values.
    Qwen2,
    /// Qwen 3: norms on queries and keys.
    Qwen3,
}

/// What a model's layers look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The family.
    pub architecture: Architecture,
    /// Layers; at least 1.
    pub n_layers: u32,
    /// Width of the hidden state.
    pub d_model: u32,
    /// Width inside the feed-forward network.
    pub d_ffn: u32,
    /// Query heads.
    pub n_heads: u32,
    /// Key and value heads; divides `n_heads`.
    pub n_kv_heads: u32,
    /// Values per head.
    pub head_dim: u32,
    /// Tokens; rows of embedding and head.
    pub vocab: u32,
    /// Positions it was trained for.
    pub context: u32,
    /// Rotary embedding.
    pub rope: Rope,
    /// What RMSNorm adds to the mean square.
    pub rms_eps: f32,
    /// Whether the embedding is the head, too.
    pub tied_head: bool,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether the attention's output has a bias.
    pub output_bias: bool,
    /// Whether queries and keys are normed by head.
    pub qk_norm: bool,
}

impl Architecture {
    /// The name in `general.architecture`, which is also the prefix of its keys.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Llama => "llama",
            Architecture::Qwen2 => "qwen2",
            Architecture::Qwen3 => "qwen3",
        }
    }

    fn read(metadata: &Metadata) -> Result<Architecture, GgufError> {
        let key = "general.architecture";
        let name = metadata
            .string(key)?
            .ok_or_else(|| GgufError::MissingKey(key.into()))?;
        let all = [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3];
        let found = all.into_iter().find(|architecture| architecture.name() == name);
        found.ok_or_else(|| GgufError::Architecture(excerpt(name.as_bytes())))
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Config {
    /// Reads the hyper-parameters of a model of `tokens` tokens. `has` says whether a tensor is there.
    pub(crate) fn read(
        metadata: &Metadata,
        tokens: u32,
        has: impl Fn(&str) -> bool,
    ) -> Result<Config, GgufError> {
        let architecture = Architecture::read(metadata)?;
        let keys = Keys {
            metadata,
            prefix: architecture.name(),
        };
        if keys.u32("expert_count")?.unwrap_or(0) != 0 || keys.u32("expert_used_count")?.unwrap_or(0) != 0 {
            return Err(GgufError::Unsupported("mixtures of experts".into()));
        }
        let n_layers = keys.count("block_count", MAX_LAYERS)?;
        let d_model = keys.count("embedding_length", MAX_WIDTH)?;
        let d_ffn = keys.count("feed_forward_length", MAX_WIDTH)?;
        let n_heads = keys.count("attention.head_count", MAX_HEADS)?;
        let n_kv_heads = match keys.u32("attention.head_count_kv")? {
            None => n_heads,
            Some(n) if n != 0 && n_heads.is_multiple_of(n) => n,
            Some(n) => return Err(keys.wrong("attention.head_count_kv", n, "a divisor of head_count")),
        };
        let head_dim = head_dim(&keys, d_model, n_heads)?;
        let context = keys.count("context_length", MAX_CONTEXT)?;
        if let Some(vocab) = keys.u32("vocab_size")?
            && vocab != tokens
        {
            return Err(keys.wrong("vocab_size", vocab, "the number of tokens"));
        }
        if tokens == 0 || tokens > MAX_VOCAB {
            return Err(GgufError::MissingKey("tokenizer.ggml.tokens".into()));
        }
        let rms_eps = keys.f32("attention.layer_norm_rms_epsilon")?;
        let rms_eps = rms_eps.ok_or_else(|| keys.missing("attention.layer_norm_rms_epsilon"))?;
        if !(rms_eps > 0.0 && rms_eps < 1.0) {
            return Err(keys.wrong("attention.layer_norm_rms_epsilon", rms_eps, "between 0 and 1"));
        }
        Ok(Config {
            architecture,
            n_layers,
            d_model,
            d_ffn,
            n_heads,
            n_kv_heads,
            head_dim,
            vocab: tokens,
            context,
            rope: rope(&keys, architecture, head_dim, context)?,
            rms_eps,
            tied_head: !has("output.weight"),
            qkv_bias: architecture == Architecture::Qwen2 || has("blk.0.attn_q.bias"),
            output_bias: has("blk.0.attn_output.bias"),
            qk_norm: architecture == Architecture::Qwen3,
        })
    }
}

/// The keys of one architecture.
struct Keys<'a> {
    metadata: &'a Metadata,
    prefix: &'static str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn u32(&self, name: &str) -> Result<Option<u32>, GgufError> {
        self.metadata.u32(&self.key(name))
    }

    fn f32(&self, name: &str) -> Result<Option<f32>, GgufError> {
        self.metadata.f32(&self.key(name))
    }

    /// A number that must be there, from 1 to `most`.
    fn count(&self, name: &str, most: u32) -> Result<u32, GgufError> {
        match self.u32(name)? {
            Some(number) if (1..=most).contains(&number) => Ok(number),
            Some(number) => Err(self.wrong(name, number, "a positive number of a sane size")),
            None => Err(self.missing(name)),
        }
    }

    fn missing(&self, name: &str) -> GgufError {
        GgufError::MissingKey(self.key(name))
    }

    fn wrong(&self, name: &str, found: impl fmt::Display, needed: &'static str) -> GgufError {
        GgufError::Value {
            key: self.key(name),
            found: found.to_string(),
            needed,
        }
    }
}

fn head_dim(keys: &Keys<'_>, d_model: u32, n_heads: u32) -> Result<u32, GgufError> {
    let head_dim = match keys.u32("attention.key_length")? {
        Some(_) => keys.count("attention.key_length", MAX_HEADS)?,
        None if d_model.is_multiple_of(n_heads) => d_model / n_heads,
        None => return Err(keys.wrong("embedding_length", d_model, "a multiple of head_count")),
    };
    match keys.u32("attention.value_length")? {
        Some(length) if length != head_dim => {
            Err(keys.wrong("attention.value_length", length, "the length of a key"))
        }
        _ => Ok(head_dim),
    }
}

fn rope(keys: &Keys<'_>, architecture: Architecture, head_dim: u32, context: u32) -> Result<Rope, GgufError> {
    const BASE: f32 = 10_000.0;
    let dims = keys.u32("rope.dimension_count")?.unwrap_or(head_dim);
    if dims == 0 || dims > head_dim || !dims.is_multiple_of(2) {
        return Err(keys.wrong(
            "rope.dimension_count",
            dims,
            "even and at most the length of a head",
        ));
    }
    let base = keys.f32("rope.freq_base")?.unwrap_or(BASE);
    if !base.is_finite() || base < 1.0 {
        return Err(keys.wrong("rope.freq_base", base, "finite and at least 1"));
    }
    let layout = match architecture {
        Architecture::Llama => RopeLayout::Interleaved,
        Architecture::Qwen2 | Architecture::Qwen3 => RopeLayout::Neox,
    };
    let scaling = RopeScaling::read(keys.metadata, keys.prefix, context)?;
    Ok(Rope {
        base,
        dims,
        layout,
        scaling,
    })
}
