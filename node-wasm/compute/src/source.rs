//! The chunks of one model: from the store where they are kept, else from peers, else from whoever serves them.
//! What the bytes mean is the engine's business.

use std::rc::Rc;

use futures::stream::{self, StreamExt as _};
use gguf::{Manifest, ModelId};
use jobs::{Failure, Sought};

use crate::failure::{failure, rejected};
use crate::fetch::{self, Site};
use crate::peers::Peers;
use crate::store::{ChunkStore, hashes, hex};

/// No honest manifest is longer: 32 bytes for each chunk of a file of 64 GiB, and some words.
const MAX_MANIFEST_BYTES: u64 = 8 << 20;
/// Chunks on their way at once: enough to hide the way there, few enough to stay small.
const IN_FLIGHT: usize = 4;
/// Chunks that a question to a peer names beyond the one that is needed now: what one message holds.
const MAX_AHEAD: usize = 500;

/// Where a model's chunks come from. Clones share the store.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    manifest: Rc<Manifest>,
    store: Rc<ChunkStore>,
    /// The way to peers; none where only what is kept is wanted.
    peers: Option<Rc<Peers>>,
    /// Places that have the file, best first.
    urls: Vec<(String, Site)>,
}

impl Source {
    /// Finds the manifest of `model`, here, at the relay or with a peer, and checks that it is the one that was
    /// named.
    pub(crate) async fn open(
        origin: &str,
        model: &ModelId,
        store: &Rc<ChunkStore>,
        peers: Option<&Rc<Peers>>,
    ) -> Result<Source, Failure> {
        let url = format!("{origin}/models/{model}");
        let manifest = match store.manifest(model).await {
            Some(manifest) => manifest,
            None => {
                let address = format!("{url}/manifest");
                let bytes = match fetch::whole(&address, MAX_MANIFEST_BYTES, Site::Relay).await {
                    Ok(bytes) => bytes,
                    Err(failure) => {
                        let peers = peers.ok_or(failure.clone())?;
                        let theirs = peers.ask(&model.to_string(), Sought::Manifest, true).await;
                        theirs.ok_or(failure)?
                    }
                };
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
            peers: peers.cloned(),
            urls,
        })
    }

    /// What is kept of a model, and nothing else.
    pub(crate) fn offline(manifest: Manifest, store: &Rc<ChunkStore>) -> Source {
        Source {
            manifest: Rc::new(manifest),
            store: Rc::clone(store),
            peers: None,
            urls: Vec::new(),
        }
    }

    /// What the model's file is.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// One chunk, checked; peers are asked where nobody else has it: they need not know which models this tab
    /// looks into. What had to be fetched is kept where there is room.
    pub(crate) async fn chunk(&self, index: u32) -> Result<Vec<u8>, Failure> {
        let found = match self.find(index).await {
            Ok(found) => found,
            Err(failure) => self.find_with_peers(index, &[], true).await.ok_or(failure)?,
        };
        self.take(found).await
    }

    /// The same of a chunk that is computed with: peers who do so too are asked first. `ahead` are the chunks that
    /// will be needed next.
    async fn chunk_of_peers(&self, index: u32, ahead: &[u32]) -> Result<Vec<u8>, Failure> {
        let hash = self.manifest.chunk_sha256(index);
        if let Some(hash) = hash
            && let Some(bytes) = self.store.get(&hash).await
        {
            return Ok(bytes);
        }
        let found = match self.find_with_peers(index, ahead, false).await {
            Some(found) => found,
            None => match self.find(index).await {
                Ok(found) => found,
                Err(failure) => self.find_with_peers(index, ahead, true).await.ok_or(failure)?,
            },
        };
        self.take(found).await
    }

    async fn take(&self, found: Found) -> Result<Vec<u8>, Failure> {
        match found {
            Found::Kept(bytes) => Ok(bytes),
            Found::Fetched(hash, bytes) => {
                // Without room it is fetched again next time, and peers ask somebody else.
                let _ = self.store.put(&hash, &bytes).await;
                Ok(bytes)
            }
        }
    }

    /// What a peer that lends the model has; nothing where nobody has it or may be asked.
    async fn find_with_peers(&self, index: u32, ahead: &[u32], patient: bool) -> Option<Found> {
        let hash = self.manifest.chunk_sha256(index)?;
        let sought = Sought::Chunk {
            sha256: hex(&hash),
            ahead: ahead
                .iter()
                .filter_map(|index| self.manifest.chunk_sha256(*index))
                .map(|hash| hex(&hash))
                .collect(),
        };
        let model = self.manifest.id().to_string();
        let bytes = self.peers.as_ref()?.ask(&model, sought, patient).await?;
        // The page compares hashes too; whoever computes with the bytes does not take its word.
        self.manifest.check_chunk(index, &bytes).ok()?;
        Some(Found::Fetched(hash, bytes))
    }

    /// Several chunks to compute with, in order, some of them on their way at once.
    pub(crate) fn chunks(
        &self,
        indexes: Vec<u32>,
    ) -> impl stream::Stream<Item = Result<(u32, Vec<u8>), Failure>> + use<> {
        let source = self.clone();
        let all: Rc<[u32]> = indexes.as_slice().into();
        stream::iter(indexes.into_iter().enumerate())
            .map(move |(done, index)| {
                let (source, all) = (source.clone(), Rc::clone(&all));
                async move {
                    let ahead = all.get(done + 1..).unwrap_or_default();
                    let ahead = ahead.get(..MAX_AHEAD).unwrap_or(ahead);
                    Ok((index, source.chunk_of_peers(index, ahead).await?))
                }
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
        // Dropped before it is whole, what has come of it is kept for the next try.
        let mut part = self.store.parts().go_on(hash);
        for (url, site) in &self.urls {
            // One half may be of another place than the other: then it is fetched from its beginning.
            let mut tries = if part.bytes.is_empty() { 1 } else { 2 };
            while tries > 0 {
                if let Err(error) = fetch::rest(url, range.start, range.end, &mut part.bytes, *site).await {
                    last = error;
                    break;
                }
                match self.manifest.check_chunk(index, &part.bytes) {
                    Ok(()) => return Ok(Found::Fetched(hash, part.whole())),
                    Err(error) => last = rejected(format!("{url}: {error}")),
                }
                part.bytes.clear();
                tries -= 1;
            }
        }
        Err(last)
    }
}

enum Found {
    Kept(Vec<u8>),
    Fetched([u8; 32], Vec<u8>),
}
