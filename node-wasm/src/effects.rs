//! The node's deeds: computing in the worker, signing with the session's key.
//! Every answer goes back as an input with the deed's id.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::SinkExt as _;
use futures::channel::mpsc;
use identity::{LocalKey, SigningKey as _};
use jobs::{Answer, Ask, StageKey};
use node::io::{
    Compute, ComputeError, Computed, Effect, EffectId, Input, Loaded, Signer, StepInput, StepOutput, Want,
};
use protocol::{Backend, ModelId, Sampling, Stage, WireType};

use crate::driver::Happening;
use crate::error::Error;
use crate::identity_card::IdentityCard;
use crate::knobs::Knobs;
use crate::pacer::Pacer;
use crate::view::View;

/// What deeds need.
pub(crate) struct Effects {
    pub(crate) desk: Pacer,
    pub(crate) knobs: Rc<Knobs>,
    pub(crate) view: Rc<RefCell<View>>,
    /// Each step lasts at least this long: for measurements that must compare.
    pub(crate) pace_ms: Option<u32>,
    /// The key that this tab's address in the mesh is.
    pub(crate) session: LocalKey,
    /// Whose tab this is.
    pub(crate) card: Rc<IdentityCard>,
    pub(crate) whole_ms: Rc<WholeMs>,
}

/// Milliseconds in whole numbers, as they go over the wire: what is left over from one step counts in the next, so that
/// many short ones add up to what they took.
#[derive(Default)]
pub(crate) struct WholeMs(Cell<f64>);

impl WholeMs {
    fn of(&self, ms: f32) -> u32 {
        let sum = self.0.get()
            + if ms.is_finite() {
                f64::from(ms).max(0.0)
            } else {
                0.0
            };
        self.0.set(sum.fract());
        sum as u32
    }
}

impl Effects {
    /// Does it, and answers where an answer is due.
    pub(crate) fn perform(&self, effect: EffectId, deed: Effect, happenings: &mpsc::Sender<Happening>) {
        match deed {
            Effect::Sign { key, message } => match key {
                Signer::Session => {
                    let signature = Some(self.session.sign(&message));
                    answer(happenings, Input::Signed { effect, signature });
                }
                Signer::Identity => self.sign_as_owner(effect, message, happenings),
            },
            Effect::Compute(compute) => self.compute(effect, compute, happenings),
            // The driver publishes: the net is its own.
            Effect::Publish { .. } => {}
        }
    }

    /// Asked for only where an identity was handed to the node; by now it may be forgotten.
    fn sign_as_owner(&self, effect: EffectId, message: Vec<u8>, happenings: &mpsc::Sender<Happening>) {
        let (card, happenings) = (Rc::clone(&self.card), happenings.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let signature = match card.find().await {
                Ok(Some(pair)) => pair.signature(&message).await.ok(),
                _ => None,
            };
            answer(&happenings, Input::Signed { effect, signature });
        });
    }

    fn compute(&self, effect: EffectId, compute: Compute, happenings: &mpsc::Sender<Happening>) {
        let mut happenings = happenings.clone();
        let pace_ms = if matches!(compute, Compute::Step { .. }) {
            self.pace_ms
        } else {
            None
        };
        let silent = matches!(
            compute,
            Compute::Unload { .. } | Compute::Truncate { .. } | Compute::Close { .. }
        );
        let progress = matches!(compute, Compute::Load { .. }).then(|| {
            let view = Rc::clone(&self.view);
            Box::new(move |loaded, total| view.borrow_mut().loading(loaded, total))
                as Box<dyn FnMut(u64, u64)>
        });
        let layers = match &compute {
            Compute::Load { stage, .. } => Some((stage.layers.first(), stage.layers.end())),
            _ => None,
        };
        let loads = layers.is_some();
        let (view, whole_ms) = (Rc::clone(&self.view), Rc::clone(&self.whole_ms));
        // The question is posted before the first await, so that deeds keep their order.
        let answered = self.desk.ask(question(compute, self.knobs.backend()), progress);
        wasm_bindgen_futures::spawn_local(async move {
            let pace = async {
                if let Some(ms) = pace_ms {
                    gloo::timers::future::TimeoutFuture::new(ms).await;
                }
            };
            let (result, ()) = futures::join!(answered, pace);
            if silent {
                if let Err(error) = result {
                    tracing::debug!(%error, "a deed without an answer failed");
                }
                return;
            }
            if let (Some(layers), Ok(Answer::Stage { backend, adapter, .. })) = (layers, &result) {
                view.borrow_mut().loaded(layers, backend.clone(), adapter.clone());
            }
            let result = result
                .map_err(|e| compute_error(&e, loads))
                .and_then(|answer| computed(answer, &whole_ms));
            let _ = happenings
                .send(Happening::Input(Input::Computed { effect, result }))
                .await;
        });
    }
}

