//! What has come of chunks that did not come whole: the line ended, or somebody paused.
//! In memory alone, and unchecked: a chunk is checked when it is whole, and a tab that is closed forgets its parts.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::ChunkHash;

/// Each is less than a chunk of 1 MiB: twice what one download has on its way at once.
const MAX_PARTS: usize = 8;

/// The newest parts; older ones make way.
#[derive(Debug, Default)]
pub(crate) struct Parts(RefCell<VecDeque<(ChunkHash, Vec<u8>)>>);

impl Parts {
    /// A chunk on its way, with what has come of it before.
    pub(crate) fn go_on(&self, hash: ChunkHash) -> Part<'_> {
        let mut parts = self.0.borrow_mut();
        let found = parts.iter().position(|(known, _)| *known == hash);
        let bytes = found.and_then(|at| parts.remove(at)).map(|(_, bytes)| bytes);
        Part {
            parts: self,
            hash,
            bytes: bytes.unwrap_or_default(),
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// What has come of one chunk so far; kept when it is dropped before it is whole.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    parts: &'a Parts,
    hash: ChunkHash,
    pub(crate) bytes: Vec<u8>,
}

impl Part<'_> {
    /// The chunk, which is no part any more.
    pub(crate) fn whole(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let mut parts = self.parts.0.borrow_mut();
        if parts.len() >= MAX_PARTS {
            parts.pop_front();
        }
        parts.push_back((self.hash, std::mem::take(&mut self.bytes)));
    }
}
