//! A model's hyper-parameters, checked against each other and against the tensors.
//! It computes nothing.

use crate::{GgufError, Header, Metadata, Value};

/// Model families that the engine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Llama,
    Qwen2,
    Qwen3,
}

/// How pairs are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeLayout {
    /// Neighbours.
    Interleaved,
    /// Halves.
    Neox,
}

/// How positions beyond the original context are handled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    None,
    Linear { factor: f32 },
    Llama3 { factor: f32, low_freq_factor: f32, high_freq_factor: f32, original_context: u32 },
    Yarn { factor: f32, original_context: u32, attention_factor: f32, beta_fast: f32, beta_slow: f32 },
}

/// Rotary embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    pub base: f32,
    /// Values of a head that are rotated.
    pub dims: u32,
    pub layout: RopeLayout,
    pub scaling: RopeScaling,
}

/// Everything that the engine needs to know of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub architecture: Architecture,
    pub n_layers: u32,
    pub d_model: u32,
    pub d_ffn: u32,
    pub n_heads: u32,
    pub n_kv_heads: u32,
    pub head_dim: u32,
    pub vocab: u32,
    pub context: u32,
    pub rope: Rope,
    pub rms_eps: f32,
    /// The head is the embedding.
    pub tied_head: bool,
    pub qkv_bias: bool,
    pub qk_norm: bool,
}

const MAX_LAYERS: u32 = 1_024;
const MAX_WIDTH: u32 = 1 << 17;
const MAX_CONTEXT: u32 = 1 << 24;

impl Config {
    pub(crate) fn read(header: &Header) -> Result<Config, GgufError> {
        let metadata = header.metadata();
        let name = metadata.string("general.architecture").unwrap_or_default();
        let architecture = match name {
            "llama" => Architecture::Llama,
            "qwen2" => Architecture::Qwen2,
            "qwen3" => Architecture::Qwen3,
            other => return Err(GgufError::Architecture(other.chars().take(64).collect())),
        };
        let keys = Keys { metadata, prefix: name };
        let n_layers = keys.number("block_count", 1, MAX_LAYERS)?;
        let d_model = keys.number("embedding_length", 1, MAX_WIDTH)?;
        let n_heads = keys.number("attention.head_count", 1, 4_096)?;
        let n_kv_heads = keys.optional("attention.head_count_kv", 1, n_heads)?.unwrap_or(n_heads);
        if !n_heads.is_multiple_of(n_kv_heads) {
            return Err(keys.bad("attention.head_count_kv", "does not divide the heads"));
        }
        let head_dim = match keys.optional("attention.key_length", 1, 4_096)? {
            Some(dim) => dim,
            None if d_model.is_multiple_of(n_heads) => d_model / n_heads,
            None => return Err(keys.bad("embedding_length", "is not divisible by the heads")),
        };
        let dims = keys.optional("rope.dimension_count", 2, head_dim)?.unwrap_or(head_dim);
        if !dims.is_multiple_of(2) {
            return Err(keys.bad("rope.dimension_count", "is odd"));
        }
        let embedding = header
            .tensor("token_embd.weight")
            .ok_or_else(|| GgufError::Tensor { name: "token_embd.weight".into(), why: "is missing".into() })?;
        let vocab = embedding.dims.get(1).copied().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        if let Some(tokens) = metadata.strings("tokenizer.ggml.tokens")
            && tokens.len() as u64 != u64::from(vocab)
        {
            return Err(GgufError::Metadata {
                key: "tokenizer.ggml.tokens".into(),
                why: format!("has {} tokens, the embedding {vocab} rows", tokens.len()),
            });
        }
        Ok(Config {
            architecture,
            n_layers,
            d_model,
            d_ffn: keys.number("feed_forward_length", 1, 1 << 20)?,
            n_heads,
            n_kv_heads,
            head_dim,
            vocab,
            context: keys.number("context_length", 1, MAX_CONTEXT)?,
            rope: Rope {
                base: keys.real("rope.freq_base", 1.0, 1e12)?.unwrap_or(10_000.0),
                dims,
                layout: match architecture {
                    Architecture::Llama => RopeLayout::Interleaved,
                    Architecture::Qwen2 | Architecture::Qwen3 => RopeLayout::Neox,
                },
                scaling: keys.scaling()?,
            },
            rms_eps: keys.real("attention.layer_norm_rms_epsilon", 0.0, 1.0)?.unwrap_or(1e-5),
            tied_head: header.tensor("output.weight").is_none(),
            qkv_bias: header.tensor("blk.0.attn_q.bias").is_some(),
            qk_norm: header.tensor("blk.0.attn_q_norm.weight").is_some(),
        })
    }

