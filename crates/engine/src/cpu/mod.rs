//! The CPU back end: quantised products, and plain loops for everything else, on one thread.
//! Does not know sessions; the shard checks positions before anything comes here.

pub(crate) mod attention;
pub(crate) mod cache;
pub(crate) mod layer;
pub(crate) mod matrix;
pub(crate) mod ops;
pub(crate) mod quant;
mod simd;

use gguf::{Config, Header, Stage};

use crate::EngineError;
use crate::rope::RopeTable;
use crate::weights::{Parts, WeightSource, matrix, optional_vector, vector};
use cache::KvCache;
use layer::{Layer, Scratch, kv_width};
use matrix::Matrix;
use quant::Workspace;

/// A stage's weights, ready to compute.
pub(crate) struct CpuStage {
    config: Config,
    /// (vocab, d_model); also the head where the model ties them.
    embedding: Option<Matrix>,
    layers: Vec<Layer>,
    head: Option<Head>,
    rope: RopeTable,
    scratch: Scratch,
    normed: Vec<f32>,
    workspace: Workspace,
}

struct Head {
    norm: Vec<f32>,
    /// None where the embedding serves.
    output: Option<Matrix>,
}

impl CpuStage {
    pub(crate) async fn load(
        header: &Header,
        config: &Config,
        stage: &Stage,
        source: &mut dyn WeightSource,
    ) -> Result<CpuStage, EngineError> {
        let mut parts = Parts::of(header, stage);
        parts.bring(source).await?;
        let (d_model, vocab) = (config.d_model as usize, config.vocab as usize);
        let pairs = config.rope.dims as usize / 2;
        let factors = optional_vector(header, source, "rope_freqs.weight", pairs)?.unwrap_or_default();
        let mut embedding = None;
        if stage.embed || (stage.head && config.tied_head) {
            embedding = Some(matrix(header, source, "token_embd.weight", d_model, vocab)?);
        }
        parts.bring(source).await?;
        let mut head = None;
        if stage.head {
            let norm = vector(header, source, "output_norm.weight", d_model)?;
            let tied = config.tied_head;
            let output = (!tied)
                .then(|| matrix(header, source, "output.weight", d_model, vocab))
                .transpose()?;
            head = Some(Head { norm, output });
        }
        let mut layers = Vec::new();
        for index in stage.layers.layers() {
            parts.bring(source).await?;
            layers.push(Layer::load(header, config, index, source)?);
        }
        let rope = RopeTable::new(&config.rope, &factors);
        let config = config.clone();
        Ok(CpuStage {
            config,
            embedding,
            layers,
            head,
            rope,
            scratch: Scratch::default(),
            normed: Vec::new(),
            workspace: Workspace::default(),
        })
    }

    /// Reserves the cache of a session.
    pub(crate) fn open(&mut self, capacity: usize) -> Result<KvCache, EngineError> {
        let cache = KvCache::new(self.layers.len(), kv_width(&self.config), capacity)?;
        self.rope.reserve(capacity);
        Ok(cache)
    }

    /// Writes the embeddings of `tokens` into `hidden` (n, d_model).
    pub(crate) fn embed(&self, tokens: &[u32], hidden: &mut Vec<f32>) -> Result<(), EngineError> {
        let d_model = self.config.d_model as usize;
        let embedding = self
            .embedding
            .as_ref()
            .ok_or(EngineError::WrongStage("embed tokens"))?;
        hidden.clear();
        hidden.resize(tokens.len() * d_model, 0.0);
        for (token, row) in tokens.iter().zip(hidden.chunks_exact_mut(d_model)) {
            embedding.row(*token as usize, row);
        }
        Ok(())
    }

    /// Runs the stage's layers on `hidden` (n, d_model) at positions `first`..`first` + n.
    pub(crate) fn forward(&mut self, cache: &mut KvCache, first: usize, hidden: &mut [f32]) {
        let capacity = cache.capacity;
        for (layer, cache) in self.layers.iter().zip(&mut cache.layers) {
            layer.forward(
                &self.config,
                &self.rope,
                cache,
                capacity,
                first,
                hidden,
                &mut self.scratch,
            );
        }
    }

    /// Appends the logits (n, vocab) of hidden states (n, d_model) to `logits`.
    pub(crate) fn logits(&mut self, hidden: &[f32], logits: &mut Vec<f32>) -> Result<(), EngineError> {
        let head = self.head.as_ref().ok_or(EngineError::WrongStage("give logits"))?;
        let output = head.output.as_ref().or(self.embedding.as_ref());
        let output = output.ok_or(EngineError::WrongStage("give logits"))?;
        self.normed.resize(hidden.len(), 0.0);
        ops::rms_norm(hidden, &head.norm, self.config.rms_eps, &mut self.normed);
        let start = logits.len();
        logits.resize(
            start + hidden.len() / self.config.d_model as usize * output.rows(),
            0.0,
        );
        output.multiply(&self.normed, &mut logits[start..], &mut self.workspace);
        Ok(())
    }
}
