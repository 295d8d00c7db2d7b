//! The command line: learn, export, evaluate, show the corpus and the curve.
//! Does not hold any of it: the library does.
#![allow(clippy::print_stdout)] // a shell

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use train::card;
use train::corpus::{Corpus, Dialogues};
use train::evaluate::{Guide, Questions};
use train::{
    About, AdamW, Checkpoint, Model, Precision, Schedule, Shape, Source, State, Text, Trainer, Vocabulary,
};

/// Trains small language models from scratch. Without options: the welcome model.
#[derive(Parser)]
#[command(name = "train", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Learns, from the beginning or from where the checkpoint is.
    Learn(Learn),
    /// Writes a checkpoint as a GGUF file, and beside it the card with what each precision got right.
    Export {
        /// The checkpoint.
        #[arg(long)]
        checkpoint: PathBuf,
        /// The file to write.
        #[arg(long, default_value = "public/models/welcome.gguf")]
        out: PathBuf,
        /// How matrices are written.
        #[arg(long, value_enum, default_value = "q8")]
        precision: Bits,
    },
    /// Asks a model file, or a checkpoint in each precision, the questions that were kept back.
    Evaluate {
        /// A GGUF file.
        #[arg(long)]
        model: Option<PathBuf>,
        /// A checkpoint.
        #[arg(long)]
        checkpoint: Option<PathBuf>,
        /// How the checkpoint's matrices are written.
        #[arg(long, value_enum, default_value = "q8")]
        precision: Bits,
        /// Prints what went wrong.
        #[arg(long)]
        failures: bool,
    },
    /// Asks a model file something.
    Ask {
        /// A GGUF file.
        #[arg(long, default_value = "public/models/welcome.gguf")]
        model: PathBuf,
        /// Questions, one conversation.
        questions: Vec<String>,
    },
    /// Prints dialogues of the corpus.
    Corpus {
        /// How many.
        #[arg(long, default_value_t = 40)]
        count: usize,
        /// Which round.
        #[arg(long, default_value_t = 0)]
        round: u64,
    },
    /// Writes the loss curve of a checkpoint as an SVG.
    Curve {
        /// The checkpoint.
        #[arg(long)]
        checkpoint: PathBuf,
        /// The file to write.
        #[arg(long, default_value = "crates/train/curve.svg")]
        out: PathBuf,
    },
}

#[derive(Args)]
struct Learn {
    /// Where the checkpoint is kept.
    #[arg(long, default_value = "target/train/welcome.checkpoint")]
    checkpoint: PathBuf,
    /// A plain text to learn instead of the dialogues of the welcome model.
    #[arg(long)]
    text: Option<PathBuf>,
    /// Steps in all; a run that goes on may be given more.
    #[arg(long, default_value_t = 3500)]
    steps: u64,
    /// What everything is drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Layers.
    #[arg(long, default_value_t = 8)]
    layers: u32,
    /// Width of the hidden state.
    #[arg(long, default_value_t = 128)]
    width: u32,
    /// Width inside the feed-forward network.
    #[arg(long, default_value_t = 352)]
    inner: u32,
    /// Query heads.
    #[arg(long, default_value_t = 4)]
    heads: u32,
    /// Key and value heads.
    #[arg(long, default_value_t = 2)]
    kv_heads: u32,
    /// Tokens of the vocabulary, at most.
    #[arg(long, default_value_t = 2048)]
    vocab: u32,
    /// Positions.
    #[arg(long, default_value_t = 512)]
    context: u32,
    /// Positions per step.
    #[arg(long, default_value_t = 2048)]
    step_tokens: usize,
    /// Threads that share a step; part of what makes a run repeatable.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// The highest learning rate.
    #[arg(long, default_value_t = 2e-3)]
    rate: f64,
    /// Steps in which the rate rises.
    #[arg(long, default_value_t = 150)]
    warmup: u64,
    /// Weight decay.
    #[arg(long, default_value_t = 0.05)]
    decay: f64,
    /// Steps between two checkpoints.
    #[arg(long, default_value_t = 100)]
    keep_every: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bits {
    /// 32 bits.
    F32,
    /// 16 bits.
    F16,
    /// 8 bits and a half.
    Q8,
}

impl From<Bits> for Precision {
    fn from(bits: Bits) -> Precision {
        match bits {
            Bits::F32 => Precision::F32,
            Bits::F16 => Precision::F16,
            Bits::Q8 => Precision::Q8,
        }
    }
}

/// Dialogues in a round.
const ROUND: usize = 4096;
/// Dialogues that the vocabulary is learnt from.
const VOCABULARY_DIALOGUES: usize = 20_000;
/// The longest dialogue, in tokens.
const LONGEST: usize = 320;
/// Steps between two lines of progress.
const REPORT_EVERY: u64 = 20;

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Learn(learn) => learn.run(),
        Command::Export {
            checkpoint,
            out,
            precision,
        } => export(&Checkpoint::load(&checkpoint)?, &out, precision),
        Command::Evaluate {
            model,
            checkpoint,
            precision,
            failures,
        } => {
            let bytes = match (model, checkpoint) {
                (Some(model), None) => std::fs::read(&model).with_context(|| model.display().to_string())?,
                (None, Some(checkpoint)) => file(&Checkpoint::load(&checkpoint)?, precision, "")?.to_bytes(),
                _ => bail!("give either --model or --checkpoint"),
            };
            let marks = Questions::kept().ask(&mut Guide::load(&bytes)?)?;
            println!("{}", serde_json::to_string(&marks)?);
            for (question, answer) in marks.failures.iter().filter(|_| failures) {
                println!("{question}\n    {answer}");
            }
            Ok(())
        }
        Command::Ask { model, questions } => ask(&model, &questions),
        Command::Corpus { count, round } => {
            for turns in corpus(1).dialogues(round, count) {
                for turn in turns {
                    println!("> {}\n  {}", turn.question, turn.answer);
                }
            }
            Ok(())
        }
        Command::Curve { checkpoint, out } => {
            let state = Checkpoint::load(&checkpoint)?.state;
            std::fs::write(&out, train::curve::svg(&state.curve))?;
            println!("{}: {} points", out.display(), state.curve.len());
            Ok(())
        }
    }
}