fn answer(happenings: &mpsc::Sender<Happening>, input: Input) {
    let mut happenings = happenings.clone();
    wasm_bindgen_futures::spawn_local(async move {
        let _ = happenings.send(Happening::Input(input)).await;
    });
}

fn question(compute: Compute, backend: jobs::Backend) -> Ask {
    match compute {
        Compute::Load { model, stage } => Ask::LoadStage {
            stage: key(&model, &stage),
            backend,
        },
        Compute::Unload { model, stage } => Ask::DropStage {
            stage: key(&model, &stage),
        },
        Compute::Open {
            kv,
            model,
            stage,
            max_positions,
        } => Ask::OpenKv {
            kv: kv.0,
            stage: key(&model, &stage),
            max_positions,
        },
        Compute::Truncate { kv, positions } => Ask::TruncateKv { kv: kv.0, positions },
        Compute::Close { kv } => Ask::CloseKv { kv: kv.0 },
        Compute::Step {
            kv,
            first_position,
            input,
            want,
        } => Ask::Step {
            kv: kv.0,
            first_position,
            input: step_input(input),
            want: step_want(want),
        },
    }
}

fn key(model: &ModelId, stage: &Stage) -> StageKey {
    StageKey {
        model: model.to_string(),
        first: stage.layers.first(),
        end: stage.layers.end(),
    }
}

fn step_input(input: StepInput) -> jobs::StepInput {
    match input {
        StepInput::Tokens(tokens) => jobs::StepInput::Tokens(tokens),
        StepInput::Hidden { wire, bytes, .. } => jobs::StepInput::Hidden {
            wire: to_jobs_wire(wire),
            bytes: bytes.to_vec().into(),
        },
    }
}

fn step_want(want: Want) -> jobs::StepWant {
    match want {
        Want::Nothing => jobs::StepWant::Nothing,
        Want::Hidden(wire) => jobs::StepWant::Hidden(to_jobs_wire(wire)),
        Want::Sample {
            sampling,
            rows,
            recent,
        } => jobs::StepWant::Sample {
            rows,
            sampling: to_jobs_sampling(&sampling),
            recent,
        },
    }
}

fn to_jobs_wire(wire: WireType) -> jobs::Wire {
    match wire {
        WireType::F32 => jobs::Wire::F32,
        WireType::F16 => jobs::Wire::F16,
        WireType::Q8 => jobs::Wire::Q8,
    }
}

fn to_jobs_sampling(sampling: &Sampling) -> jobs::Sampling {
    jobs::Sampling {
        temperature: sampling.temperature,
        top_k: sampling.top_k,
        top_p: sampling.top_p,
        min_p: sampling.min_p,
        repeat_penalty: sampling.repeat_penalty,
        seed: sampling.seed,
    }
}

fn computed(answer: Answer, whole_ms: &WholeMs) -> Result<Computed, ComputeError> {
    match answer {
        Answer::Stage {
            backend,
            us_per_token,
            batch_invariant,
            ..
        } => Ok(Computed::Loaded(Loaded {
            us_per_token,
            backend: if backend == "gpu" {
                Backend::Gpu
            } else {
                Backend::Cpu
            },
            batch_invariant,
        })),
        Answer::Stepped { output, compute_ms } => {
            let output = match output {
                jobs::StepOutput::Nothing => StepOutput::Nothing,
                jobs::StepOutput::Hidden { d_model, bytes } => StepOutput::Hidden {
                    d_model,
                    bytes: bytes.into_vec().into(),
                },
                jobs::StepOutput::Tokens(ids) => StepOutput::Tokens(ids),
            };
            Ok(Computed::Stepped {
                output,
                compute_ms: whole_ms.of(compute_ms),
            })
        }
        Answer::Nothing => Ok(Computed::Opened),
        Answer::Model(_)
        | Answer::Ids { .. }
        | Answer::Text(_)
        | Answer::Kept(_)
        | Answer::Holds(_)
        | Answer::Bytes(_) => Err(ComputeError::Input),
    }
}

fn compute_error(error: &Error, loads: bool) -> ComputeError {
    tracing::warn!(%error, "the compute worker refused");
    match error.code {
        "wont_fit" => ComputeError::WontFit,
        "device_lost" => ComputeError::DeviceLost,
        // A GPU that refuses a step is still there.
        "no_webgpu" if loads => ComputeError::DeviceLost,
        "model_rejected" | "relay_unreachable" => ComputeError::Weights,
        _ => ComputeError::Input,
    }
}
