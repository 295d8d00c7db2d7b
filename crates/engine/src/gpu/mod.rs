//! The GPU back end: a stage's weights on a device, and its steps as one list of commands each.
//! Does not know sessions' positions; the shard checks them before anything comes here.

mod head;
mod layer;
mod session;
mod step;
mod upload;

use gguf::{Config, Header, Stage};
use kernels::ops::{Embed, Rows, rope, stride};
use kernels::{Buffer, Format, Gpu, GpuError, SelfTest, Variants, self_test};
use std::rc::Rc;

use crate::EngineError;
use crate::rope::RopeTable;
use crate::weights::{Parts, WeightSource, optional_vector};
use head::Head;
use layer::Layer;
pub(crate) use session::GpuSession;
use upload::Upload;

/// Rows computed together: it bounds the scratch memory of a step.
const CHUNK_ROWS: u32 = 64;

/// A stage's weights on a device, ready to compute.
pub(crate) struct GpuStage {
    gpu: Rc<Gpu>,
    config: Config,
    scratch: Scratch,
    rows: Rows,
    embed: Option<Embed>,
    layers: Vec<Layer>,
    head: Option<Head>,
    rope: RopeTable,
    /// The cosines and sines of as many positions as any session asked for so far.
    turns: Option<(Buffer, u32)>,
    self_test: SelfTest,
    /// Rows are computed one after the other: the device does not give them the same bits among others.
    row_by_row: bool,
    variants: Variants,
    cost: GpuCost,
}

/// What the last step cost, beyond arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GpuCost {
    /// Kernels started.
    pub dispatches: u32,
    /// Those of them between embedding and head.
    pub layer_dispatches: u32,
    /// Lists of commands handed over.
    pub submits: u32,
}

/// Buffers that every layer and session shares: one step runs at a time.
struct Scratch {
    tokens: Buffer,
    /// (n, d_model)
    hidden: Buffer,
    /// (n, n_heads + 2 · n_kv_heads, head_dim)
    qkv: Buffer,
    /// (n, n_heads, head_dim)
    attended: Buffer,
    /// (n, d_ffn)
    inner: Buffer,
    partials: Buffer,
    staging: Option<Buffer>,
}

impl GpuStage {
    pub(crate) async fn load(
        gpu: Rc<Gpu>,
        header: &Header,
        config: &Config,
        stage: &Stage,
        source: &mut dyn WeightSource,
    ) -> Result<GpuStage, EngineError> {
        let formats = formats(header, stage);
        let tried = gpu.variants();
        let self_test = match self_test(&gpu, &formats).await {
            // What every device has may still be right where a faster way is not.
            Err(GpuError::Wrong { .. }) if tried != Variants::default() => {
                gpu.use_floor();
                self_test(&gpu, &formats).await?
            }
            tested => tested?,
        };
        let mut parts = Loading {
            gpu: &gpu,
            header,
            source,
            parts: Parts::of(header, stage),
            bytes: weight_bytes(header, stage),
        };
        let before = |upload: &mut Upload<'_>| {
            let pairs = config.rope.dims as usize / 2;
            let factors = optional_vector(header, upload.source, "rope_freqs.weight", pairs)?;
            let mut embedding = None;
            if stage.embed || (stage.head && config.tied_head) {
                let (d_model, vocab) = (config.d_model, config.vocab);
                embedding = Some(upload.matrix("token_embd.weight", d_model, vocab)?);
            }
            Ok((
                factors.unwrap_or_default(),
                embedding,
                Scratch::new(&gpu, config)?,
            ))
        };
        let (factors, embedding, scratch) = parts.next(before).await?;
        let rows = Rows::new(&gpu);
        let embed = embedding
            .as_ref()
            .filter(|_| stage.embed)
            .map(|weights| Embed::new(&gpu, weights, &scratch.tokens, &scratch.hidden, &rows));
        let head = parts.next(|upload| {
            let head = stage.head.then(|| Head::load(upload, config, embedding));
            head.transpose()
        });
        let head = head.await?;
        let mut layers = Vec::new();
        for index in stage.layers.layers() {
            let layer = parts.next(|upload| Layer::load(upload, config, index, &scratch, &rows));
            layers.push(layer.await?);
        }
        Ok(GpuStage {
            config: config.clone(),
            scratch,
            rows,
            embed,
            layers,
            head,
            rope: RopeTable::new(&config.rope, &factors),
            turns: None,
            self_test,
            row_by_row: !self_test.batch_invariant,
            variants: gpu.variants(),
            cost: GpuCost::default(),
            gpu,
        })
    }

    pub(crate) fn self_test(&self) -> SelfTest {
        self.self_test
    }

    /// From now on one row after the other.
    pub(crate) fn compute_row_by_row(&mut self) {
        self.row_by_row = true;
    }

    /// Bytes of a value in the caches that are opened now.
    pub(crate) fn cache_value_bytes(&self) -> u64 {
        self.gpu.variants().cache_value_bytes()
    }

    /// Which variants of the kernels it uses.
    pub(crate) fn variants(&self) -> Variants {
        self.variants
    }

    pub(crate) fn cost(&self) -> GpuCost {
        self.cost
    }
}

