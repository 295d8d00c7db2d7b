//! What each question means: models, stages, sessions, steps.
//! It computes through the engine and fetches through the library; it keeps no queue.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use engine::{
    BackendKind, Decoder, EngineError, Gpu, GpuError, Input, Output, Sampling, Shard, Want, WireType,
};
use gguf::{LayerRange, Stage};
use jobs::{Answer, Ask, Backend, Failure, StageKey, StepInput, StepOutput, StepWant, Wire};

use crate::codes;
use crate::device::Device;
use crate::failure::{failure, rejected};
use crate::library::Book;
use crate::measure;
use crate::peers::Peers;
use crate::port::Reply;
use crate::stock::Stock;
use crate::store::unhex;
use crate::weights::Weights;

/// Everything that this worker holds.
#[derive(Default)]
pub(crate) struct Desk {
    books: RefCell<HashMap<String, Rc<Book>>>,
    /// A stage is taken out while it computes, since a step may wait for the GPU.
    stages: RefCell<HashMap<StageKey, Shard>>,
    /// What was found out about each as it was made ready.
    facts: RefCell<HashMap<StageKey, Answer>>,
    /// Which stage each KV cache belongs to.
    caches: RefCell<HashMap<u64, StageKey>>,
    decoders: RefCell<HashMap<u64, Decoder>>,
    stock: Stock,
    peers: Rc<Peers>,
    device: Device,
}

impl Desk {
    /// Whether a question waits for the network or the disk, so that others should not wait for it.
    pub(crate) fn takes_long(ask: &Ask) -> bool {
        Stock::answers(ask)
            || matches!(
                ask,
                Ask::OpenModel { .. }
                    | Ask::LoadStage { .. }
                    | Ask::ReadChunk { .. }
                    | Ask::HoldsChunks { .. }
                    | Ask::ReadManifest { .. }
            )
    }

    /// Answers one question.
    pub(crate) async fn answer(&self, ask: Ask, reply: &Reply) -> Result<Answer, Failure> {
        match ask {
            Ask::Keep { persistent } => {
                self.stock.keep(persistent).await;
                Ok(Answer::Nothing)
            }
            ask if Stock::answers(&ask) => self.stock.answer(ask, reply).await,
            Ask::OpenModel { model, origin } => {
                let book = self.open(&model, &origin).await?;
                Ok(Answer::Model(book.facts(&model)?))
            }
            Ask::OpenDevice { backend } => {
                self.device.wanted(backend).await?;
                Ok(Answer::Nothing)
            }
            Ask::LoadStage { stage, backend } => self.load(stage, backend, reply).await,
            Ask::DropStage { stage } => {
                self.forget(&stage);
                Ok(Answer::Nothing)
            }
            Ask::Encode { model, prompt } => {
                let book = self.book(&model)?;
                let ids = book.encode(&prompt)?;
                let from_nothing = ids.iter().all(|id| book.tokenizer.is_control(*id));
                Ok(Answer::Ids { ids, from_nothing })
            }
            Ask::Decode {
                model,
                decoder,
                from_nothing,
                ids,
                last,
            } => self.decode(&model, decoder, from_nothing, &ids, last),
            Ask::OpenKv {
                kv,
                stage,
                max_positions,
            } => {
                let opened = self.on_stage(&stage, |shard| shard.open(kv, max_positions))?;
                if let Err(EngineError::Gpu(GpuError::Lost(_))) = opened {
                    self.recover(&stage, reply).await;
                }
                opened.map_err(|e| from_engine(&e))?;
                self.caches.borrow_mut().insert(kv, stage);
                Ok(Answer::Nothing)
            }
            Ask::TruncateKv { kv, positions } => {
                let stage = self.stage_of(kv)?;
                self.with_stage(&stage, |shard| shard.truncate(kv, positions))?;
                Ok(Answer::Nothing)
            }
            Ask::CloseKv { kv } => {
                if let Some(stage) = self.caches.borrow_mut().remove(&kv) {
                    self.with_stage(&stage, |shard| {
                        shard.close(kv);
                        Ok(())
                    })?;
                }
                Ok(Answer::Nothing)
            }
            Ask::Step {
                kv,
                first_position,
                input,
                want,
            } => self.step(kv, first_position, &input, &want, reply).await,
            Ask::HoldsChunks { sha256 } => {
                let held = self.stock.store().held().await;
                let is_held = |text: &String| unhex(text).is_some_and(|hash| held.contains(&hash));
                Ok(Answer::Holds(sha256.iter().map(is_held).collect()))
            }
            Ask::ReadChunk { sha256 } => {
                let bytes = match unhex(&sha256) {
                    Some(hash) => self.stock.store().get(&hash).await,
                    None => None,
                };
                Ok(Answer::Bytes(bytes.map(Into::into)))
            }
            Ask::ReadManifest { model } => {
                let manifest = match model.parse() {
                    Ok(id) => self.stock.store().manifest(&id).await,
                    Err(_) => None,
                };
                Ok(Answer::Bytes(manifest.map(|manifest| manifest.encode().into())))
            }
            Ask::Measure { stage } => self.measure(&stage).await,
            Ask::ReadCode { width, height, grey } => {
                let read = codes::read(width, height, &grey);
                let bytes = read.map_err(|e| failure("bad_request", e.to_string()))?;
                Ok(Answer::Bytes(bytes.map(Into::into)))
            }
            Ask::FromPeers { question, bytes } => {
                self.peers.hear(question, bytes.map(|bytes| bytes.into_vec()));
                Ok(Answer::Nothing)
            }
            // Everything else was for the stock.
            other => Err(failure("bad_request", format!("nobody answers {other:?}"))),
        }
    }

