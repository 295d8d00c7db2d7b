//! The loop: batches to gradients, gradients to weights, one step at a time.
//! Does not read a clock or print; who calls says when to stop and what to tell.

use candle_core::Var;

use crate::adamw::{AdamW, Schedule};
use crate::checkpoint::{Checkpoint, State};
use crate::samples::{self, Batch, Source};
use crate::{Model, TrainError};

/// A model that is learning.
pub struct Trainer {
    model: Model,
    /// The model's weights, flat: the optimiser works on these.
    values: Vec<Vec<f32>>,
    optimiser: AdamW,
    state: State,
    schedule: Schedule,
    /// Positions per step, and how many threads share them.
    step_tokens: usize,
    parts: usize,
    /// What is left of the round.
    round: Option<std::vec::IntoIter<Vec<Batch>>>,
}

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Mean cross-entropy of the tokens that count, by their weights, in nats.
    pub loss: f32,
    /// Length of the gradient before clipping.
    pub gradient: f64,
    /// Positions computed, padding included.
    pub tokens: u64,
}

impl Trainer {
    /// Starts from, or goes on with, a checkpoint.
    ///
    /// # Errors
    /// As [`Model::from_values`].
    pub fn new(
        checkpoint: Checkpoint,
        schedule: Schedule,
        step_tokens: usize,
        parts: usize,
    ) -> Result<Trainer, TrainError> {
        Ok(Trainer {
            model: checkpoint.model()?,
            values: checkpoint.weights,
            optimiser: checkpoint.optimiser,
            state: checkpoint.state,
            schedule,
            step_tokens,
            parts,
            round: None,
        })
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// How far it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// For the caller's books: the curve and the seconds.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// The run at rest.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            state: self.state.clone(),
            weights: self.values.clone(),
            optimiser: self.optimiser.clone(),
        }
    }

    /// One step.
    ///
    /// # Errors
    /// [`TrainError::Diverged`], [`TrainError::EmptyCorpus`] and those of the tensor library.
    pub fn step(&mut self, source: &dyn Source) -> Result<Step, TrainError> {
        let batches = self.next(source)?;
        let (loss, gradients) = gradients(&self.model, &batches)?;
        if !loss.is_finite() {
            let step = self.state.step;
            return Err(TrainError::Diverged { step, loss });
        }
        let decays: Vec<bool> = self.model.weights().iter().map(|var| var.rank() > 1).collect();
        let gradient = self
            .optimiser
            .step(&self.schedule, &mut self.values, &gradients, &decays);
        for (var, values) in self.model.weights().iter().zip(&self.values) {
            var.set(&candle_core::Tensor::from_slice(
                values,
                var.shape(),
                var.device(),
            )?)?;
        }
        let tokens: u64 = batches.iter().map(|batch| batch.tokens.len() as u64).sum();
        self.state.step += 1;
        self.state.tokens += tokens;
        Ok(Step {
            loss,
            gradient,
            tokens,
        })
    }

    fn next(&mut self, source: &dyn Source) -> Result<Vec<Batch>, TrainError> {
        let mut round = match self.round.take() {
            Some(round) => round,
            None => {
                // The beginning, or a checkpoint from the midst of a round.
                let mut round = self.load(source)?;
                let done = usize::try_from(self.state.step_in_round).unwrap_or(usize::MAX);
                round.by_ref().take(done).for_each(drop);
                round
            }
        };
        let batches = match round.next() {
            Some(batches) => batches,
            None => {
                self.state.round += 1;
                self.state.step_in_round = 0;
                round = self.load(source)?;
                round.next().ok_or(TrainError::EmptyCorpus)?
            }
        };
        self.state.step_in_round += 1;
        self.round = Some(round);
        Ok(batches)
    }

    fn load(&self, source: &dyn Source) -> Result<std::vec::IntoIter<Vec<Batch>>, TrainError> {
        let number = self.state.round;
        let samples = source.round(number)?;
        let steps = samples::steps(samples, self.step_tokens, self.parts, self.state.seed ^ number)?;
        Ok(steps.into_iter())
    }
}

/// The mean of the losses and its gradient: one thread per batch, added in the order of the batches so
/// that the same seed gives the same bits.
fn gradients(model: &Model, batches: &[Batch]) -> Result<(f32, Vec<Vec<f32>>), TrainError> {
    let total: f32 = batches.iter().flat_map(|batch| &batch.weights).sum();
    let scale = 1.0 / f64::from(total);
    let work = |batch: &Batch| -> Result<(f32, Vec<Vec<f32>>), TrainError> {
        let loss = model.loss(
            &batch.tokens,
            batch.rows,
            &batch.wanted,
            &batch.targets,
            &batch.weights,
        )?;
        let loss = loss.affine(scale, 0.0)?;
        let found = loss.backward()?;
        let gradient = |var: &Var| match found.get(var) {
            Some(gradient) => Ok(gradient.flatten_all()?.to_vec1()?),
            None => Ok(vec![0.0; var.elem_count()]),
        };
        let gradients: Result<Vec<Vec<f32>>, TrainError> = model.weights().iter().map(gradient).collect();
        Ok((loss.to_scalar()?, gradients?))
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = batches
            .iter()
            .map(|batch| scope.spawn(move || work(batch)))
            .collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut sum: Option<(f32, Vec<Vec<f32>>)> = None;
    for result in results {
        // A panic in there is ours, not the input's: let it be seen.
        let (loss, gradients) = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        match &mut sum {
            None => sum = Some((loss, gradients)),
            Some((mean, all)) => {
                *mean += loss;
                for (into, from) in all.iter_mut().flatten().zip(gradients.iter().flatten()) {
                    *into += from;
                }
            }
        }
    }
    sum.ok_or(TrainError::EmptyCorpus)
}
