//! The examination: questions that the corpus never asks, answered by the exported file in the engine.
//! Does not train, and is not lenient: a keyword is there or it is not.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use engine::{
    BackendKind, ChatTemplate, EngineError, Input, Message, Output, Sampling, Shard, Tokenizer, Want,
    WeightSource,
};
use gguf::{Header, LayerRange, Stage, TensorInfo};
use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::corpus::UNKNOWN;

/// The longest answer, in tokens: the longest of the corpus has about 90.
const MAX_ANSWER_TOKENS: usize = 160;

/// What is asked.
#[derive(Clone, Debug, Deserialize)]
pub struct Questions {
    /// A question and words of which the right answer has one, whatever their case.
    pub held_out: Vec<(String, Vec<String>)>,
    /// The same, but nothing in the corpus was changed because of how these went.
    pub second: Vec<(String, Vec<String>)>,
    /// A greeting and the word that its answer begins with.
    pub greetings: Vec<(String, String)>,
    /// A small sum or count, and the end of its answer; the corpus has these too.
    pub sums: Vec<(String, String)>,
    /// What it cannot know.
    pub unknown: Vec<String>,
}

/// How it went.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Marks {
    /// Held-out questions answered with the right fact, of how many.
    pub held_out: (usize, usize),
    /// Those of the second sheet.
    pub second: (usize, usize),
    /// Greetings answered as greetings.
    pub greetings: (usize, usize),
    /// Sums and counts that came out right.
    pub sums: (usize, usize),
    /// Unknown questions answered by saying so.
    pub unknown: (usize, usize),
    /// Answers that end by themselves, are text, and are one of a sentence at least.
    pub well_formed: (usize, usize),
    /// What went wrong: question and answer.
    #[serde(skip)]
    pub failures: Vec<(String, String)>,
}

/// A model file at work.
pub struct Guide {
    shard: Shard,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    context: u32,
}

/// An answer, and whether it came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// Whether the model ended it.
    pub ended: bool,
}

impl Questions {
    /// The questions that the repository keeps.
    pub fn kept() -> Questions {
        // The file is ours, and a test reads it: what is wrong in it is found before it is used.
        serde_json::from_str(include_str!("corpus/questions.json")).unwrap_or_else(|error| {
            panic!("questions.json: {error}");
        })
    }

    /// All that the corpus must not ask. Greetings are too few to keep any back.
    pub fn kept_back(&self) -> impl Iterator<Item = &str> {
        let sheets = self.held_out.iter().chain(&self.second);
        let held_out = sheets.map(|(question, _)| question.as_str());
        held_out.chain(self.unknown.iter().map(String::as_str))
    }

    /// Asks everything, greedily.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn ask(&self, guide: &mut Guide) -> Result<Marks, TrainError> {
        let mut marks = Marks::default();
        let mut mark = |guide: &mut Guide, question: &str, right: &dyn Fn(&str) -> bool| {
            let answer = guide.answer(&[("user", question)])?;
            let right = right(&answer.text.to_lowercase());
            let sound = answer.is_well_formed();
            marks.well_formed.0 += usize::from(sound);
            marks.well_formed.1 += 1;
            if !right || !sound {
                marks.failures.push((question.to_owned(), answer.text));
            }
            Ok::<usize, TrainError>(usize::from(right))
        };
        let (mut sheets, mut greetings, mut sums, mut unknown) = ([0, 0], 0, 0, 0);
        for (sheet, right_ones) in [&self.held_out, &self.second].into_iter().zip(&mut sheets) {
            for (question, keywords) in sheet {
                let right = |text: &str| keywords.iter().any(|word| text.contains(&word.to_lowercase()));
                *right_ones += mark(guide, question, &right)?;
            }
        }
        for (greeting, word) in &self.greetings {
            let start = |text: &str| text.trim_start_matches('¡').starts_with(&word.to_lowercase());
            greetings += mark(guide, greeting, &start)?;
        }
        for (question, result) in &self.sums {
            sums += mark(guide, question, &|text: &str| text.ends_with(result.as_str()))?;
        }
        for question in &self.unknown {
            unknown += mark(guide, question, &|text: &str| text == UNKNOWN.to_lowercase())?;
        }
        marks.held_out = (sheets[0], self.held_out.len());
        marks.second = (sheets[1], self.second.len());
        marks.greetings = (greetings, self.greetings.len());
        marks.sums = (sums, self.sums.len());
        marks.unknown = (unknown, self.unknown.len());
        Ok(marks)
    }
}

