//! One transformer layer of the llama family on the GPU: six dispatches a step, seven once attention has more
//! than one tile, and one more where the value's format differs from the query's and key's.
//! Does not hold a cache: rotation and attention are bound to one per session.

use gguf::{Config, RopeLayout};
use kernels::ops::{Attention, End, Matmul, Rope, Rows, attention, matmul, rope};
use kernels::{Buffer, Commands, Gpu, GpuError, Weights};

use super::session::LayerSession;
use super::upload::{Tensor, Upload};
use super::{Scratch, heads, qkv_width};
use crate::EngineError;
use crate::weights::optional_vector;

/// The weights of one layer, bound to the stage's scratch.
pub(super) struct Layer {
    /// Norm, then queries, keys and values: one product where their formats are the same.
    qkv: Vec<Matmul>,
    /// Norms of queries and keys by head.
    head_norms: Option<(Buffer, Buffer)>,
    attention_out: Matmul,
    /// Norm, then both inner products and SwiGLU.
    gate_up: Matmul,
    down: Matmul,
}

impl Layer {
    /// Uploads layer `index`.
    pub(super) fn load(
        upload: &mut Upload<'_>,
        config: &Config,
        index: u32,
        scratch: &Scratch,
        rows: &Rows,
    ) -> Result<Layer, EngineError> {
        let name = |part: &str| format!("blk.{index}.{part}");
        let (d_model, d_ffn) = (config.d_model, config.d_ffn);
        let q_width = config.n_heads * config.head_dim;
        let norm = upload.vector(&name("attn_norm.weight"), d_model)?;
        let qkv = qkv(upload, config, index, &norm, scratch, rows)?;
        let head_norms = if config.qk_norm {
            let query = upload.vector(&name("attn_q_norm.weight"), config.head_dim)?;
            let key = upload.vector(&name("attn_k_norm.weight"), config.head_dim)?;
            Some((query, key))
        } else {
            None
        };
        let weights = upload.matrix(&name("attn_output.weight"), q_width, d_model)?;
        let bias = name("attn_output.bias");
        let bias = optional_vector(upload.header, upload.source, &bias, d_model as usize)?;
        let bias = bias.map(|bias| upload.values(bias)).transpose()?;
        let operands = matmul::Operands {
            x: &scratch.attended,
            out: &scratch.hidden,
            out_width: d_model,
            out_first: 0,
            norm: None,
            bias: bias.as_ref(),
            rows,
        };
        let attention_out = Matmul::new(upload.gpu, &weights, &operands, End::Add)?;

        let norm = upload.vector(&name("ffn_norm.weight"), d_model)?;
        let gate = upload.tensor(&name("ffn_gate.weight"), d_model, d_ffn)?;
        let up = upload.tensor(&name("ffn_up.weight"), d_model, d_ffn)?;
        if gate.format != up.format {
            let (gate, up) = (gate.format.name(), up.format.name());
            let what = format!("a gate of {gate} with an up of {up} in layer {index}");
            return Err(GpuError::Unsupported(what).into());
        }
        // Gate and up of one value side by side, so that one thread has both.
        let both = [gate.bytes.as_slice(), &up.bytes];
        let weights = Weights::interleaved(upload.gpu, "weights", gate.format, d_model as usize, &both)?;
        let operands = matmul::Operands {
            x: &scratch.hidden,
            out: &scratch.inner,
            out_width: d_ffn,
            out_first: 0,
            norm: Some((&norm, config.rms_eps)),
            bias: None,
            rows,
        };
        let gate_up = Matmul::new(upload.gpu, &weights, &operands, End::Glu)?;
        let weights = upload.matrix(&name("ffn_down.weight"), d_ffn, d_model)?;
        let operands = matmul::Operands {
            x: &scratch.inner,
            out: &scratch.hidden,
            out_width: d_model,
            out_first: 0,
            norm: None,
            bias: None,
            rows,
        };
        let down = Matmul::new(upload.gpu, &weights, &operands, End::Add)?;
        Ok(Layer {
            qkv,
            head_norms,
            attention_out,
            gate_up,
            down,
        })
    }

