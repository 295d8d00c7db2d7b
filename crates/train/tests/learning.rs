//! Whether it learns what it should: gradients, the untrained loss, a text by heart, the same from the same seed.
//! Does not touch files.
#![allow(clippy::unwrap_used)]

mod support;

use gguf::synthetic::SplitMix;
use support::{TEXT, beginning, shape, source, trainer};
use train::{Model, Shape, Text};

/// Sequences of random tokens, and what to foretell at every position but the last of each.
fn random_batch(shape: &Shape, rows: usize, length: usize) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let mut random = SplitMix::new(5);
    let tokens: Vec<u32> = (0..rows * length)
        .map(|_| random.below(shape.vocab.into()) as u32)
        .collect();
    let wanted: Vec<u32> = (0..(rows * length) as u32)
        .filter(|at| !(*at as usize + 1).is_multiple_of(length))
        .collect();
    let targets = wanted.iter().map(|at| tokens[*at as usize + 1]).collect();
    (tokens, wanted, targets)
}

#[test]
fn gradients_are_what_finite_differences_say() {
    let shape = Shape {
        d_model: 16,
        d_ffn: 24,
        n_heads: 4,
        n_kv_heads: 2,
        ..shape(24)
    };
    let (tokens, wanted, targets) = random_batch(&shape, 2, 7);
    let weights: Vec<f32> = (0..wanted.len()).map(|at| 0.5 + at as f32 % 3.0).collect();
    // Norms start at 1 and logits near 0: a model with some contrast shows more.
    let mut values = Model::new(shape.clone(), 3).unwrap().values().unwrap();
    let mut random = SplitMix::new(9);
    for value in values.iter_mut().flatten() {
        *value += 0.15 * random.signed();
    }
    let loss = |values: &[Vec<f32>]| -> f64 {
        let model = Model::from_values(shape.clone(), values.to_vec()).unwrap();
        let loss = model.loss(&tokens, 2, &wanted, &targets, &weights).unwrap();
        f64::from(loss.to_scalar::<f32>().unwrap())
    };
    let model = Model::from_values(shape.clone(), values.clone()).unwrap();
    let gradients = model
        .loss(&tokens, 2, &wanted, &targets, &weights)
        .unwrap()
        .backward()
        .unwrap();
    for (at, var) in model.weights().iter().enumerate() {
        let gradient: Vec<f32> = gradients
            .get(var)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        // Along the gradient itself, and along a direction of its own: a wrong scale shows in the first, a wrong
        // direction in the second.
        let random_signs: Vec<f32> = gradient.iter().map(|_| random.signed().signum()).collect();
        for direction in [gradient.clone(), random_signs] {
            let length = direction
                .iter()
                .map(|d| f64::from(*d).powi(2))
                .sum::<f64>()
                .sqrt();
            let moved = |by: f64| -> f64 {
                let mut values = values.clone();
                for (value, d) in values[at].iter_mut().zip(&direction) {
                    *value += (by * f64::from(*d) / length) as f32;
                }
                loss(&values)
            };
            let step = 2e-2;
            // The fourth-order difference: what is left of the curve is far below the tolerance.
            let slope = (8.0 * (moved(step) - moved(-step)) - (moved(2.0 * step) - moved(-2.0 * step)))
                / (12.0 * step);
            let along = gradient
                .iter()
                .zip(&direction)
                .map(|(g, d)| f64::from(g * d))
                .sum::<f64>()
                / length;
            let size = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            assert!(
                (slope - along).abs() < 0.01 * size.max(0.1),
                "tensor {at}: {slope} measured, {along} computed, length {size}"
            );
        }
    }
}

#[test]
fn an_untrained_model_knows_nothing() {
    for vocab in [300, 2048] {
        let shape = shape(vocab);
        let (tokens, wanted, targets) = random_batch(&shape, 8, 64);
        let model = Model::new(shape, 1).unwrap();
        let loss: f32 = model
            .loss(&tokens, 8, &wanted, &targets, &vec![1.0; wanted.len()])
            .unwrap()
            .to_scalar()
            .unwrap();
        let mean = loss / wanted.len() as f32;
        let expect = (vocab as f32).ln();
        assert!(
            (mean / expect - 1.0).abs() < 0.02,
            "{mean} for ln({vocab}) = {expect}"
        );
    }
}

#[test]
fn no_position_sees_what_comes_after_it() {
    let shape = shape(300);
    let model = Model::new(shape.clone(), 1).unwrap();
    let (mut tokens, ..) = random_batch(&shape, 1, 16);
    let first: Vec<u32> = (0..10).collect();
    let logits = |tokens: &[u32]| -> Vec<f32> {
        let logits = model.forward(tokens, 1, &first).unwrap();
        logits.flatten_all().unwrap().to_vec1().unwrap()
    };
    let before = logits(&tokens);
    tokens[10..]
        .iter_mut()
        .for_each(|token| *token = (*token + 1) % 300);
    assert_eq!(before, logits(&tokens));
    tokens[9] = (tokens[9] + 1) % 300;
    assert_ne!(before, logits(&tokens));
}

#[test]
fn a_kilobyte_is_learnt_by_heart() {
    const STEPS: u64 = 200;
    // All of it as one sequence: a window from its midst would begin with what cannot be foretold.
    let checkpoint = beginning(1);
    let tokenizer = train::tokenizer(&checkpoint.state.vocabulary).unwrap();
    let source = Text::new(TEXT, &tokenizer, TEXT.len(), 1, 1).unwrap();
    let mut trainer = trainer(checkpoint, STEPS);
    let first = trainer.step(&source).unwrap().loss;
    let mut last = first;
    while trainer.state().step < STEPS {
        last = trainer.step(&source).unwrap().loss;
    }
    assert!(first > 5.0, "{first}");
    assert!(last < 0.05, "{last}");
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let run = |seed: u64| {
        let source = source(seed);
        let mut trainer = trainer(beginning(seed), 12);
        for _ in 0..12 {
            trainer.step(&source).unwrap();
        }
        trainer.checkpoint()
    };
    assert!(run(1) == run(1));
    assert!(run(1).weights != run(2).weights);
}

#[test]
fn a_run_that_was_interrupted_ends_as_one_that_was_not() {
    let source = source(1);
    let mut whole = trainer(beginning(1), 14);
    for _ in 0..14 {
        whole.step(&source).unwrap();
    }
    for interruption in [1, 7] {
        let mut half = trainer(beginning(1), 14);
        for _ in 0..interruption {
            half.step(&source).unwrap();
        }
        let mut rest = trainer(half.checkpoint(), 14);
        for _ in interruption..14 {
            rest.step(&source).unwrap();
        }
        assert!(
            rest.checkpoint() == whole.checkpoint(),
            "after {interruption} steps"
        );
    }
}
