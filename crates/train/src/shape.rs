//! The hyper-parameters of a model and the list of its tensors.
//! Does not hold weights.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::TrainError;

/// What a model looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Layers.
    pub n_layers: u32,
    /// Width of the hidden state.
    pub d_model: u32,
    /// Width inside the feed-forward network.
    pub d_ffn: u32,
    /// Query heads.
    pub n_heads: u32,
    /// Key and value heads; divides `n_heads`.
    pub n_kv_heads: u32,
    /// Tokens.
    pub vocab: u32,
    /// Positions.
    pub context: u32,
    /// What RMSNorm adds to the mean square.
    pub rms_eps: f32,
    /// Base of the rotary embedding's frequencies.
    pub rope_base: f32,
}

/// Tensors of one layer, in the order in which they are kept.
pub(crate) const LAYER_TENSORS: [&str; 9] = [
    "attn_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_output",
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
];

impl Shape {
    /// Values per head.
    pub fn head_dim(&self) -> u32 {
        self.d_model / self.n_heads.max(1)
    }

    /// Whether the numbers fit each other.
    ///
    /// # Errors
    /// [`TrainError::Shape`] with the number that does not.
    pub fn check(&self) -> Result<(), TrainError> {
        let refused = |what: String| Err(TrainError::Shape(what));
        let sizes = [
            ("layers", self.n_layers),
            ("width", self.d_model),
            ("feed-forward width", self.d_ffn),
            ("heads", self.n_heads),
            ("key and value heads", self.n_kv_heads),
            ("vocabulary", self.vocab),
            ("context", self.context),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return refused(format!("{name} is 0"));
        }
        if !self.d_model.is_multiple_of(self.n_heads) || !self.head_dim().is_multiple_of(2) {
            let (width, heads) = (self.d_model, self.n_heads);
            return refused(format!(
                "width {width} does not give {heads} heads of an even size"
            ));
        }
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            let (heads, kv) = (self.n_heads, self.n_kv_heads);
            return refused(format!("{kv} key and value heads do not divide {heads} heads"));
        }
        Ok(())
    }

    /// Every tensor's name in a GGUF file and its dimensions, rows first.
    pub(crate) fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let [model, ffn, vocab] = [self.d_model, self.d_ffn, self.vocab].map(|size| size as usize);
        let kv = (self.n_kv_heads * self.head_dim()) as usize;
        let mut all = vec![("token_embd.weight".to_owned(), vec![vocab, model])];
        for layer in 0..self.n_layers {
            let dims = [
                vec![model],
                vec![model, model],
                vec![kv, model],
                vec![kv, model],
                vec![model, model],
                vec![model],
                vec![ffn, model],
                vec![ffn, model],
                vec![model, ffn],
            ];
            let names = LAYER_TENSORS.map(|part| format!("blk.{layer}.{part}.weight"));
            all.extend(names.into_iter().zip(dims));
        }
        all.push(("output_norm.weight".to_owned(), vec![model]));
        all
    }

    /// Numbers to learn.
    pub fn parameters(&self) -> u64 {
        let size = |dims: &Vec<usize>| dims.iter().product::<usize>() as u64;
        self.tensors().iter().map(|(_, dims)| size(dims)).sum()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (layers, width, ffn) = (self.n_layers, self.d_model, self.d_ffn);
        let (heads, kv, vocab, context) = (self.n_heads, self.n_kv_heads, self.vocab, self.context);
        write!(
            f,
            "{layers} layers of {width} ({ffn} inside, {heads} heads over {kv}), {vocab} tokens, context {context}"
        )
    }
}