    /// Every tensor that the architecture needs is there in the shape that it needs.
    pub(crate) fn check(&self, header: &Header) -> Result<(), GgufError> {
        let wide = |n: u32| u64::from(n);
        let (d, ffn) = (wide(self.d_model), wide(self.d_ffn));
        let q = wide(self.n_heads) * wide(self.head_dim);
        let kv = wide(self.n_kv_heads) * wide(self.head_dim);
        needs(header, "token_embd.weight", &[d, wide(self.vocab)])?;
        needs(header, "output_norm.weight", &[d])?;
        if !self.tied_head {
            needs(header, "output.weight", &[d, wide(self.vocab)])?;
        }
        for layer in 0..self.n_layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            needs(header, &name("attn_norm"), &[d])?;
            needs(header, &name("attn_q"), &[d, q])?;
            needs(header, &name("attn_k"), &[d, kv])?;
            needs(header, &name("attn_v"), &[d, kv])?;
            needs(header, &name("attn_output"), &[q, d])?;
            needs(header, &name("ffn_norm"), &[d])?;
            needs(header, &name("ffn_gate"), &[d, ffn])?;
            needs(header, &name("ffn_up"), &[d, ffn])?;
            needs(header, &name("ffn_down"), &[ffn, d])?;
        }
        Ok(())
    }
}

fn needs(header: &Header, name: &str, dims: &[u64]) -> Result<(), GgufError> {
    let bad = |why: String| GgufError::Tensor { name: name.to_owned(), why };
    let tensor = header.tensor(name).ok_or_else(|| bad("is missing".into()))?;
    if tensor.dims != dims {
        return Err(bad(format!("has the shape {:?}, the model needs {dims:?}", tensor.dims)));
    }
    Ok(())
}

struct Keys<'a> {
    metadata: &'a Metadata,
    prefix: &'a str,
}

impl Keys<'_> {
    fn bad(&self, key: &str, why: impl Into<String>) -> GgufError {
        GgufError::Metadata { key: format!("{}.{key}", self.prefix), why: why.into() }
    }

    fn optional(&self, key: &str, least: u32, most: u32) -> Result<Option<u32>, GgufError> {
        let full = format!("{}.{key}", self.prefix);
        if self.metadata.get(&full).is_none() {
            return Ok(None);
        }
        match self.metadata.u32(&full) {
            Some(n) if (least..=most).contains(&n) => Ok(Some(n)),
            Some(n) => Err(self.bad(key, format!("is {n}, not {least} to {most}"))),
            None => Err(self.bad(key, "is no whole number that fits")),
        }
    }

    fn number(&self, key: &str, least: u32, most: u32) -> Result<u32, GgufError> {
        self.optional(key, least, most)?.ok_or_else(|| self.bad(key, "is missing"))
    }

    fn real(&self, key: &str, least: f32, most: f32) -> Result<Option<f32>, GgufError> {
        match self.metadata.get(&format!("{}.{key}", self.prefix)) {
            None => Ok(None),
            Some(Value::F64(x)) if (f64::from(least)..=f64::from(most)).contains(x) => Ok(Some(*x as f32)),
            Some(_) => Err(self.bad(key, format!("is not a number from {least} to {most}"))),
        }
    }

    fn scaling(&self) -> Result<RopeScaling, GgufError> {
        let factor = self.real("rope.scaling.factor", 1e-3, 1e6)?.unwrap_or(1.0);
        let original = self.optional("rope.scaling.original_context_length", 1, MAX_CONTEXT)?.unwrap_or(8_192);
        match self.metadata.string(&format!("{}.rope.scaling.type", self.prefix)) {
            None | Some("none") => Ok(RopeScaling::None),
            Some("linear") => Ok(RopeScaling::Linear { factor }),
            Some("yarn") => Ok(RopeScaling::Yarn {
                factor,
                original_context: original,
                attention_factor: self.real("rope.scaling.attn_factor", 0.0, 1e3)?.unwrap_or(1.0),
                beta_fast: 32.0,
                beta_slow: 1.0,
            }),
            Some(other) => Err(self.bad("rope.scaling.type", format!("{other:?} is not supported"))),
        }
    }
}
