//! One transformer layer of the llama family on the CPU.
//! Does not choose rows or positions: it takes rows of consecutive positions and adds to them.

use gguf::{Config, Header};

use super::attention::{Heads, attend};
use super::cache::LayerCache;
use super::matrix::Matrix;
use super::ops::{add, rms_norm, rms_norm_in_place, silu_mul};
use super::quant::Workspace;
use crate::EngineError;
use crate::rope::RopeTable;
use crate::weights::{WeightSource, matrix, optional_vector, vector};

/// The weights of one layer.
pub(crate) struct Layer {
    attention_norm: Vec<f32>,
    query: Projection,
    key: Projection,
    value: Projection,
    query_norm: Option<Vec<f32>>,
    key_norm: Option<Vec<f32>>,
    attention_out: Projection,
    ffn_norm: Vec<f32>,
    gate: Matrix,
    up: Matrix,
    down: Matrix,
}

struct Projection {
    weight: Matrix,
    bias: Option<Vec<f32>>,
}

/// Buffers reused by every layer and step; they grow to the largest step seen.
#[derive(Default)]
pub(crate) struct Scratch {
    normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    attended: Vec<f32>,
    projected: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    scores: Vec<f32>,
    workspace: Workspace,
}

impl Layer {
    /// Loads layer `index`.
    pub(crate) fn load(
        header: &Header,
        config: &Config,
        index: u32,
        source: &mut dyn WeightSource,
    ) -> Result<Layer, EngineError> {
        let d_model = config.d_model as usize;
        let (q_width, kv_width) = (
            config.n_heads as usize * config.head_dim as usize,
            kv_width(config),
        );
        let d_ffn = config.d_ffn as usize;
        let name = |part: &str| format!("blk.{index}.{part}");
        let mut projection = |part: &str, cols: usize, rows: usize| -> Result<Projection, EngineError> {
            Ok(Projection {
                weight: matrix(header, source, &name(&format!("{part}.weight")), cols, rows)?,
                bias: optional_vector(header, source, &name(&format!("{part}.bias")), rows)?,
            })
        };
        let query = projection("attn_q", d_model, q_width)?;
        let key = projection("attn_k", d_model, kv_width)?;
        let value = projection("attn_v", d_model, kv_width)?;
        let attention_out = projection("attn_output", q_width, d_model)?;
        let head_dim = config.head_dim as usize;
        Ok(Layer {
            attention_norm: vector(header, source, &name("attn_norm.weight"), d_model)?,
            query,
            key,
            value,
            query_norm: optional_vector(header, source, &name("attn_q_norm.weight"), head_dim)?,
            key_norm: optional_vector(header, source, &name("attn_k_norm.weight"), head_dim)?,
            attention_out,
            ffn_norm: vector(header, source, &name("ffn_norm.weight"), d_model)?,
            gate: matrix(header, source, &name("ffn_gate.weight"), d_model, d_ffn)?,
            up: matrix(header, source, &name("ffn_up.weight"), d_model, d_ffn)?,
            down: matrix(header, source, &name("ffn_down.weight"), d_ffn, d_model)?,
        })
    }

    /// hidden (n, d_model) += attention, then += feed-forward, for positions `first`..`first` + n.
    /// Their keys and values go into the cache, whose earlier positions are attended to.
    #[allow(clippy::too_many_arguments)] // the step's parts, each owned by someone else
    pub(crate) fn forward(
        &self,
        config: &Config,
        rope: &RopeTable,
        cache: &mut LayerCache,
        capacity: usize,
        first: usize,
        hidden: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let n = hidden.len() / config.d_model as usize;
        let eps = config.rms_eps;
        let heads = Heads {
            query: config.n_heads as usize,
            kv: config.n_kv_heads as usize,
            dim: config.head_dim as usize,
        };
        let (q_width, kv_width) = (heads.query * heads.dim, heads.kv * heads.dim);
        let s = scratch;

        let normed = sized(&mut s.normed, hidden.len()); // (n, d_model)
        rms_norm(hidden, &self.attention_norm, eps, normed);
        let query = sized(&mut s.query, n * q_width); // (n, n_heads, head_dim)
        let key = sized(&mut s.key, n * kv_width); // (n, n_kv_heads, head_dim)
        let value = sized(&mut s.value, n * kv_width); // (n, n_kv_heads, head_dim)
        self.query.apply(normed, query, &mut s.workspace);
        self.key.apply(normed, key, &mut s.workspace);
        self.value.apply(normed, value, &mut s.workspace);
        if let Some(weight) = &self.query_norm {
            rms_norm_in_place(query, weight, eps);
        }
        if let Some(weight) = &self.key_norm {
            rms_norm_in_place(key, weight, eps);
        }

        let attended = sized(&mut s.attended, n * q_width); // (n, n_heads, head_dim)
        for row in 0..n {
            let position = first + row;
            let query = &mut query[row * q_width..(row + 1) * q_width];
            let key = &mut key[row * kv_width..(row + 1) * kv_width];
            rope.turn(query, heads.dim, position);
            rope.turn(key, heads.dim, position);
            append(&mut cache.keys, key, heads, capacity, position);
            append(
                &mut cache.values,
                &value[row * kv_width..(row + 1) * kv_width],
                heads,
                capacity,
                position,
            );
            let attended = &mut attended[row * q_width..(row + 1) * q_width];
            attend(heads, cache, capacity, position, query, &mut s.scores, attended);
        }
        let projected = sized(&mut s.projected, hidden.len()); // (n, d_model)
        self.attention_out.apply(attended, projected, &mut s.workspace);
        add(hidden, projected);

        rms_norm(hidden, &self.ffn_norm, eps, normed);
        let gate = sized(&mut s.gate, n * self.gate.rows()); // (n, d_ffn)
        let up = sized(&mut s.up, n * self.up.rows()); // (n, d_ffn)
        self.gate.multiply(normed, gate, &mut s.workspace);
        self.up.multiply(normed, up, &mut s.workspace);
        silu_mul(gate, up);
        self.down.multiply(gate, projected, &mut s.workspace);
        add(hidden, projected);
    }
}

impl Projection {
    fn apply(&self, x: &[f32], out: &mut [f32], workspace: &mut Workspace) {
        self.weight.multiply(x, out, workspace);
        if let Some(bias) = &self.bias {
            out.chunks_exact_mut(bias.len()).for_each(|row| add(row, bias));
        }
    }
}

/// Values per position in a layer's keys.
pub(crate) fn kv_width(config: &Config) -> usize {
    config.n_kv_heads as usize * config.head_dim as usize
}

/// Puts one position's heads into a cache of (n_kv_heads, capacity, head_dim).
fn append(cache: &mut [f32], row: &[f32], heads: Heads, capacity: usize, position: usize) {
    for (head, values) in row.chunks_exact(heads.dim).enumerate() {
        let at = (head * capacity + position) * heads.dim;
        cache[at..at + heads.dim].copy_from_slice(values);
    }
}

/// The first `len` values of a buffer that grows when it must. What they hold is left over.
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}
