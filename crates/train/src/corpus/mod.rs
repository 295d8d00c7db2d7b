//! The texts that the welcome model learns from: short dialogues, put together from grammars in our own words.
//! Does not read anything from outside, and never makes a question that is kept for the examination.

mod facts;
pub mod grammar;
mod greetings;
mod noise;
mod stories;
mod sums;
mod unknown;

use std::collections::HashSet;

use engine::Tokenizer;
use gguf::synthetic::SplitMix;

use crate::bpe::Vocabulary;
use crate::samples::{Sample, Source};
use crate::{TrainError, tokenizer};

pub use facts::{Fact, all as facts};
pub use unknown::ANSWER as UNKNOWN;

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What somebody types.
    pub question: String,
    /// What the guide says.
    pub answer: String,
}

/// Ways to ask what a term means: it stands where the `@` is.
const MEANINGS: &[&str] = &[
    "what {is|are} {<very>|} @",
    "what is @",
    "what's @",
    "what are @",
    "what does @ mean",
    "what do you mean by @",
    "<show> @",
    "{please |}{explain|define|describe} @{ to me|}",
    "can you {explain|define|describe} {what |}@{ is| means| to me|}",
    "{explain|tell me|do you know|i want to know|i would like to know} what @ {is|are|means}",
    "{tell me|tell me something|tell me more|i want to know more|what can you tell me} about @",
    "{i do not|i don't|i did not} {understand|know|get} {what |}@{ is| means| are|}",
    "{what is|give me} {the|a} {meaning|definition|explanation} of @",
    "{help me understand|what about|what is meant by|what should i know about|and} @",
    "@",
    "i {read|saw|heard} {about|of} @{, what is that| and wonder what it is|}",
    "how would you {explain|describe|define} @{ to a child| to a friend| to me|}",
    "what {exactly|actually|really} {is|are} @",
    "could you {explain|define|describe} {what |}@{ to a beginner| for beginners| simply| to my mother| is|}",
    "what {kind|sort} of thing {is|are} @",
    "what do people {mean by|call} @",
    "what's meant by @",
    "what is @ {exactly|all about|again}",
    "{so|tell me|please tell me|please explain}{,|} what {is|are} @",
    "is there {a definition|an explanation} of @",
    "what {in the world|the heck|in heaven's name} is @",
];

/// Ways to ask how something is done: it stands where the `@` is.
const WAYS: &[&str] = &[
    "how {do|can|could|would|should|may} i @",
    "how to @",
    "how do i @",
    "how can {i|we|one|somebody|people} @",
    "how does {one|somebody} @",
    "{i want|i would like|i'd like|i wish|i plan|i need|i am trying|i try} to @",
    "where {do|can} i @",
    "what {do|must|should} i {do|press|click|have to do} to @",
    "what is the {best |easiest |}way to @",
    "is {there a way|it possible} to @",
    "{can|could|may} {i|we} @",
    "{<show>|tell me|can you explain|can you show me|explain|show me|teach me} how to @",
    "{please |}help me {to |}@",
    "{what are the|which} steps to @",
    "i {do not|don't} know how to @",
    "@",
    "let me @",
    "how {would|should|must|might} i @",
    "where {would|should|must} i go to @",
    "i'd {love|like|be glad} to @{, how| how do i do that|, what do i do|}",
    "what {is needed|does it take|do i need} to @",
    "in what way {can|do} i @",
    "tell me{,|} how {do|can} i @",
    "{would|could} you tell me how to @",
];

/// The dialogues, without those that are kept back.
pub struct Corpus {
    kept_back: HashSet<String>,
    seed: u64,
}

impl Corpus {
    /// Everything but the questions of `kept_back`, however they are written.
    pub fn new<'a>(kept_back: impl Iterator<Item = &'a str>, seed: u64) -> Corpus {
        Corpus {
            kept_back: kept_back.map(plain).collect(),
            seed,
        }
    }

    /// The dialogues of a round: one turn or two.
    pub fn dialogues(&self, round: u64, count: usize) -> Vec<Vec<Turn>> {
        let mut random = SplitMix::new(self.seed ^ (round + 1).wrapping_mul(0xD1B5_4A32_D192_ED03));
        let facts: Vec<&Fact> = facts().collect();
        let mut dialogue = |_| {
            let turns = if grammar::chance(22, &mut random) { 2 } else { 1 };
            (0..turns).map(|_| self.turn(&facts, &mut random)).collect()
        };
        (0..count).map(&mut dialogue).collect()
    }

    fn turn(&self, facts: &[&Fact], random: &mut SplitMix) -> Turn {
        loop {
            let (question, answer) = match random.below(100) {
                0..56 => {
                    let fact = facts[random.below(facts.len() as u64) as usize];
                    let question = noise::typed(&ask(fact, random), random);
                    (
                        question,
                        grammar::expand(grammar::pick(fact.answers, random), random),
                    )
                }
                56..64 => greetings::exchange(random),
                64..83 => with_noise(sums::exchange(random), random),
                83..86 => with_noise(stories::exchange(random), random),
                _ => with_noise(unknown::exchange(random), random),
            };
            if !self.kept_back.contains(&plain(&question)) {
                return Turn { question, answer };
            }
        }
    }
}

