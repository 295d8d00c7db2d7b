//! Which tensors a model must have, may have and may not have, and in which shapes.
//! Does not know where they lie.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::error::GgufError;
use crate::tensor::TensorInfo;

/// Checks the tensors of a file against its hyper-parameters.
pub(crate) fn check(config: &Config, tensors: &[TensorInfo]) -> Result<(), GgufError> {
    let mut left: BTreeMap<&str, &TensorInfo> = tensors.iter().map(|t| (t.name.as_str(), t)).collect();
    let n = Widths::of(config);
    let mut take = |name: String, needed: &[u64], must: bool| match left.remove(name.as_str()) {
        Some(tensor) => check_shape(tensor, needed),
        None if must => Err(GgufError::MissingTensor(name)),
        None => Ok(()),
    };
    take("token_embd.weight".into(), &[n.model, n.vocab], true)?;
    take("output_norm.weight".into(), &[n.model], true)?;
    take("output.weight".into(), &[n.model, n.vocab], !config.tied_head)?;
    take("rope_freqs.weight".into(), &[n.rope_pairs], false)?;
    for layer in 0..config.n_layers {
        let mut take = |part: &str, needed: &[u64]| take(format!("blk.{layer}.{part}"), needed, true);
        take("attn_norm.weight", &[n.model])?;
        take("attn_q.weight", &[n.model, n.query])?;
        take("attn_k.weight", &[n.model, n.key])?;
        take("attn_v.weight", &[n.model, n.key])?;
        take("attn_output.weight", &[n.query, n.model])?;
        if config.qkv_bias {
            take("attn_q.bias", &[n.query])?;
            take("attn_k.bias", &[n.key])?;
            take("attn_v.bias", &[n.key])?;
        }
        if config.output_bias {
            take("attn_output.bias", &[n.model])?;
        }
        if config.qk_norm {
            take("attn_q_norm.weight", &[n.head])?;
            take("attn_k_norm.weight", &[n.head])?;
        }
        take("ffn_norm.weight", &[n.model])?;
        take("ffn_gate.weight", &[n.model, n.ffn])?;
        take("ffn_up.weight", &[n.model, n.ffn])?;
        take("ffn_down.weight", &[n.ffn, n.model])?;
    }
    left.keys()
        .next()
        .map_or(Ok(()), |name| Err(GgufError::UnknownTensor((*name).to_owned())))
}

struct Widths {
    model: u64,
    ffn: u64,
    query: u64,
    key: u64,
    head: u64,
    vocab: u64,
    rope_pairs: u64,
}

impl Widths {
    fn of(config: &Config) -> Widths {
        let head = u64::from(config.head_dim);
        Widths {
            model: config.d_model.into(),
            ffn: config.d_ffn.into(),
            query: u64::from(config.n_heads) * head,
            key: u64::from(config.n_kv_heads) * head,
            head,
            vocab: config.vocab.into(),
            rope_pairs: u64::from(config.rope.dims) / 2,
        }
    }
}

fn check_shape(tensor: &TensorInfo, needed: &[u64]) -> Result<(), GgufError> {
    // Trailing dimensions of 1 say nothing.
    let (shape, rest) = tensor.dims.split_at(needed.len().min(tensor.dims.len()));
    if shape != needed || rest.iter().any(|dim| *dim != 1) {
        let (name, found) = (tensor.name.clone(), tensor.dims.clone());
        return Err(GgufError::Shape {
            name,
            found,
            needed: needed.to_vec(),
        });
    }
    if needed.len() == 1 && !tensor.ty.is_plain() {
        return Err(GgufError::VectorType {
            name: tensor.name.clone(),
            ty: tensor.ty.code(),
        });
    }
    Ok(())
}