    /// Binds rotation and attention to a session's cache.
    #[allow(clippy::too_many_arguments)] // the stage's parts, which it lends for the binding
    pub(super) fn open(
        &self,
        gpu: &Gpu,
        config: &Config,
        scratch: &Scratch,
        rows: &Rows,
        cache: (Buffer, Buffer),
        turns: &Buffer,
        capacity: u32,
    ) -> Result<LayerSession, EngineError> {
        let heads = heads(config, capacity);
        let (keys, values) = &cache;
        let norms = self.head_norms.as_ref();
        let operands = rope::Operands {
            qkv: &scratch.qkv,
            keys,
            values,
            turns,
            pairs: config.rope.dims / 2,
            neox: config.rope.layout == RopeLayout::Neox,
            norms: norms.map(|(query, key)| (query, key, config.rms_eps)),
            rows,
        };
        let rope = Rope::new(gpu, heads, &operands);
        let operands = attention::Operands {
            queries: &scratch.qkv,
            query_width: qkv_width(config),
            keys,
            values,
            out: &scratch.attended,
            partials: &scratch.partials,
            rows,
        };
        let attention = Attention::new(gpu, heads, &operands)?;
        Ok(LayerSession { rope, attention })
    }

    /// hidden (n, d_model) += attention, then += feed-forward, for `n` rows from position `first` on.
    pub(super) fn run(&self, commands: &mut Commands<'_>, session: &LayerSession, n: u32, first: u32) {
        self.qkv.iter().for_each(|product| product.run(commands, n));
        session.rope.run(commands, n);
        session.attention.run(commands, n, first);
        self.attention_out.run(commands, n);
        self.gate_up.run(commands, n);
        self.down.run(commands, n);
    }
}

/// The norm and the products of queries, keys and values: neighbours of one format are stacked.
fn qkv(
    upload: &mut Upload<'_>,
    config: &Config,
    index: u32,
    norm: &Buffer,
    scratch: &Scratch,
    rows: &Rows,
) -> Result<Vec<Matmul>, EngineError> {
    let (q_width, kv_width) = (
        config.n_heads * config.head_dim,
        config.n_kv_heads * config.head_dim,
    );
    let mut stacks: Vec<(u32, Vec<Tensor>)> = Vec::new();
    let mut bias = vec![0.0; (q_width + 2 * kv_width) as usize];
    let (mut first, mut has_bias) = (0, false);
    for (part, width) in [("attn_q", q_width), ("attn_k", kv_width), ("attn_v", kv_width)] {
        let name = format!("blk.{index}.{part}");
        let tensor = upload.tensor(&format!("{name}.weight"), config.d_model, width)?;
        let own = optional_vector(
            upload.header,
            upload.source,
            &format!("{name}.bias"),
            width as usize,
        )?;
        if let Some(own) = own {
            bias[first as usize..(first + width) as usize].copy_from_slice(&own);
            has_bias = true;
        }
        match stacks.last_mut() {
            Some((_, stack)) if stack.iter().all(|t| t.format == tensor.format) => stack.push(tensor),
            _ => stacks.push((first, vec![tensor])),
        }
        first += width;
    }
    let bias = has_bias.then(|| upload.values(bias)).transpose()?;
    let mut products = Vec::new();
    for (first, stack) in stacks {
        let Some(format) = stack.first().map(|t| t.format) else {
            continue;
        };
        let bytes: Vec<&[u8]> = stack.iter().map(|t| t.bytes.as_slice()).collect();
        let weights = Weights::stacked(upload.gpu, "weights", format, config.d_model as usize, &bytes)?;
        let operands = matmul::Operands {
            x: &scratch.hidden,
            out: &scratch.qkv,
            out_width: qkv_width(config),
            out_first: first,
            norm: Some((norm, config.rms_eps)),
            bias: bias.as_ref(),
            rows,
        };
        products.push(Matmul::new(upload.gpu, &weights, &operands, End::Store)?);
    }
    Ok(products)
}