    async fn open(&self, model: &str, origin: &str) -> Result<Rc<Book>, Failure> {
        if let Some(book) = self.books.borrow().get(model) {
            return Ok(Rc::clone(book));
        }
        let book = Rc::new(Book::open(origin, model, &self.stock.store(), &self.peers).await?);
        self.books.borrow_mut().insert(model.to_owned(), Rc::clone(&book));
        Ok(book)
    }

    fn book(&self, model: &str) -> Result<Rc<Book>, Failure> {
        self.books
            .borrow()
            .get(model)
            .map(Rc::clone)
            .ok_or_else(|| failure("bad_request", format!("model {model} was not opened")))
    }

    async fn load(&self, key: StageKey, backend: Backend, reply: &Reply) -> Result<Answer, Failure> {
        // Asked for once more after a loss: it was made ready on the processor at once.
        if let Some(facts) = self.facts.borrow().get(&key) {
            return Ok(facts.clone());
        }
        let book = self.book(&key.model)?;
        let config = book.header.config().map_err(|e| rejected(e.to_string()))?;
        let layers =
            LayerRange::new(key.first, key.end).map_err(|e| failure("bad_request", e.to_string()))?;
        if layers.end() > config.n_layers {
            return Err(failure(
                "bad_request",
                format!("layers {layers} of {}", config.n_layers),
            ));
        }
        let stage = Stage::of(layers, config.n_layers);
        let gpu = self.device.wanted(backend).await?;
        let mut loaded = None;
        if let Some(gpu) = gpu {
            match make(&book, stage, Some(&gpu), reply).await {
                Ok(ready) => loaded = Some((ready, gpu.adapter().name.clone())),
                // Too small, lost or wrong: the processor does it, unless the GPU was asked for by name.
                Err(Unmade::Engine(EngineError::Gpu(error))) if backend == Backend::Auto => {
                    web_sys::console::warn_1(&format!("computing on the processor: {error}").into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let ((shard, us_per_token), adapter) = match loaded {
            Some(loaded) => loaded,
            None => (make(&book, stage, None, reply).await?, String::new()),
        };
        let answer = Answer::Stage {
            backend: backend_name(&shard).to_owned(),
            adapter,
            batch_invariant: shard.is_batch_invariant(),
            us_per_token,
        };
        self.facts.borrow_mut().insert(key.clone(), answer.clone());
        self.stages.borrow_mut().insert(key, shard);
        Ok(answer)
    }

    fn forget(&self, stage: &StageKey) {
        self.stages.borrow_mut().remove(stage);
        self.facts.borrow_mut().remove(stage);
        self.caches.borrow_mut().retain(|_, of| of != stage);
    }

    /// After a device went away: its caches are gone, and its stage computes on the processor from now on. Whoever
    /// asked for it hears so by asking for it again.
    async fn recover(&self, stage: &StageKey, reply: &Reply) {
        self.forget(stage);
        if let Err(failure) = self.load(stage.clone(), Backend::Cpu, reply).await {
            web_sys::console::error_1(&failure.message.into());
        }
    }

    fn decode(
        &self,
        model: &str,
        decoder: u64,
        from_nothing: bool,
        ids: &[u32],
        last: bool,
    ) -> Result<Answer, Failure> {
        let book = self.book(model)?;
        let mut decoders = self.decoders.borrow_mut();
        let mut state = decoders.remove(&decoder).unwrap_or_else(|| {
            if from_nothing {
                Decoder::at_start()
            } else {
                Decoder::continuing()
            }
        });
        let mut text: String = ids.iter().map(|id| state.push(&book.tokenizer, *id)).collect();
        if last {
            text.push_str(&state.finish());
        } else {
            decoders.insert(decoder, state);
        }
        Ok(Answer::Text(text))
    }

    async fn step(
        &self,
        kv: u64,
        first_position: u32,
        input: &StepInput,
        want: &StepWant,
        reply: &Reply,
    ) -> Result<Answer, Failure> {
        let stage = self.stage_of(kv)?;
        let input = match input {
            StepInput::Tokens(ids) => Input::Tokens(ids),
            StepInput::Hidden { wire, bytes } => Input::Hidden {
                wire: wire_type(*wire),
                bytes,
            },
        };
        let count = match &input {
            Input::Tokens(ids) => ids.len(),
            Input::Hidden { wire, bytes } => bytes.len() / self.row_bytes(&stage, *wire)?.max(1),
        };
        let rows: Vec<u32>;
        let chosen: Sampling;
        let want = match want {
            StepWant::Hidden(wire) => Want::Hidden(wire_type(*wire)),
            StepWant::Sample {
                rows: last,
                sampling,
                recent,
            } => {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                rows = (count.saturating_sub(*last)..count).collect();
                chosen = engine_sampling(sampling);
                Want::Sample {
                    rows: &rows,
                    sampling: &chosen,
                    history: recent,
                }
            }
            StepWant::Nothing => Want::Nothing,
        };
        let mut shard = self
            .stages
            .borrow_mut()
            .remove(&stage)
            .ok_or_else(|| not_loaded(&stage))?;
        let d_model = shard.config().d_model;
        let start = measure::now_ms();
        let output = shard.step(kv, first_position, input, want).await;
        let compute_ms = (measure::now_ms() - start) as f32;
        self.stages.borrow_mut().insert(stage.clone(), shard);
        if let Err(EngineError::Gpu(GpuError::Lost(_))) = output {
            self.recover(&stage, reply).await;
        }
        let output = match output.map_err(|e| from_engine(&e))? {
            Output::Nothing => StepOutput::Nothing,
            Output::Hidden(bytes) => StepOutput::Hidden {
                d_model,
                bytes: bytes.into(),
            },
            Output::Tokens(ids) => StepOutput::Tokens(ids),
            Output::Logits(_) => return Err(failure("bad_request", "nobody asked for logits")),
        };
        Ok(Answer::Stepped { output, compute_ms })
    }

    async fn measure(&self, stage: &StageKey) -> Result<Answer, Failure> {
        let taken = self.stages.borrow_mut().remove(stage);
        let mut shard = taken.ok_or_else(|| not_loaded(stage))?;
        let measured = measure::in_passing(&mut shard).await;
        self.stages.borrow_mut().insert(stage.clone(), shard);
        let us = measured.map_err(|e| from_engine(&e))?;
        Ok(Answer::Stepped {
            output: StepOutput::Nothing,
            compute_ms: us as f32 / 1000.0,
        })
    }

    fn row_bytes(&self, stage: &StageKey, wire: WireType) -> Result<usize, Failure> {
        self.with_stage(stage, |shard| Ok(wire.row_bytes(shard.config().d_model as usize)))
    }

    fn stage_of(&self, kv: u64) -> Result<StageKey, Failure> {
        self.caches
            .borrow()
            .get(&kv)
            .cloned()
            .ok_or_else(|| failure("bad_request", format!("cache {kv} is not open")))
    }

    fn with_stage<T>(
        &self,
        stage: &StageKey,
        f: impl FnOnce(&mut Shard) -> Result<T, EngineError>,
    ) -> Result<T, Failure> {
        self.on_stage(stage, f)?.map_err(|e| from_engine(&e))
    }

    /// The same for whom a lost device concerns.
    fn on_stage<T>(
        &self,
        stage: &StageKey,
        f: impl FnOnce(&mut Shard) -> Result<T, EngineError>,
    ) -> Result<Result<T, EngineError>, Failure> {
        let mut stages = self.stages.borrow_mut();
        let shard = stages.get_mut(stage).ok_or_else(|| not_loaded(stage))?;
        Ok(f(shard))
    }
}

/// Loads a stage where it is to compute, and measures it there.
async fn make(
    book: &Book,
    stage: Stage,
    gpu: Option<&Rc<Gpu>>,
    reply: &Reply,
) -> Result<(Shard, u32), Unmade> {
    let mut weights = Weights::of(book, &stage, reply);
    let made = match gpu {
        Some(gpu) => Shard::load_on(&book.header, stage, &mut weights, Rc::clone(gpu)).await,
        None => Shard::load(&book.header, stage, &mut weights, BackendKind::Cpu).await,
    };
    let mut shard = made.map_err(|error| weights.failure().map_or(Unmade::Engine(error), Unmade::Weights))?;
    let us_per_token = measure::at_load(&mut shard).await.map_err(Unmade::Engine)?;
    Ok((shard, us_per_token))
}

/// Why there is no stage.
enum Unmade {
    /// Its weights could not be had.
    Weights(Failure),
    Engine(EngineError),
}

impl From<Unmade> for Failure {
    fn from(unmade: Unmade) -> Failure {
        match unmade {
            Unmade::Weights(failure) => failure,
            Unmade::Engine(error) => from_engine(&error),
        }
    }
}

fn backend_name(shard: &Shard) -> &'static str {
    match shard.backend() {
        BackendKind::Cpu => "cpu",
        BackendKind::Gpu => "gpu",
    }
}

fn not_loaded(stage: &StageKey) -> Failure {
    let StageKey { model, first, end } = stage;
    failure(
        "bad_request",
        format!("layers {first}-{end} of {model} are not loaded"),
    )
}

fn wire_type(wire: Wire) -> WireType {
    match wire {
        Wire::F32 => WireType::F32,
        Wire::F16 => WireType::F16,
        Wire::Q8 => WireType::Q8,
    }
}

fn engine_sampling(sampling: &jobs::Sampling) -> Sampling {
    Sampling {
        temperature: sampling.temperature,
        top_k: sampling.top_k,
        top_p: sampling.top_p,
        min_p: sampling.min_p,
        repeat_penalty: sampling.repeat_penalty,
        seed: sampling.seed,
    }
}

fn from_engine(error: &EngineError) -> Failure {
    let code = match error {
        EngineError::OutOfMemory { .. } | EngineError::Gpu(GpuError::OutOfMemory { .. }) => "wont_fit",
        EngineError::Gpu(GpuError::Lost(_)) => "device_lost",
        EngineError::Gpu(_) => "no_webgpu",
        EngineError::Gguf(_)
        | EngineError::MissingTensor(_)
        | EngineError::TensorShape { .. }
        | EngineError::DamagedTensor { .. } => "model_rejected",
        _ => "bad_request",
    };
    failure(code, error.to_string())
}