fn ask(model: &Path, questions: &[String]) -> anyhow::Result<()> {
    let bytes = std::fs::read(model).with_context(|| model.display().to_string())?;
    let mut guide = Guide::load(&bytes)?;
    let mut messages: Vec<(&str, String)> = Vec::new();
    for question in questions {
        messages.push(("user", question.clone()));
        let all: Vec<(&str, &str)> = messages
            .iter()
            .map(|(role, text)| (*role, text.as_str()))
            .collect();
        let answer = guide.answer(&all)?.text;
        println!("> {question}\n  {answer}");
        messages.push(("assistant", answer));
    }
    Ok(())
}

impl Learn {
    fn run(self) -> anyhow::Result<()> {
        let text = match &self.text {
            None => None,
            Some(path) => Some(std::fs::read_to_string(path).with_context(|| path.display().to_string())?),
        };
        if let Some(folder) = self.checkpoint.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let checkpoint = match self.checkpoint.exists() {
            true => self.resume()?,
            false => self.begin(text.as_deref())?,
        };
        let vocabulary = checkpoint.state.vocabulary.clone();
        let source: Box<dyn Source> = match &text {
            None => Box::new(Dialogues::new(corpus(self.seed), &vocabulary, ROUND, LONGEST)?),
            Some(text) => {
                let window = self.context.min(256) as usize;
                Box::new(Text::new(
                    text,
                    &train::tokenizer(&vocabulary)?,
                    window,
                    256,
                    self.seed,
                )?)
            }
        };
        let schedule = Schedule {
            learning_rate: self.rate,
            warmup: self.warmup,
            steps: self.steps,
            floor: 0.02,
            weight_decay: self.decay,
            clip: 1.0,
        };
        self.train(
            Trainer::new(checkpoint, schedule, self.step_tokens, self.threads)?,
            &*source,
        )
    }

    fn shape(&self, vocab: u32) -> Shape {
        Shape {
            n_layers: self.layers,
            d_model: self.width,
            d_ffn: self.inner,
            n_heads: self.heads,
            n_kv_heads: self.kv_heads,
            vocab,
            context: self.context,
            rms_eps: 1e-5,
            rope_base: 10_000.0,
        }
    }

    fn resume(&self) -> anyhow::Result<Checkpoint> {
        let checkpoint = Checkpoint::load(&self.checkpoint)?;
        checkpoint.check_shape(&self.checkpoint, &self.shape(self.vocab))?;
        println!(
            "going on from step {}: {}",
            checkpoint.state.step, checkpoint.state.shape
        );
        Ok(checkpoint)
    }