impl Guide {
    /// Loads a whole model file.
    ///
    /// # Errors
    /// What the reader and the engine say of it.
    pub fn load(file: &[u8]) -> Result<Guide, TrainError> {
        let header = Header::read(file, file.len() as u64)?;
        let config = header.config()?;
        let stage = Stage::of(whole(config.n_layers)?, config.n_layers);
        let tokenizer = Tokenizer::from_header(&header)?;
        let template = ChatTemplate::from_header(&header, &tokenizer)?
            .ok_or_else(|| EngineError::Template("the file has no chat template".into()))?;
        let shard = block_on(Shard::load(&header, stage, &mut Bytes(file), BackendKind::Cpu))?;
        Ok(Guide {
            shard,
            tokenizer,
            template,
            context: config.context,
        })
    }

    /// Answers greedily; `messages` are role and content.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn answer(&mut self, messages: &[(&str, &str)]) -> Result<Answer, TrainError> {
        let messages: Vec<Message> = messages
            .iter()
            .map(|(role, content)| Message {
                role: (*role).to_owned(),
                content: (*content).to_owned(),
            })
            .collect();
        let prompt = self.template.render(&messages, true, 0)?;
        let mut tokens = self.tokenizer.encode_chat(&prompt);
        let start = tokens.len();
        let room = (self.context as usize).min(start + MAX_ANSWER_TOKENS);
        self.shard.open(0, self.context)?;
        let (mut first, mut ended) = (0, false);
        while tokens.len() < room {
            let row = [(tokens.len() - first - 1) as u32];
            let want = Want::Sample {
                rows: &row,
                sampling: &Sampling::default(),
                history: &[],
            };
            let output = block_on(
                self.shard
                    .step(0, first as u32, Input::Tokens(&tokens[first..]), want),
            )?;
            first = tokens.len();
            let Output::Tokens(new) = output else { break };
            let Some(token) = new.first().copied() else { break };
            if self.tokenizer.is_end(token) {
                ended = true;
                break;
            }
            tokens.push(token);
        }
        self.shard.close(0);
        let text = self.tokenizer.decode(&tokens[start..]);
        Ok(Answer { text, ended })
    }

    /// Logits of every position, for comparing.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>, TrainError> {
        let rows: Vec<u32> = (0..tokens.len() as u32).collect();
        self.shard.open(0, self.context)?;
        let output = block_on(self.shard.step(0, 0, Input::Tokens(tokens), Want::Logits(&rows)))?;
        self.shard.close(0);
        match output {
            Output::Logits(logits) => Ok(logits),
            _ => Ok(Vec::new()),
        }
    }
}

impl Answer {
    /// Whether it ended by itself, is clean text, and ends as sentences do.
    pub fn is_well_formed(&self) -> bool {
        let clean = !self.text.contains(|c: char| c == '\u{fffd}' || c.is_control());
        let marks = ['.', '!', '?', '。', '！'];
        self.ended && clean && !self.text.contains("<|") && self.text.ends_with(marks)
    }
}

struct Bytes<'a>(&'a [u8]);

impl WeightSource for Bytes<'_> {
    fn tensor(&mut self, info: &TensorInfo) -> Result<Vec<u8>, EngineError> {
        let (start, length) = (info.offset_bytes as usize, info.bytes as usize);
        let bytes = self.0.get(start..start.saturating_add(length));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| EngineError::Weights {
            name: info.name.clone(),
            reason: "lies behind the end of the file".into(),
        })
    }
}

fn whole(n_layers: u32) -> Result<LayerRange, TrainError> {
    LayerRange::new(0, n_layers).map_err(|error| TrainError::Shape(error.to_string()))
}

/// Polls until ready: the CPU back end is ready at once.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}