fn with_noise((question, answer): (String, String), random: &mut SplitMix) -> (String, String) {
    (noise::typed(&question, random), answer)
}

/// One of the ways to ask for a fact.
fn ask(fact: &Fact, random: &mut SplitMix) -> String {
    // Whole questions weigh more than the frames around terms and deeds: they are more varied.
    let kinds = [
        (fact.terms.len().min(4) * 2) as u64,
        (fact.deeds.len().min(4) * 2) as u64,
        fact.questions.len().min(12) as u64,
    ];
    let at = random.below(kinds.iter().sum());
    if at < kinds[0] {
        framed(MEANINGS, grammar::pick(fact.terms, random), random)
    } else if at < kinds[0] + kinds[1] {
        framed(WAYS, grammar::pick(fact.deeds, random), random)
    } else {
        grammar::expand(grammar::pick(fact.questions, random), random)
    }
}

/// A frame with its `@` filled in.
fn framed(frames: &[&str], content: &str, random: &mut SplitMix) -> String {
    let frame = grammar::expand(grammar::pick(frames, random), random);
    grammar::expand(&frame.replace('@', content), random)
}

/// A question without capitals, punctuation and double spaces: two that differ in nothing else are one.
pub fn plain(question: &str) -> String {
    let kept = |c: char| {
        if c.is_alphanumeric() || "+-*/".contains(c) {
            c
        } else {
            ' '
        }
    };
    let text: String = question.to_lowercase().chars().map(kept).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tokens at the beginning of an answer that count more, and how much more.
const CHOOSING_TOKENS: usize = 10;
const CHOOSING_WEIGHT: f32 = 5.0;
/// How much more the answers count that are numbers.
const DIGITS_WEIGHT: f32 = 4.0;

/// The corpus as token sequences in the chat template's form; what the guide says is what is learnt.
pub struct Dialogues {
    corpus: Corpus,
    tokenizer: Tokenizer,
    controls: [u32; 3],
    count: usize,
    longest: usize,
}

impl Dialogues {
    /// `count` dialogues in a round, none longer than `longest` tokens.
    ///
    /// # Errors
    /// What the engine says of the vocabulary.
    pub fn new(
        corpus: Corpus,
        vocabulary: &Vocabulary,
        count: usize,
        longest: usize,
    ) -> Result<Dialogues, TrainError> {
        Ok(Dialogues {
            corpus,
            tokenizer: tokenizer(vocabulary)?,
            controls: ["<|user|>", "<|assistant|>", "<|end|>"].map(|name| vocabulary.control(name)),
            count,
            longest,
        })
    }

    /// A dialogue as the template would write it, which a test compares.
    pub fn sample(&self, turns: &[Turn]) -> Sample {
        let [user, assistant, end] = self.controls;
        let mut sample = Sample {
            tokens: Vec::new(),
            weights: Vec::new(),
        };
        let mut push = |before: u32, text: &str, weight: f32| {
            let ids = self.tokenizer.encode(text.trim(), false);
            sample.tokens.push(before);
            sample.weights.push(0.0);
            // The first tokens choose the answer; the others follow from them.
            let first = ids.len().min(CHOOSING_TOKENS);
            sample.weights.extend(vec![weight * CHOOSING_WEIGHT; first]);
            sample.weights.extend(vec![weight; ids.len() - first + 1]);
            sample.tokens.extend(ids);
            sample.tokens.push(end);
        };
        for turn in turns {
            push(user, &turn.question, 0.0);
            // In a sum every digit decides, and nothing around it helps to guess it.
            let digits = turn.answer.starts_with(|c: char| c.is_ascii_digit());
            push(assistant, &turn.answer, if digits { DIGITS_WEIGHT } else { 1.0 });
        }
        sample
    }
}

impl Source for Dialogues {
    fn round(&self, number: u64) -> Result<Vec<Sample>, TrainError> {
        let dialogues = self.corpus.dialogues(number, self.count);
        let samples = dialogues.iter().map(|turns| self.sample(turns));
        Ok(samples
            .filter(|sample| sample.tokens.len() <= self.longest)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_sound(pattern: &str) {
        assert!(grammar::is_sound(pattern), "{pattern}");
    }

    #[test]
    fn every_pattern_is_sound() {
        MEANINGS
            .iter()
            .chain(WAYS)
            .for_each(|pattern| check_sound(pattern));
        for fact in facts() {
            let all = [fact.terms, fact.deeds, fact.questions, fact.answers];
            all.into_iter().flatten().for_each(|pattern| check_sound(pattern));
            assert!(!fact.answers.is_empty() && !fact.name.is_empty());
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_dialogues_and_another_round_others() {
        let corpus = || Corpus::new(std::iter::empty(), 1);
        assert_eq!(corpus().dialogues(3, 50), corpus().dialogues(3, 50));
        assert_ne!(corpus().dialogues(3, 50), corpus().dialogues(4, 50));
    }
}
