//! What the tests share: small shapes, a vocabulary, a text of about a kilobyte.
//! Does not hold tests.
#![allow(dead_code, clippy::unwrap_used)] // each user takes a part

use train::{AdamW, Checkpoint, Model, Schedule, Shape, State, Text, Trainer, Vocabulary};

/// About a kilobyte, our own words.
pub(crate) const TEXT: &str = include_str!("text.txt");

pub(crate) fn shape(vocab: u32) -> Shape {
    Shape {
        n_layers: 2,
        d_model: 64,
        d_ffn: 96,
        n_heads: 4,
        n_kv_heads: 2,
        vocab,
        context: 128,
        rms_eps: 1e-5,
        rope_base: 10_000.0,
    }
}

pub(crate) fn vocabulary() -> Vocabulary {
    Vocabulary::learn([TEXT].into_iter(), 320).unwrap()
}

/// A run that has not begun.
pub(crate) fn beginning(seed: u64) -> Checkpoint {
    let vocabulary = vocabulary();
    let model = Model::new(shape(vocabulary.tokens.len() as u32), seed).unwrap();
    let weights = model.values().unwrap();
    let sizes: Vec<usize> = weights.iter().map(Vec::len).collect();
    Checkpoint {
        state: State {
            shape: model.shape().clone(),
            vocabulary,
            seed,
            step: 0,
            round: 0,
            step_in_round: 0,
            tokens: 0,
            seconds: 0.0,
            curve: Vec::new(),
        },
        weights,
        optimiser: AdamW::new(sizes.into_iter()),
    }
}

pub(crate) fn source(seed: u64) -> Text {
    Text::new(TEXT, &train::tokenizer(&vocabulary()).unwrap(), 64, 16, seed).unwrap()
}

pub(crate) fn trainer(checkpoint: Checkpoint, steps: u64) -> Trainer {
    let schedule = Schedule {
        learning_rate: 4e-3,
        warmup: 10,
        steps,
        floor: 0.05,
        weight_decay: 0.0,
        clip: 1.0,
    };
    Trainer::new(checkpoint, schedule, 512, 2).unwrap()
}
