//! The steps of a layer that are no matrix products, each in one pass forward and one back.
//! Does not multiply matrices: candle does. Written out of candle's single operations these take as long as those.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

/// x / rms(x) × weight, row by row.
pub(crate) struct RmsNorm {
    pub(crate) eps: f32,
}

/// silu(gate) × up.
pub(crate) struct SiluMul;

/// The softmax of scores (…, length, length) × scale, over the positions that a row may look at: itself and before.
pub(crate) struct CausalSoftmax {
    pub(crate) scale: f32,
}

/// Rotary embedding of (…, length, head_dim), pairs side by side as GGUF's llama has them.
#[derive(Clone)]
pub(crate) struct Rotate {
    /// (length, head_dim / 2), cosine and sine.
    turns: std::sync::Arc<Vec<[f32; 2]>>,
    length: usize,
    head_dim: usize,
    back: bool,
}

impl RmsNorm {
    fn root(&self, row: &[f32]) -> f32 {
        let mean = row.iter().map(|x| x * x).sum::<f32>() / row.len() as f32;
        1.0 / (mean + self.eps).sqrt()
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (floats(x, lx)?, floats(w, lw)?);
        let mut out = Vec::with_capacity(x.len());
        for row in x.chunks_exact(weight.len()) {
            let root = self.root(row);
            out.extend(row.iter().zip(weight).map(|(x, weight)| x * root * weight));
        }
        Ok((CpuStorage::F32(out), lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (xs, weights, grads) = (values(x)?, values(weight)?, values(grad)?);
        let width = weights.len();
        let mut by_x = Vec::with_capacity(xs.len());
        let mut by_weight = vec![0_f32; width];
        for (row, grad) in xs.chunks_exact(width).zip(grads.chunks_exact(width)) {
            let root = self.root(row);
            let mut along = 0.0;
            for ((x, grad), (weight, by)) in row.iter().zip(grad).zip(weights.iter().zip(&mut by_weight)) {
                along += x * grad * weight;
                *by += x * root * grad;
            }
            let along = along * root * root / width as f32;
            let parts = row.iter().zip(grad).zip(&weights);
            by_x.extend(parts.map(|((x, grad), weight)| root * (grad * weight - x * along)));
        }
        Ok((Some(like(x, by_x)?), Some(like(weight, by_weight)?)))
    }
}

impl CustomOp2 for SiluMul {
    fn name(&self) -> &'static str {
        "silu-mul"
    }

    fn cpu_fwd(
        &self,
        g: &CpuStorage,
        lg: &Layout,
        u: &CpuStorage,
        lu: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (floats(g, lg)?, floats(u, lu)?);
        let out = gate.iter().zip(up).map(|(gate, up)| gate * sigmoid(*gate) * up);
        Ok((CpuStorage::F32(out.collect()), lg.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (gates, ups, grads) = (values(gate)?, values(up)?, values(grad)?);
        let (mut by_gate, mut by_up) = (Vec::with_capacity(gates.len()), Vec::with_capacity(gates.len()));
        for ((gate, up), grad) in gates.iter().zip(&ups).zip(&grads) {
            let open = sigmoid(*gate);
            by_gate.push(grad * up * open * (1.0 + gate * (1.0 - open)));
            by_up.push(grad * gate * open);
        }
        Ok((Some(like(gate, by_gate)?), Some(like(up, by_up)?)))
    }
}

impl CustomOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal-softmax"
    }

    fn cpu_fwd(&self, scores: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let scores = floats(scores, layout)?;
        let length = layout.dims().last().copied().unwrap_or(1);
        let mut out = vec![0_f32; scores.len()];
        for (at, (row, out)) in scores
            .chunks_exact(length)
            .zip(out.chunks_exact_mut(length))
            .enumerate()
        {
            let seen = at % length + 1;
            let (row, out) = (&row[..seen], &mut out[..seen]);
            let peak = row.iter().fold(f32::NEG_INFINITY, |peak, score| peak.max(*score));
            let mut sum = 0.0;
            for (out, score) in out.iter_mut().zip(row) {
                *out = ((score - peak) * self.scale).exp();
                sum += *out;
            }
            out.iter_mut().for_each(|share| *share /= sum);
        }
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, scores: &Tensor, shares: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (shares, grads) = (values(shares)?, values(grad)?);
        let length = scores.dims().last().copied().unwrap_or(1);
        let mut out = vec![0_f32; shares.len()];
        let rows = shares.chunks_exact(length).zip(grads.chunks_exact(length));
        for (at, ((share, grad), out)) in rows.zip(out.chunks_exact_mut(length)).enumerate() {
            let seen = at % length + 1;
            let along: f32 = share[..seen]
                .iter()
                .zip(&grad[..seen])
                .map(|(share, grad)| share * grad)
                .sum();
            for (out, (share, grad)) in out[..seen].iter_mut().zip(share.iter().zip(grad)) {
                *out = self.scale * share * (grad - along);
            }
        }
        Ok(Some(like(scores, out)?))
    }
}

impl Rotate {
    /// For sequences of `length` positions.
    pub(crate) fn new(length: usize, head_dim: usize, base: f64) -> Rotate {
        let turns = (0..length).flat_map(|position| {
            (0..head_dim / 2).map(move |pair| {
                let angle = position as f64 * base.powf(-2.0 * pair as f64 / head_dim as f64);
                [angle.cos() as f32, angle.sin() as f32]
            })
        });
        Rotate {
            turns: std::sync::Arc::new(turns.collect()),
            length,
            head_dim,
            back: false,
        }
    }
}

impl CustomOp1 for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn cpu_fwd(&self, heads: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut out = floats(heads, layout)?.to_vec();
        for sequence in out.chunks_exact_mut(self.length * self.head_dim) {
            for (pair, turn) in sequence.as_chunks_mut::<2>().0.iter_mut().zip(self.turns.iter()) {
                let ([a, b], [cos, sin]) = (*pair, *turn);
                let sin = if self.back { -sin } else { sin };
                *pair = [a * cos - b * sin, a * sin + b * cos];
            }
        }
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        // A turn is undone by the turn back.
        let back = Rotate {
            back: !self.back,
            ..self.clone()
        };
        Ok(Some(grad.contiguous()?.apply_op1(back)?))
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("a fused operation needs contiguous values"),
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

fn like(tensor: &Tensor, values: Vec<f32>) -> Result<Tensor> {
    Tensor::from_vec(values, tensor.shape(), tensor.device())
}
