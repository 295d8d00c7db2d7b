//! The published models.
//! It does not read GGUF.

use std::{
    collections::HashMap,
    ops::Range,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use axum::body::Bytes;

use crate::store::Store;

/// A model that visitors can load.
#[derive(Debug)]
pub struct Published {
    /// Manifest id, lower-case hex.
    pub id: String,
    pub name: String,
    pub architecture: String,
    pub layers: u32,
    pub bytes: u64,
    /// Of the whole file, lower-case hex.
    pub sha256: String,
    pub license: Option<String>,
    pub path: PathBuf,
    pub manifest: Bytes,
    pub chunks: HashMap<String, Range<u64>>,
}

impl Published {
    /// Where the chunk with that hash lies.
    pub fn chunk(&self, hash: &str) -> Option<Range<u64>> {
        self.chunks.get(hash).cloned()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ModelError {}

/// All published models, the default one first.
#[derive(Default)]
pub struct Library {
    models: RwLock<Vec<Arc<Published>>>,
}

impl Library {
    pub fn open(_store: &Store, _files: &[PathBuf]) -> Result<Library, ModelError> {
        Ok(Library::default())
    }

    /// The model with that manifest id or file hash.
    pub fn get(&self, id: &str) -> Option<Arc<Published>> {
        self.all()
            .into_iter()
            .find(|model| model.id == id || model.sha256 == id)
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Published>> {
        self.models.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
