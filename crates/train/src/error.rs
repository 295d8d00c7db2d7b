//! What can go wrong while training.
//! Does not print or exit: the command line does.

use std::path::{Path, PathBuf};

/// An error of the trainer.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A checkpoint that cannot be used.
    #[error("checkpoint {path}: {reason}")]
    Checkpoint {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is nothing to learn from.
    #[error("the corpus is empty: at least two tokens are needed")]
    EmptyCorpus,
    /// A vocabulary that could not write every byte.
    #[error(
        "a vocabulary of {found} is too small: 256 bytes and {specials} control tokens need at least {needed}"
    )]
    Vocabulary {
        /// Tokens asked for.
        found: u32,
        /// Control tokens.
        specials: u32,
        /// Tokens needed.
        needed: u32,
    },
    /// Hyper-parameters that do not fit each other.
    #[error("shape: {0}")]
    Shape(String),
    /// The loss is no number any more.
    #[error("the loss of step {step} is {loss}: try a lower learning rate")]
    Diverged {
        /// At which step.
        step: u64,
        /// What it was.
        loss: f32,
    },
    /// From the tensor library.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// From the model file's writer or reader.
    #[error(transparent)]
    Gguf(#[from] gguf::GgufError),
    /// From the engine that runs the exported file.
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
}

impl TrainError {
    /// For `map_err` on a file operation.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> TrainError + '_ {
        move |source| TrainError::File {
            path: path.to_owned(),
            source,
        }
    }
}
