//! The store of a tab that keeps nothing: a bounded handful of chunks, oldest out first.
//! Nothing here outlives the worker.

use std::collections::{HashMap, HashSet, VecDeque};

use super::ChunkHash;

/// Chunks that are held for whoever brought them: what is computed with is the engine's, not ours.
pub(crate) const MAX_CHUNKS: usize = 128;
/// Manifests and other records.
const MAX_RECORDS: usize = 256;

/// Chunks and records by name.
#[derive(Debug, Default)]
pub(super) struct Memory {
    chunks: HashMap<ChunkHash, Vec<u8>>,
    order: VecDeque<ChunkHash>,
    records: HashMap<(&'static str, String), Vec<u8>>,
}

impl Memory {
    pub(super) fn get(&self, hash: &ChunkHash) -> Option<Vec<u8>> {
        self.chunks.get(hash).cloned()
    }

    pub(super) fn put(&mut self, hash: &ChunkHash, bytes: &[u8]) {
        if self.chunks.insert(*hash, bytes.to_vec()).is_none() {
            self.order.push_back(*hash);
        }
        while self.order.len() > MAX_CHUNKS {
            if let Some(oldest) = self.order.pop_front() {
                self.chunks.remove(&oldest);
            }
        }
    }

    pub(super) fn held(&self) -> HashSet<ChunkHash> {
        self.chunks.keys().copied().collect()
    }

    pub(super) fn record(&self, folder: &str, name: &str) -> Option<Vec<u8>> {
        let found = self.records.iter().find(|((f, n), _)| *f == folder && n == name);
        found.map(|(_, bytes)| bytes.clone())
    }

    pub(super) fn put_record(&mut self, folder: &'static str, name: &str, bytes: &[u8]) {
        let key = (folder, name.to_owned());
        if self.records.len() < MAX_RECORDS || self.records.contains_key(&key) {
            self.records.insert(key, bytes.to_vec());
        }
    }

    pub(super) fn names(&self, folder: &str) -> HashSet<String> {
        let ours = self.records.keys().filter(|(f, _)| *f == folder);
        ours.map(|(_, name)| name.clone()).collect()
    }

    pub(super) fn remove_records(&mut self, folder: &str, names: &[String]) {
        self.records
            .retain(|(f, name), _| *f != folder || !names.contains(name));
    }

    pub(super) fn delete(&mut self, chunks: &[ChunkHash]) {
        self.chunks.retain(|hash, _| !chunks.contains(hash));
        self.order.retain(|hash| !chunks.contains(hash));
    }
}
