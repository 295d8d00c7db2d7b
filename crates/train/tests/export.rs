//! Whether the exported file is the trained model: the engine's logits are the trainer's, in every precision.
//! Does not train for long.
#![allow(clippy::unwrap_used)]

mod support;

use engine::{ChatTemplate, Message};
use gguf::Header;
use support::{TEXT, beginning, source, trainer};
use train::corpus::{Corpus, Dialogues};
use train::evaluate::Guide;
use train::{About, Checkpoint, Precision, Source};

fn learnt() -> Checkpoint {
    let source = source(1);
    let mut trainer = trainer(beginning(1), 40);
    for _ in 0..40 {
        trainer.step(&source).unwrap();
    }
    trainer.checkpoint()
}

fn about() -> About {
    About {
        name: "a test".into(),
        license: "MIT".into(),
        description: "nothing to speak of".into(),
    }
}

fn exported(checkpoint: &Checkpoint, precision: Precision) -> Vec<u8> {
    let model = checkpoint.model().unwrap();
    train::gguf(&model, &checkpoint.state.vocabulary, &about(), precision)
        .unwrap()
        .to_bytes()
}

/// The largest difference between the engine's logits and the trainer's, and the largest logit.
fn difference(checkpoint: &Checkpoint, precision: Precision) -> (f32, f32) {
    let vocabulary = &checkpoint.state.vocabulary;
    let mut tokens = train::tokenizer(vocabulary).unwrap().encode(TEXT, false);
    tokens.truncate(100);
    let all: Vec<u32> = (0..tokens.len() as u32).collect();
    let ours = checkpoint.model().unwrap().forward(&tokens, 1, &all).unwrap();
    let ours: Vec<f32> = ours.flatten_all().unwrap().to_vec1().unwrap();
    let theirs = Guide::load(&exported(checkpoint, precision))
        .unwrap()
        .logits(&tokens)
        .unwrap();
    assert_eq!(ours.len(), theirs.len());
    let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0_f32, |most, x| most.max(x.abs()));
    (
        largest(&mut ours.iter().zip(&theirs).map(|(a, b)| a - b)),
        largest(&mut ours.iter().copied()),
    )
}

#[test]
fn the_engine_computes_what_the_trainer_computed() {
    let checkpoint = learnt();
    let (exact, largest) = difference(&checkpoint, Precision::F32);
    assert!(
        largest > 1.0,
        "{largest}: a model that says nothing proves nothing"
    );
    assert!(exact <= 1e-4, "{exact}");
    let (half, _) = difference(&checkpoint, Precision::F16);
    assert!(half > exact && half < 0.02 * largest, "{half} of {largest}");
    let (bytes, _) = difference(&checkpoint, Precision::Q8);
    assert!(bytes > half && bytes < 0.1 * largest, "{bytes} of {largest}");
}

#[test]
fn the_file_says_what_it_is() {
    let bytes = exported(&beginning(1), Precision::Q8);
    let header = Header::read(bytes.as_slice(), bytes.len() as u64).unwrap();
    let text = |key: &str| header.metadata().string(key).unwrap().unwrap().to_owned();
    assert_eq!(text("general.name"), "a test");
    assert_eq!(text("general.license"), "MIT");
    assert_eq!(text("general.description"), "nothing to speak of");
    assert_eq!(text("tokenizer.ggml.model"), "gpt2");
    let config = header.config().unwrap();
    assert!(config.tied_head && config.n_kv_heads == 2 && config.n_layers == 2);
}

#[test]
fn a_dialogue_is_learnt_in_the_form_in_which_the_template_asks() {
    let checkpoint = beginning(1);
    let vocabulary = &checkpoint.state.vocabulary;
    let corpus = Corpus::new(std::iter::empty(), 1);
    let turns = corpus
        .dialogues(0, 40)
        .into_iter()
        .find(|turns| turns.len() == 2)
        .unwrap();
    let dialogues = Dialogues::new(corpus, vocabulary, 8, 4096).unwrap();
    let sample = dialogues.sample(&turns);

    let bytes = exported(&checkpoint, Precision::Q8);
    let header = Header::read(bytes.as_slice(), bytes.len() as u64).unwrap();
    let tokenizer = train::tokenizer(vocabulary).unwrap();
    let template = ChatTemplate::from_header(&header, &tokenizer).unwrap().unwrap();
    let message = |role: &str, content: &str| Message {
        role: role.into(),
        content: content.into(),
    };
    let mut messages = vec![message("system", "is left out")];
    for turn in &turns {
        messages.push(message("user", &turn.question));
        messages.push(message("assistant", &turn.answer));
    }
    let answer = messages.pop().unwrap().content;
    let prompt = tokenizer.encode_chat(&template.render(&messages, true, 0).unwrap());
    assert_eq!(sample.tokens[..prompt.len()], prompt);
    let rest = &sample.tokens[prompt.len()..];
    assert_eq!(tokenizer.decode(&rest[..rest.len() - 1]), answer);
    assert!(tokenizer.is_end(rest[rest.len() - 1]));
    // Only what the guide says is learnt: both answers with their ends.
    let learnt = sample.weights.iter().filter(|weight| **weight > 0.0).count();
    let answers: usize = turns
        .iter()
        .map(|turn| tokenizer.encode(&turn.answer, false).len() + 1)
        .sum();
    assert_eq!(learnt, answers);
    assert!(sample.weights[prompt.len()] > 0.0 && sample.weights[prompt.len() - 1] == 0.0);
    assert_eq!(dialogues.round(0).unwrap().len(), 8);
}
