//! What the examples share: a model file as a source of weights, and an error to end with.
//! Does not hold anything of the engine itself.
#![allow(dead_code, clippy::print_stderr)] // each user takes a part

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use engine::{EngineError, WeightSource};
use gguf::{Header, TensorInfo};

/// An error that `main` prints as its message alone.
pub(crate) struct Failure(String);

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.to_string())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A GGUF file, read tensor by tensor.
pub(crate) struct FileWeights(File);

impl FileWeights {
    /// Opens a model and reads its header.
    pub(crate) fn open(path: &str) -> Result<(Header, FileWeights), Failure> {
        let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
        let bytes = file.metadata()?.len();
        let header =
            Header::read(BufReader::new(&file), bytes).map_err(|error| format!("{path}: {error}"))?;
        Ok((header, FileWeights(file)))
    }
}

/// The header of a model, or of a vocabulary without weights.
pub(crate) fn vocabulary(path: &str) -> Result<Header, Failure> {
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let bytes = file.metadata()?.len();
    Header::read_vocabulary(BufReader::new(file), bytes).map_err(|error| format!("{path}: {error}").into())
}

impl WeightSource for FileWeights {
    fn tensor(&mut self, info: &TensorInfo) -> Result<Vec<u8>, EngineError> {
        let failed = |error: std::io::Error| EngineError::Weights {
            name: info.name.clone(),
            reason: error.to_string(),
        };
        let mut bytes = vec![0; info.bytes as usize];
        self.0.seek(SeekFrom::Start(info.offset_bytes)).map_err(failed)?;
        self.0.read_exact(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }
}

/// Polls until ready. The CPU back end is ready at once.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        std::thread::yield_now();
    }
}

/// A shared test file, if it is there: under `MANYHANDS_SHARED`, else beside the workspace.
pub(crate) fn shared(name: &str) -> Option<String> {
    let folder = std::env::var("MANYHANDS_SHARED").unwrap_or_else(|_| "../shared".into());
    let path = format!("{folder}/{name}");
    if !std::path::Path::new(&path).exists() {
        eprintln!("skipped: {path} is not there");
        return None;
    }
    Some(path)
}
