//! A Llama-architecture model as candle sees it: weights that can be learnt, and the forward pass.
//! Does not cache keys and values or sample: `engine` runs what this has learnt.

use candle_core::{D, Device, Tensor, Var};
use gguf::synthetic::SplitMix;

use crate::TrainError;
use crate::fused::{CausalSoftmax, RmsNorm, Rotate, SiluMul};
use crate::shape::{LAYER_TENSORS, Shape};

/// Weights in the order of [`Shape::tensors`].
pub struct Model {
    shape: Shape,
    weights: Vec<Var>,
}

impl Model {
    /// A model that has learnt nothing, drawn from `seed`.
    ///
    /// # Errors
    /// [`TrainError::Shape`].
    pub fn new(shape: Shape, seed: u64) -> Result<Model, TrainError> {
        shape.check()?;
        let mut random = SplitMix::new(seed);
        let residual = 1.0 / (2.0 * f64::from(shape.n_layers)).sqrt();
        let values = shape.tensors().into_iter().map(|(name, dims)| {
            let count = dims.iter().product();
            match dims.as_slice() {
                [_] => vec![1.0; count],
                _ if name.starts_with("token_embd") => normal(&mut random, count, 0.02),
                [_, columns] => {
                    // What is added to the hidden state starts small, so that depth does not blow it up.
                    let added = name.contains("attn_output") || name.contains("ffn_down");
                    let scale = if added { residual } else { 1.0 };
                    normal(&mut random, count, scale / (*columns as f64).sqrt())
                }
                _ => vec![0.0; count],
            }
        });
        let values: Vec<Vec<f32>> = values.collect();
        Model::from_values(shape, values)
    }

    /// A model of known weights, in the order of the shape's tensors.
    ///
    /// # Errors
    /// [`TrainError::Shape`] when they are not of this shape.
    pub fn from_values(shape: Shape, values: Vec<Vec<f32>>) -> Result<Model, TrainError> {
        shape.check()?;
        let tensors = shape.tensors();
        if values.len() != tensors.len() {
            return Err(TrainError::Shape(format!(
                "{} tensors, {} needed",
                values.len(),
                tensors.len()
            )));
        }
        let mut weights = Vec::with_capacity(tensors.len());
        for ((name, dims), values) in tensors.into_iter().zip(values) {
            if values.len() != dims.iter().product::<usize>() {
                return Err(TrainError::Shape(format!("{name} has {} values", values.len())));
            }
            weights.push(Var::from_tensor(&Tensor::from_vec(values, dims, &Device::Cpu)?)?);
        }
        Ok(Model { shape, weights })
    }

    /// Its hyper-parameters.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The weights, in the order of the shape's tensors.
    pub fn weights(&self) -> &[Var] {
        &self.weights
    }

    /// The values of every tensor.
    ///
    /// # Errors
    /// Those of the tensor library.
    pub fn values(&self) -> Result<Vec<Vec<f32>>, TrainError> {
        let flat = |var: &Var| Ok(var.flatten_all()?.to_vec1()?);
        self.weights.iter().map(flat).collect()
    }

    /// Logits (wanted positions, vocab) of `rows` sequences of one length, one behind the other. `wanted` holds
    /// indices into all positions.
    ///
    /// # Errors
    /// Those of the tensor library, for tokens outside the vocabulary among others.
    pub fn forward(&self, tokens: &[u32], rows: usize, wanted: &[u32]) -> Result<Tensor, TrainError> {
        let length = tokens.len() / rows.max(1);
        let rotate = Rotate::new(
            length,
            self.shape.head_dim() as usize,
            self.shape.rope_base.into(),
        );
        let ids = Tensor::new(tokens, &Device::Cpu)?;
        let mut hidden = self.weights[0].index_select(&ids, 0)?; // (rows × length, d_model)
        for layer in 0..self.shape.n_layers as usize {
            let first = 1 + layer * LAYER_TENSORS.len();
            let weights = &self.weights[first..first + LAYER_TENSORS.len()];
            hidden = (&hidden + self.attention(&hidden, weights, rows, length, &rotate)?)?;
            hidden = (&hidden + self.feed_forward(&hidden, weights)?)?;
        }
        let hidden = hidden.index_select(&Tensor::new(wanted, &Device::Cpu)?, 0)?;
        let last = &self.weights[self.weights.len() - 1];
        let hidden = self.norm(&hidden, last)?;
        Ok(hidden.matmul(&self.weights[0].t()?)?)
    }

