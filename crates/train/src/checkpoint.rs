//! What a run needs to go on: weights, moments, position in the corpus, vocabulary, the curve so far.
//! Does not train. A save that fails leaves the checkpoint before it as it was.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::adamw::AdamW;
use crate::bpe::Vocabulary;
use crate::shape::Shape;
use crate::{Model, TrainError};

const MAGIC: &[u8; 8] = b"MHTRAIN1";

/// Bytes of the description: a vocabulary and a curve take a few hundred thousand.
const MAX_STATE_BYTES: u64 = 64 << 20;

/// Everything but the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The model's hyper-parameters.
    pub shape: Shape,
    /// Its vocabulary.
    pub vocabulary: Vocabulary,
    /// What everything was drawn from.
    pub seed: u64,
    /// Steps taken.
    pub step: u64,
    /// The round of the corpus, and the next step in it.
    pub round: u64,
    /// See [`State::round`].
    pub step_in_round: u64,
    /// Positions computed.
    pub tokens: u64,
    /// Seconds of computing.
    pub seconds: f64,
    /// Step and mean loss since the point before.
    pub curve: Vec<(u64, f32)>,
}

/// A run at rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// All but the numbers.
    pub state: State,
    /// Weights in the order of the shape's tensors.
    pub weights: Vec<Vec<f32>>,
    /// The optimiser's moments.
    pub optimiser: AdamW,
}

impl Checkpoint {
    /// Writes beside `path`, then takes its place; the one before stays as `….previous`.
    ///
    /// # Errors
    /// [`TrainError::File`]; `path` is then as it was.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let next = with_suffix(path, "tmp");
        let write = || -> io::Result<()> {
            let mut out = BufWriter::new(File::create(&next)?);
            self.write(&mut out)?;
            out.into_inner().map_err(|error| error.into_error())?.sync_all()
        };
        if let Err(error) = write() {
            // What there is of it is of no use, and may be what fills the disk.
            let _ = fs::remove_file(&next);
            return Err(TrainError::file(&next)(error));
        }
        if path.exists() {
            let previous = with_suffix(path, "previous");
            fs::rename(path, &previous).map_err(TrainError::file(&previous))?;
        }
        fs::rename(&next, path).map_err(TrainError::file(path))
    }

    /// Writes everything.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let state = serde_json::to_vec(&self.state).map_err(io::Error::other)?;
        out.write_all(MAGIC)?;
        out.write_all(&(state.len() as u64).to_le_bytes())?;
        out.write_all(&state)?;
        for values in [&self.weights, &self.optimiser.mean, &self.optimiser.square]
            .into_iter()
            .flatten()
        {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            out.write_all(&bytes)?;
        }
        out.flush()
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`TrainError::File`], [`TrainError::Checkpoint`].
    pub fn load(path: &Path) -> Result<Checkpoint, TrainError> {
        let refused = |reason: String| TrainError::Checkpoint {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(TrainError::file(path))?;
        let mut file = BufReader::new(file);
        let mut head = [0; 16];
        file.read_exact(&mut head)
            .map_err(|_| refused("is no checkpoint".into()))?;
        let (magic, length) = head.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap_or_default());
        if magic != MAGIC || length > MAX_STATE_BYTES {
            return Err(refused("is no checkpoint".into()));
        }
        let mut state = Vec::new();
        (&mut file)
            .take(length)
            .read_to_end(&mut state)
            .map_err(TrainError::file(path))?;
        let state: State = serde_json::from_slice(&state).map_err(|error| refused(error.to_string()))?;
        state.shape.check()?;
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).map_err(TrainError::file(path))?;
        if rest.len() as u64 != state.shape.parameters() * 3 * 4 {
            return Err(refused(format!(
                "is cut off: {} bytes of numbers, {} needed",
                rest.len(),
                state.shape.parameters() * 3 * 4
            )));
        }
        let mut values = rest
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes));
        let sizes: Vec<usize> = state
            .shape
            .tensors()
            .iter()
            .map(|(_, dims)| dims.iter().product())
            .collect();
        let mut take = || {
            sizes
                .iter()
                .map(|size| values.by_ref().take(*size).collect())
                .collect()
        };
        let (weights, mean, square) = (take(), take(), take());
        let taken = state.step;
        Ok(Checkpoint {
            state,
            weights,
            optimiser: AdamW { mean, square, taken },
        })
    }

    /// Whether it can go on as a model of `shape`.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] with the difference.
    pub fn check_shape(&self, path: &Path, shape: &Shape) -> Result<(), TrainError> {
        // The vocabulary's size is what was learnt, which may be less than what was asked for.
        let asked = Shape {
            vocab: self.state.shape.vocab,
            ..shape.clone()
        };
        if asked == self.state.shape {
            return Ok(());
        }
        Err(TrainError::Checkpoint {
            path: path.to_owned(),
            reason: format!("holds {}, not {}", self.state.shape, asked),
        })
    }

    /// The model in it.
    ///
    /// # Errors
    /// As [`Model::from_values`].
    pub fn model(&self) -> Result<Model, TrainError> {
        Model::from_values(self.state.shape.clone(), self.weights.clone())
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}