/// A stage on its way to the device, part by part: no more of it is ever in memory.
struct Loading<'a> {
    gpu: &'a Gpu,
    header: &'a Header,
    source: &'a mut dyn WeightSource,
    parts: Parts<'a>,
    /// Of the whole stage.
    bytes: u64,
}

impl Loading<'_> {
    /// Makes something of the next part.
    async fn next<T>(
        &mut self,
        make: impl FnOnce(&mut Upload<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.parts.bring(self.source).await?;
        let mut upload = Upload {
            gpu: self.gpu,
            header: self.header,
            source: self.source,
        };
        let (made, verdict) = self.gpu.guarded("the weights", self.bytes, || make(&mut upload));
        verdict.await?;
        made
    }
}

impl Scratch {
    fn new(gpu: &Gpu, config: &Config) -> Result<Scratch, EngineError> {
        let floats =
            |what, width: u32| gpu.storage(what, 4 * u64::from(CHUNK_ROWS) * u64::from(stride(width)));
        Ok(Scratch {
            tokens: gpu.storage("tokens", 4 * u64::from(CHUNK_ROWS))?,
            hidden: floats("hidden states", config.d_model)?,
            qkv: floats("queries, keys and values", qkv_width(config))?,
            attended: floats("attention", config.n_heads * config.head_dim)?,
            inner: floats("feed-forward", config.d_ffn)?,
            partials: gpu.storage(
                "attention by tile",
                kernels::ops::Attention::partial_bytes(heads(config, 0)),
            )?,
            staging: None,
        })
    }
}

fn qkv_width(config: &Config) -> u32 {
    (config.n_heads + 2 * config.n_kv_heads) * config.head_dim
}

fn heads(config: &Config, capacity: u32) -> rope::Heads {
    rope::Heads {
        query: config.n_heads,
        kv: config.n_kv_heads,
        dim: config.head_dim,
        capacity,
    }
}

/// The formats of a stage's matrices, each once.
fn formats(header: &Header, stage: &Stage) -> Vec<Format> {
    let mut formats: Vec<Format> = tensors(header, stage)
        .map(|info| upload::format(info.ty))
        .collect();
    formats.sort_unstable();
    formats.dedup();
    formats
}

fn weight_bytes(header: &Header, stage: &Stage) -> u64 {
    tensors(header, stage).map(|info| info.bytes).sum()
}

/// The matrices of a stage.
fn tensors<'a>(header: &'a Header, stage: &Stage) -> impl Iterator<Item = &'a gguf::TensorInfo> {
    let ranges = gguf::stage_ranges(header, stage);
    header.tensors().iter().filter(move |info| {
        let within = |range: &std::ops::Range<u64>| range.contains(&info.offset_bytes);
        info.dims.len() > 1 && ranges.iter().any(within)
    })
}
