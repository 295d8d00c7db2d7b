//! What is learnt from: token sequences with the places that count, in batches of similar length.
//! Does not know where texts come from.

use engine::Tokenizer;
use gguf::synthetic::SplitMix;

use crate::TrainError;

/// A sequence and which of its tokens are to be foretold.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// How much it counts to foretell the token from those before it, 0 for not at all; of the same length.
    pub weights: Vec<f32>,
}

/// An endless supply of samples.
pub trait Source {
    /// The samples of one round: the same number, the same samples.
    ///
    /// # Errors
    /// [`TrainError::EmptyCorpus`].
    fn round(&self, number: u64) -> Result<Vec<Sample>, TrainError>;
}

/// Sequences padded to one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// (rows, length)
    pub tokens: Vec<u32>,
    /// Sequences.
    pub rows: usize,
    /// Indices of the positions from which something is to be foretold.
    pub wanted: Vec<u32>,
    /// What is to be foretold there.
    pub targets: Vec<u32>,
    /// How much each of these counts.
    pub weights: Vec<f32>,
}

/// A plain text: windows of it, every token counts.
pub struct Text {
    tokens: Vec<u32>,
    window: usize,
    samples: usize,
    seed: u64,
}

impl Text {
    /// Windows of `window` tokens, `samples` in a round, at places drawn from `seed`.
    ///
    /// # Errors
    /// [`TrainError::EmptyCorpus`] for fewer than two tokens.
    pub fn new(
        text: &str,
        tokenizer: &Tokenizer,
        window: usize,
        samples: usize,
        seed: u64,
    ) -> Result<Text, TrainError> {
        let tokens = tokenizer.encode(text, false);
        if tokens.len() < 2 {
            return Err(TrainError::EmptyCorpus);
        }
        Ok(Text {
            tokens,
            window: window.max(2),
            samples,
            seed,
        })
    }
}

impl Source for Text {
    fn round(&self, number: u64) -> Result<Vec<Sample>, TrainError> {
        let mut random = SplitMix::new(self.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let window = self.window.min(self.tokens.len());
        let sample = |_| {
            let start = random.below((self.tokens.len() - window + 1) as u64) as usize;
            Sample {
                tokens: self.tokens[start..start + window].to_vec(),
                weights: vec![1.0; window],
            }
        };
        Ok((0..self.samples).map(sample).collect())
    }
}

/// The steps of a round: each has `parts` batches of about `tokens` / `parts` positions.
///
/// # Errors
/// [`TrainError::EmptyCorpus`] when nothing is to be learnt.
pub fn steps(
    mut samples: Vec<Sample>,
    tokens: usize,
    parts: usize,
    seed: u64,
) -> Result<Vec<Vec<Batch>>, TrainError> {
    samples.retain(|sample| sample.weights.iter().skip(1).any(|weight| *weight > 0.0));
    if samples.is_empty() {
        return Err(TrainError::EmptyCorpus);
    }
    samples.sort_by_key(|sample| sample.tokens.len());
    let room = (tokens / parts.max(1)).max(1);
    let mut batches = Vec::new();
    let mut rest = samples.as_slice();
    while !rest.is_empty() {
        // The last of the group is the longest: how many of them fit?
        let fits = |count: &usize| rest[count - 1].tokens.len() * count <= room;
        let count = (1..=rest.len()).take_while(fits).last().unwrap_or(1);
        let (group, others) = rest.split_at(count);
        batches.push(Batch::of(group));
        rest = others;
    }
    let mut steps: Vec<Vec<Batch>> = batches.chunks(parts.max(1)).map(<[Batch]>::to_vec).collect();
    let mut random = SplitMix::new(seed);
    for at in (1..steps.len()).rev() {
        steps.swap(at, random.below(at as u64 + 1) as usize);
    }
    Ok(steps)
}

impl Batch {
    fn of(samples: &[Sample]) -> Batch {
        let length = samples
            .iter()
            .map(|sample| sample.tokens.len())
            .max()
            .unwrap_or(0);
        let mut batch = Batch {
            tokens: Vec::with_capacity(samples.len() * length),
            rows: samples.len(),
            wanted: Vec::new(),
            targets: Vec::new(),
            weights: Vec::new(),
        };
        for sample in samples {
            let start = batch.tokens.len();
            batch.tokens.extend(&sample.tokens);
            // Nobody looks ahead, so what fills a row up changes nothing.
            batch.tokens.resize(start + length, 0);
            for at in (1..sample.tokens.len()).filter(|at| sample.weights[*at] > 0.0) {
                batch.wanted.push((start + at - 1) as u32);
                batch.targets.push(sample.tokens[at]);
                batch.weights.push(sample.weights[at]);
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample(tokens: &[u32], from: usize) -> Sample {
        Sample {
            tokens: tokens.to_vec(),
            weights: (0..tokens.len())
                .map(|at| if at >= from { at as f32 } else { 0.0 })
                .collect(),
        }
    }

    #[test]
    fn a_batch_asks_for_the_token_after_each_place_that_counts() {
        let batch = Batch::of(&[sample(&[5, 6, 7], 1), sample(&[8, 9, 10, 11], 3)]);
        assert_eq!(batch.tokens, [5, 6, 7, 0, 8, 9, 10, 11]);
        assert_eq!(batch.wanted, [0, 1, 6]);
        assert_eq!(batch.targets, [6, 7, 11]);
        assert_eq!(batch.weights, [1.0, 2.0, 3.0]);
    }

    #[test]
    fn steps_hold_every_sample_once_within_their_room() {
        let samples: Vec<Sample> = (2..40)
            .map(|length| sample(&vec![length; length as usize], 1))
            .collect();
        let steps = steps(samples.clone(), 120, 2, 1).unwrap();
        let mut seen: Vec<u32> = Vec::new();
        for batch in steps.iter().flatten() {
            assert!(batch.tokens.len() <= 60);
            let length = batch.tokens.len() / batch.rows;
            seen.extend(batch.tokens.chunks(length).map(|row| row[0]));
        }
        seen.sort_unstable();
        assert_eq!(seen, (2..40).collect::<Vec<u32>>());
        assert_eq!(steps, super::steps(samples, 120, 2, 1).unwrap());
    }

    #[test]
    fn nothing_to_learn_is_an_empty_corpus() {
        assert!(matches!(
            steps(Vec::new(), 64, 2, 1),
            Err(TrainError::EmptyCorpus)
        ));
        let one = vec![sample(&[1], 0)];
        assert!(matches!(steps(one, 64, 2, 1), Err(TrainError::EmptyCorpus)));
    }
}
