//! The chunks of one model: from the store where they are kept, else from whoever serves them.
//! What the bytes mean is the engine's business.

use std::rc::Rc;

use futures::stream::{self, StreamExt as _};
use gguf::{Manifest, ModelId};
use jobs::Failure;

use crate::failure::{failure, rejected};
use crate::fetch::{self, Site};
use crate::store::{ChunkStore, hashes};

/// No honest manifest is longer: 32 bytes for each chunk of a file of 64 GiB, and some words.
const MAX_MANIFEST_BYTES: u64 = 8 << 20;
/// Chunks on their way at once: enough to hide the way there, few enough to stay small.
const IN_FLIGHT: usize = 4;

/// Where a model's chunks come from. Clones share the store.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    manifest: Rc<Manifest>,
    store: Rc<ChunkStore>,
    /// Places that have the file, best first.
    urls: Vec<(String, Site)>,
}

impl Source {
    /// Finds the manifest of `model`, here or at the relay, and checks that it is the one that was named.
    pub(crate) async fn open(
        origin: &str,
        model: &ModelId,
        store: &Rc<ChunkStore>,
    ) -> Result<Source, Failure> {
        let url = format!("{origin}/models/{model}");
        let manifest = match store.manifest(model).await {
            Some(manifest) => manifest,
            None => {
                let address = format!("{url}/manifest");
                let bytes = fetch::whole(&address, None, MAX_MANIFEST_BYTES, Site::Relay).await?;
                let manifest = Manifest::decode_for(&bytes, model)
                    .map_err(|e| rejected(format!("the manifest of {model}: {e}")))?;
                // Without room the model is used all the same, and fetched again next time.
                let _ = store.put_manifest(&manifest, false).await;
                manifest
            }
        };
        // What a relay publishes comes from that relay alone: a manifest must not send us to other places.
        let urls = if store.is_own(model).await {
            let sources = manifest.about().sources.iter();
            sources.map(|url| (url.clone(), Site::Elsewhere)).collect()
        } else {
            vec![(url, Site::Relay)]
        };
        Ok(Source {
            manifest: Rc::new(manifest),
            store: Rc::clone(store),
            urls,
        })
    }

    /// What is kept of a model, and nothing else.
    pub(crate) fn offline(manifest: Manifest, store: &Rc<ChunkStore>) -> Source {
        Source {
            manifest: Rc::new(manifest),
            store: Rc::clone(store),
            urls: Vec::new(),
        }
    }

    /// What the model's file is.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// One chunk, checked. What had to be fetched is kept where there is room.
    pub(crate) async fn chunk(&self, index: u32) -> Result<Vec<u8>, Failure> {
        let (hash, bytes) = match self.find(index).await? {
            Found::Kept(bytes) => return Ok(bytes),
            Found::Fetched(hash, bytes) => (hash, bytes),
        };
        if self.store.is_persistent() {
            let _ = self.store.put(&hash, &bytes).await;
        }
        Ok(bytes)
    }

    /// Several chunks in order, some of them on their way at once.
    pub(crate) fn chunks(
        &self,
        indexes: Vec<u32>,
    ) -> impl stream::Stream<Item = Result<(u32, Vec<u8>), Failure>> {
        let source = self.clone();
        stream::iter(indexes)
            .map(move |index| {
                let source = source.clone();
                async move { Ok((index, source.chunk(index).await?)) }
            })
            .buffered(IN_FLIGHT)
    }

    /// Makes sure that chunks are kept, and answers the bytes of each: a full store ends it.
    pub(crate) fn keep(&self, indexes: Vec<u32>) -> impl stream::Stream<Item = Result<u64, Failure>> {
        let source = self.clone();
        stream::iter(indexes)
            .map(move |index| {
                let source = source.clone();
                async move {
                    match source.find(index).await? {
                        Found::Kept(bytes) => Ok(bytes.len() as u64),
                        Found::Fetched(hash, bytes) => {
                            source.store.put(&hash, &bytes).await?;
                            Ok(bytes.len() as u64)
                        }
                    }
                }
            })
            .buffered(IN_FLIGHT)
    }

    /// Those of `indexes` that are not kept, by name alone.
    pub(crate) async fn missing(&self, indexes: Vec<u32>) -> Vec<u32> {
        let held = self.store.held().await;
        let is_held = |index: &u32| {
            self.manifest
                .chunk_sha256(*index)
                .is_some_and(|hash| held.contains(&hash))
        };
        indexes.into_iter().filter(|index| !is_held(index)).collect()
    }

    /// The chunks of the whole file.
    pub(crate) fn all(&self) -> Vec<u32> {
        (0..self.manifest.chunk_count()).collect()
    }

    /// The length of a chunk.
    pub(crate) fn chunk_bytes(&self, index: u32) -> u64 {
        self.manifest
            .chunk_range(index)
            .map_or(0, |range| range.end - range.start)
    }

    /// Bytes of which something is kept.
    pub(crate) async fn held_bytes(manifest: &Manifest, store: &ChunkStore) -> u64 {
        let held = store.held().await;
        (0..)
            .zip(hashes(manifest))
            .filter(|(_, hash)| held.contains(hash))
            .filter_map(|(index, _)| manifest.chunk_range(index))
            .map(|range| range.end - range.start)
            .sum()
    }

    async fn find(&self, index: u32) -> Result<Found, Failure> {
        let absent = || rejected(format!("the model has no chunk {index}"));
        let range = self.manifest.chunk_range(index).ok_or_else(absent)?;
        let hash = self.manifest.chunk_sha256(index).ok_or_else(absent)?;
        if let Some(bytes) = self.store.get(&hash).await {
            return Ok(Found::Kept(bytes));
        }
        let mut last = failure(
            "model_rejected",
            format!("chunk {index} is not kept here any more, and nobody else is known to have it"),
        );
        for (url, site) in &self.urls {
            let length = range.end - range.start;
            match fetch::whole(url, Some((range.start, range.end)), length, *site).await {
                Ok(bytes) => match self.manifest.check_chunk(index, &bytes) {
                    Ok(()) => return Ok(Found::Fetched(hash, bytes)),
                    Err(error) => last = rejected(format!("{url}: {error}")),
                },
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

enum Found {
    Kept(Vec<u8>),
    Fetched([u8; 32], Vec<u8>),
}