    /// The sum of the cross-entropies (nats) of `targets` at the wanted positions, each times its weight.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub fn loss(
        &self,
        tokens: &[u32],
        rows: usize,
        wanted: &[u32],
        targets: &[u32],
        weights: &[f32],
    ) -> Result<Tensor, TrainError> {
        let logits = self.forward(tokens, rows, wanted)?;
        let peak = logits.max_keepdim(D::Minus1)?.detach();
        let logits = logits.broadcast_sub(&peak)?;
        let all = logits.exp()?.sum(D::Minus1)?.log()?;
        let targets = Tensor::new(targets, &Device::Cpu)?.unsqueeze(1)?;
        let right = logits.gather(&targets, 1)?.squeeze(1)?;
        let weights = Tensor::new(weights, &Device::Cpu)?;
        Ok(((all - right)? * weights)?.sum_all()?)
    }

    fn attention(
        &self,
        hidden: &Tensor,
        weights: &[Var],
        rows: usize,
        length: usize,
        rotate: &Rotate,
    ) -> Result<Tensor, TrainError> {
        let [norm, query, key, value, out] = [0, 1, 2, 3, 4].map(|part| &weights[part]);
        let heads = self.shape.n_heads as usize;
        let kv_heads = self.shape.n_kv_heads as usize;
        let dim = self.shape.head_dim() as usize;
        let normed = self.norm(hidden, norm)?;
        let split = |weight: &Var, heads: usize| -> Result<Tensor, TrainError> {
            let all = normed.matmul(&weight.t()?)?.reshape((rows, length, heads, dim))?;
            Ok(all.transpose(1, 2)?.contiguous()?) // (rows, heads, length, head_dim)
        };
        let query = split(query, heads)?.apply_op1(rotate.clone())?;
        let key = repeat(
            &split(key, kv_heads)?.apply_op1(rotate.clone())?,
            heads / kv_heads,
        )?;
        let value = repeat(&split(value, kv_heads)?, heads / kv_heads)?;
        let scores = query.matmul(&key.transpose(2, 3)?)?; // (rows, heads, length, length)
        let scale = 1.0 / (dim as f32).sqrt();
        let mixed = scores.apply_op1(CausalSoftmax { scale })?.matmul(&value)?;
        let mixed = mixed.transpose(1, 2)?.reshape((rows * length, heads * dim))?;
        Ok(mixed.matmul(&out.t()?)?)
    }

    fn feed_forward(&self, hidden: &Tensor, weights: &[Var]) -> Result<Tensor, TrainError> {
        let [norm, gate, up, down] = [5, 6, 7, 8].map(|part| &weights[part]);
        let normed = self.norm(hidden, norm)?;
        let gate = normed.matmul(&gate.t()?)?;
        let inner = gate.apply_op2(&normed.matmul(&up.t()?)?, SiluMul)?;
        Ok(inner.matmul(&down.t()?)?)
    }

    fn norm(&self, hidden: &Tensor, weight: &Var) -> Result<Tensor, TrainError> {
        let eps = self.shape.rms_eps;
        Ok(hidden.apply_op2(weight, RmsNorm { eps })?)
    }
}

/// Every head `times` times, for the query heads that share it.
fn repeat(heads: &Tensor, times: usize) -> Result<Tensor, TrainError> {
    if times == 1 {
        return Ok(heads.clone());
    }
    let (rows, count, length, dim) = heads.dims4()?;
    let all = heads.unsqueeze(2)?.expand((rows, count, times, length, dim))?;
    Ok(all.reshape((rows, count * times, length, dim))?)
}

/// Normally distributed numbers (Box and Muller 1958).
fn normal(random: &mut SplitMix, count: usize, deviation: f64) -> Vec<f32> {
    let mut uniform = || ((random.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
        values.extend([radius * angle.cos(), radius * angle.sin()].map(|value| (value * deviation) as f32));
    }
    values.truncate(count);
    values
}
