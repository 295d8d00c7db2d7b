//! The head on the GPU: norm, product with the vocabulary, likeliest tokens.
//! Does not sample: it narrows down what the sampler looks at.

use gguf::Config;
use kernels::ops::{Argmax, End, Matmul, Rows, TopK, argmax, matmul, stride, topk};
use kernels::{Buffer, Commands, Gpu, Weights};

use super::upload::Upload;
use crate::EngineError;

/// Rows whose logits are computed together: a vocabulary of 256 k takes a megabyte a row.
pub(super) const HEAD_ROWS: u32 = 8;

/// The head's weights and buffers.
pub(super) struct Head {
    /// (rows, d_model), those chosen of the stage's hidden states
    pub(super) chosen: Buffer,
    /// (rows, vocab)
    pub(super) logits: Buffer,
    /// (rows, 2)
    pub(super) likeliest: Buffer,
    /// (rows, k, 2)
    pub(super) some: Buffer,
    pub(super) rows: Rows,
    product: Matmul,
    argmax: Argmax,
    top_k: TopK,
}

impl Head {
    /// Uploads the head; a tied one uses the embedding.
    pub(super) fn load(
        upload: &mut Upload<'_>,
        config: &Config,
        embedding: Option<Weights>,
    ) -> Result<Head, EngineError> {
        let gpu = upload.gpu;
        let weights = match embedding {
            Some(weights) if config.tied_head => weights,
            _ => upload.matrix("output.weight", config.d_model, config.vocab)?,
        };
        let norm = upload.vector("output_norm.weight", config.d_model)?;
        let floats =
            |what, width: u32| gpu.storage(what, 4 * u64::from(HEAD_ROWS) * u64::from(stride(width)));
        let chosen = floats("hidden states", config.d_model)?;
        let logits = floats("logits", config.vocab)?;
        let likeliest = gpu.storage("tokens", u64::from(HEAD_ROWS) * argmax::RESULT_BYTES)?;
        let some = gpu.storage("tokens", u64::from(HEAD_ROWS) * topk::RESULT_BYTES)?;
        let rows = Rows::new(gpu);
        let operands = matmul::Operands {
            x: &chosen,
            out: &logits,
            out_width: config.vocab,
            out_first: 0,
            norm: Some((&norm, config.rms_eps)),
            bias: None,
            rows: &rows,
        };
        Ok(Head {
            product: Matmul::new(gpu, &weights, &operands, End::Store)?,
            argmax: Argmax::new(gpu, &logits, &likeliest, config.vocab),
            top_k: TopK::new(gpu, &logits, &some, config.vocab),
            some,
            chosen,
            logits,
            likeliest,
            rows,
        })
    }

    /// Adds the logits of `n` chosen rows to the commands.
    pub(super) fn run(&self, commands: &mut Commands<'_>, n: u32) {
        self.product.run(commands, n);
    }

    /// Adds the choice of the likeliest token of `n` rows to the commands.
    pub(super) fn choose(&self, commands: &mut Commands<'_>, n: u32) {
        self.argmax.run(commands, n);
    }

    /// Adds the choice of the `k` likeliest tokens of `n` rows to the commands; returns how many there will be.
    pub(super) fn choose_some(&self, gpu: &Gpu, commands: &mut Commands<'_>, n: u32, k: u32) -> u32 {
        self.top_k.run(gpu, commands, n, k)
    }
}