    fn begin(&self, text: Option<&str>) -> anyhow::Result<Checkpoint> {
        let vocabulary = match text {
            Some(text) => Vocabulary::learn([text].into_iter(), self.vocab)?,
            None => {
                let dialogues = corpus(self.seed).dialogues(u64::MAX - 1, VOCABULARY_DIALOGUES);
                let turns = dialogues.iter().flatten();
                let texts = turns.flat_map(|turn| [turn.question.as_str(), turn.answer.as_str()]);
                Vocabulary::learn(texts, self.vocab)?
            }
        };
        let shape = self.shape(vocabulary.tokens.len() as u32);
        let model = Model::new(shape.clone(), self.seed)?;
        println!("beginning: {shape}, {} parameters", shape.parameters());
        let weights = model.values()?;
        let sizes: Vec<usize> = weights.iter().map(Vec::len).collect();
        Ok(Checkpoint {
            state: State {
                shape,
                vocabulary,
                seed: self.seed,
                step: 0,
                round: 0,
                step_in_round: 0,
                tokens: 0,
                seconds: 0.0,
                curve: Vec::new(),
            },
            weights,
            optimiser: AdamW::new(sizes.into_iter()),
        })
    }

    fn train(&self, mut trainer: Trainer, source: &dyn Source) -> anyhow::Result<()> {
        let began = trainer.state().seconds;
        let started = Instant::now();
        let (mut loss, mut tokens, mut since) = (0.0, 0, Instant::now());
        while trainer.state().step < self.steps {
            let step = trainer.step(source)?;
            loss += step.loss;
            tokens += step.tokens;
            let done = trainer.state().step;
            if done.is_multiple_of(REPORT_EVERY) {
                let seconds = since.elapsed().as_secs_f64();
                let mean = loss / REPORT_EVERY as f32;
                let left = (self.steps - done) as f64 * seconds / REPORT_EVERY as f64;
                println!(
                    "step {done}/{}  loss {mean:.4}  gradient {:.2}  {:.0} tokens/s  {} left",
                    self.steps,
                    step.gradient,
                    tokens as f64 / seconds,
                    span(left),
                );
                std::io::stdout().flush()?;
                trainer.state_mut().curve.push((done, mean));
                trainer.state_mut().seconds = began + started.elapsed().as_secs_f64();
                (loss, tokens, since) = (0.0, 0, Instant::now());
            }
            if done.is_multiple_of(self.keep_every) || done == self.steps {
                trainer.checkpoint().save(&self.checkpoint)?;
            }
        }
        println!("{}: step {}", self.checkpoint.display(), trainer.state().step);
        Ok(())
    }
}

/// The dialogues without what is kept for the examination.
fn corpus(seed: u64) -> Corpus {
    Corpus::new(Questions::kept().kept_back(), seed)
}

fn export(checkpoint: &Checkpoint, out: &Path, precision: Bits) -> anyhow::Result<()> {
    let mut marks = Vec::new();
    for bits in [Bits::Q8, Bits::F16, Bits::F32] {
        let bytes = file(checkpoint, bits, "")?.to_bytes();
        let found = Questions::kept().ask(&mut Guide::load(&bytes)?)?;
        let name = bits
            .to_possible_value()
            .map(|value| value.get_name().to_uppercase());
        println!(
            "{}: {}",
            name.clone().unwrap_or_default(),
            serde_json::to_string(&found)?
        );
        marks.push((bits, name.unwrap_or_default(), found));
    }
    marks.sort_by_key(|(bits, ..)| *bits != precision);
    let description = card::description(&checkpoint.state, &marks[0].2);
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    train::save(&file(checkpoint, precision, &description)?, out)?;
    let mut rows = Vec::new();
    for (bits, name, found) in &marks {
        let bytes = file(checkpoint, *bits, &description)?.to_bytes().len() as u64;
        rows.push((name.as_str(), bytes, found.clone()));
    }
    std::fs::write(out.with_extension("md"), card::markdown(&checkpoint.state, &rows))?;
    println!("{}: {} bytes", out.display(), std::fs::metadata(out)?.len());
    Ok(())
}

fn file(checkpoint: &Checkpoint, precision: Bits, description: &str) -> anyhow::Result<gguf::write::Writer> {
    let about = About {
        name: "Manyhands Welcome".into(),
        license: "MIT OR Apache-2.0".into(),
        description: description.into(),
    };
    Ok(train::gguf(
        &checkpoint.model()?,
        &checkpoint.state.vocabulary,
        &about,
        precision.into(),
    )?)
}

fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
