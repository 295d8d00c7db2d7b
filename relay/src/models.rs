//! The published models: those named on the command line, else those in the data folder, else the welcome model.
//! It copies nothing (`add` does) and sends nothing (`http::model_files` does).

pub mod add;
mod describe;
pub mod download;
mod welcome;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use axum::body::Bytes;

pub use self::describe::Published;
use crate::store::{Store, StoreError};

/// The subfolder of model files.
const MODELS: &str = "models";
/// Models that one relay publishes: the API names them all in every answer.
const MAX_MODELS: usize = 256;

/// A model cannot be published, added or removed.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("model {path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("model {path} is not a sound GGUF: {source}")]
    Unsound {
        path: PathBuf,
        source: gguf::ManifestError,
    },
    #[error("more than {MAX_MODELS} models")]
    TooMany,
    #[error("`{0}` does not name a file")]
    NoName(String),
    #[error("{0} is there already with other content; `model remove` it first")]
    Exists(PathBuf),
    #[error("another `model add` is running on this data folder")]
    Busy,
    #[error("no model in the data folder has the id {0}; `model list` shows them")]
    Unknown(String),
    #[error("download of {url}: {why}")]
    Download { url: String, why: String },
}

/// All published models, the default one first.
pub struct Library {
    store: Store,
    named: Vec<PathBuf>,
    models: RwLock<Vec<Arc<Published>>>,
}

impl Library {
    /// Reads the models at `named`, all of which must be sound, or, where none is named, every
    /// sound one of the data folder in the order of their names, or, where there is none, the
    /// welcome model.
    ///
    /// # Errors
    /// When a named model cannot be read or is no sound GGUF.
    pub fn open(store: &Store, named: &[PathBuf]) -> Result<Library, ModelError> {
        let library = Library {
            store: store.clone(),
            named: named.to_vec(),
            models: RwLock::default(),
        };
        library.reload()?;
        Ok(library)
    }

    /// Reads them again; what was published stays until that has worked.
    ///
    /// # Errors
    /// As [`Library::open`].
    pub fn reload(&self) -> Result<(), ModelError> {
        let models = if self.named.is_empty() {
            match of_folder(&self.store)? {
                none if none.is_empty() => vec![welcome::published(&self.store)?],
                some => some,
            }
        } else {
            self.named
                .iter()
                .map(|path| Published::read(&self.store, path))
                .collect::<Result<Vec<_>, _>>()?
        };
        if models.len() > MAX_MODELS {
            return Err(ModelError::TooMany);
        }
        *self.models.write().unwrap_or_else(PoisonError::into_inner) =
            models.into_iter().map(Arc::new).collect();
        Ok(())
    }

    /// The model with that manifest id or file hash.
    pub fn get(&self, id: &str) -> Option<Arc<Published>> {
        self.models
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .find(|model| model.id == id || model.sha256 == id)
            .cloned()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Published>> {
        self.models.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The sound models of the data folder; others are named in the log and left alone.
///
/// # Errors
/// When the folder cannot be read.
pub fn of_folder(store: &Store) -> Result<Vec<Published>, ModelError> {
    let mut models = Vec::new();
    for path in files(&store.subfolder(MODELS)?)? {
        match Published::read(store, &path) {
            Ok(model) => models.push(model),
            Err(error) => tracing::warn!(%error, "not published"),
        }
    }
    Ok(models)
}

/// Removes the model with that id from the data folder and returns its file's path.
///
/// # Errors
/// When there is none, or it cannot be removed.
pub fn remove(store: &Store, id: &str) -> Result<PathBuf, ModelError> {
    let model = of_folder(store)?
        .into_iter()
        .find(|model| model.id == id || model.sha256 == id)
        .ok_or_else(|| ModelError::Unknown(id.to_owned()))?;
    fs::remove_file(&model.path).map_err(|source| ModelError::File {
        path: model.path.clone(),
        source,
    })?;
    Ok(model.path)
}

/// The `*.gguf` files of a folder in the order of their names; hidden ones are still being
/// written.
fn files(dir: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let refuse = |source| ModelError::File {
        path: dir.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(refuse)? {
        let path = entry.map_err(refuse)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|ending| ending == "gguf") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Bytes that answers can share.
fn shared(bytes: Vec<u8>) -> Bytes {
    Bytes::from(bytes)
}
