//! Models as the page needs them: facts, prompts, ids. The worker holds the rest.
//! It loads no weights.

use std::cell::RefCell;
use std::collections::HashMap;

use jobs::{Answer, Ask, ModelFacts, Prompt};
use node::io::ModelSpec;
use protocol::ModelId;

use crate::error::Error;
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// What is known of each model that was opened.
pub(crate) struct Models {
    origin: String,
    worker: Worker,
    known: RefCell<HashMap<String, ModelFacts>>,
}

impl Models {
    pub(crate) fn new(origin: String, worker: Worker) -> Models {
        Models {
            origin,
            worker,
            known: RefCell::default(),
        }
    }

    /// Facts of a model, fetched and checked the first time.
    pub(crate) async fn open(&self, model: &str) -> Result<ModelFacts, Error> {
        if let Some(facts) = self.known.borrow().get(model) {
            return Ok(facts.clone());
        }
        let ask = Ask::OpenModel {
            model: model.to_owned(),
            origin: self.origin.clone(),
        };
        match self.worker.ask(ask).await? {
            Answer::Model(facts) => {
                self.known.borrow_mut().insert(model.to_owned(), facts.clone());
                Ok(facts)
            }
            _ => Err(Error::internal(
                "the compute worker answered something else than a model",
            )),
        }
    }

    /// Token ids of a prompt, and whether it holds no text.
    pub(crate) async fn encode(&self, model: &str, prompt: Prompt) -> Result<(Vec<u32>, bool), Error> {
        match self
            .worker
            .ask(Ask::Encode {
                model: model.to_owned(),
                prompt,
            })
            .await?
        {
            Answer::Ids { ids, from_nothing } => Ok((ids, from_nothing)),
            _ => Err(Error::internal(
                "the compute worker answered something else than ids",
            )),
        }
    }

    /// A model as the node knows it.
    pub(crate) fn spec(&self, facts: &ModelFacts) -> Result<ModelSpec, Error> {
        let id: ModelId = facts
            .model
            .parse()
            .map_err(|_| Error::new("bad_request", format!("{} is no model id", facts.model)))?;
        Ok(ModelSpec {
            id,
            layers: facts.layers,
            d_model: facts.d_model,
        })
    }

    /// Whether the whole model is small enough for this tab: weights twice (the file's bytes pass
    /// through while the engine takes them over) within a quarter of what the browser admits to.
    pub(crate) fn fits(&self, model: &str, snapshot: &Snapshot) -> bool {
        let Some(bytes) = snapshot.models.iter().find(|m| m.id == model).map(|m| m.bytes) else {
            return false;
        };
        bytes.saturating_mul(2) <= device_memory_bytes() / 4
    }
}

/// What the browser says of the device's memory: a rounded figure of at most 8 GiB, where it says
/// anything; a small phone's worth otherwise.
fn device_memory_bytes() -> u64 {
    const GIB: f64 = 1_073_741_824.0;
    let said = web_sys::window()
        .and_then(|w| js_sys::Reflect::get(&w.navigator(), &"deviceMemory".into()).ok())
        .and_then(|m| m.as_f64());
    (said.unwrap_or(2.0).clamp(0.25, 64.0) * GIB) as u64
}

/// Checked settings.
pub(crate) fn sampling(sampling: &jobs::Sampling) -> Result<protocol::Sampling, Error> {
    let checked = protocol::Sampling {
        temperature: sampling.temperature,
        top_k: sampling.top_k,
        top_p: sampling.top_p,
        min_p: sampling.min_p,
        repeat_penalty: sampling.repeat_penalty,
        seed: sampling.seed,
    };
    checked
        .check()
        .map_err(|e| Error::new("bad_request", e.to_string()))?;
    Ok(checked)
}
