//! The models that outlive the tab: checked chunks by their hash, and the manifests that name them.
//! Fetches nothing: whoever has bytes hands them in, whoever needs bytes asks here first.
//!
//! The whole interface is [`ChunkStore`]. A chunk's name is its SHA-256, so it does not matter who brought it:
//! the relay, another site, a file on disk or a peer. Bytes are checked when they come in and when they go out:
//! a page that was closed in the middle of a write leaves half a chunk behind, and disks forget.

mod error;
mod memory;
mod opfs;
mod parts;
mod writer_lock;

use std::cell::RefCell;
use std::collections::HashSet;
use std::pin::pin;

use futures::future::{Either, select};
use gguf::{Manifest, ModelId};
use sha2::{Digest as _, Sha256};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::WorkerGlobalScope;

pub(crate) use error::StoreError;
pub(crate) use memory::MAX_CHUNKS as MAX_MEMORY_CHUNKS;
use memory::Memory;
use opfs::Folder;
pub(crate) use opfs::usage;
use parts::Parts;
use writer_lock::WriterLock;

/// The SHA-256 of a chunk.
pub(crate) type ChunkHash = [u8; 32];

const CHUNKS: &str = "chunks";
const MANIFESTS: &str = "manifests";
/// Models that a person brought into this browser: an empty file each, named like the model.
const OWN: &str = "own";
/// How far a model that comes from elsewhere has come.
const JOURNALS: &str = "journals";
/// Everything else waits for this: a browser that has files for us finds them at once.
const OPEN_WITHIN_MS: i32 = 10_000;
/// No record beside the chunks is longer: a manifest, or the hashes of an unfinished download.
const MAX_RECORD_BYTES: f64 = 4_194_304.0;

/// Where chunks are kept. Every tab of the origin shares the persistent one; only one writes at a time.
#[derive(Debug)]
pub(crate) struct ChunkStore {
    place: Place,
    parts: Parts,
}

#[derive(Debug)]
enum Place {
    /// As long as the worker.
    Memory(RefCell<Memory>),
    /// The origin's private files.
    Opfs(Folder),
}

impl ChunkStore {
    /// A store that keeps a little, for as long as the worker lives.
    pub(crate) fn in_memory() -> ChunkStore {
        ChunkStore::at(Place::Memory(RefCell::default()))
    }

    /// The store of the origin. Where the browser refuses it, or does not answer, a little is kept in memory instead,
    /// and [`ChunkStore::is_persistent`] says so.
    pub(crate) async fn persistent() -> ChunkStore {
        let (open, patience) = (pin!(Folder::open()), pin!(sleep(OPEN_WITHIN_MS)));
        let opened = match select(open, patience).await {
            Either::Left((opened, _)) => opened,
            Either::Right(_) => Err(StoreError::Refused("it does not answer".to_owned())),
        };
        match opened {
            Ok(folder) => ChunkStore::at(Place::Opfs(folder)),
            Err(error) => {
                web_sys::console::warn_1(&error.to_string().into());
                ChunkStore::in_memory()
            }
        }
    }

    fn at(place: Place) -> ChunkStore {
        ChunkStore {
            place,
            parts: Parts::default(),
        }
    }

    /// What has come of chunks that did not come whole.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Whether what is put here is still there tomorrow.
    pub(crate) fn is_persistent(&self) -> bool {
        matches!(self.place, Place::Opfs(_))
    }

    /// A chunk, if it is here and whole. One that is damaged is thrown away and counts as absent.
    pub(crate) async fn get(&self, hash: &ChunkHash) -> Option<Vec<u8>> {
        match &self.place {
            Place::Memory(memory) => memory.borrow().get(hash),
            Place::Opfs(folder) => {
                let name = hex(hash);
                let bytes = folder
                    .read(CHUNKS, &name, gguf::CHUNK_BYTES as f64)
                    .await
                    .ok()??;
                if Sha256::digest(&bytes)[..] == hash[..] {
                    return Some(bytes);
                }
                // Where it cannot be removed it is found damaged again.
                let _ = folder.remove(CHUNKS, vec![name]).await;
                None
            }
        }
    }

    /// Keeps a chunk, unless it is not what its name says.
    pub(crate) async fn put(&self, hash: &ChunkHash, bytes: &[u8]) -> Result<(), StoreError> {
        if Sha256::digest(bytes)[..] != hash[..] {
            return Err(StoreError::WrongHash);
        }
        match &self.place {
            Place::Memory(memory) => {
                memory.borrow_mut().put(hash, bytes);
                Ok(())
            }
            Place::Opfs(folder) => folder.write(CHUNKS, hex(hash), bytes.to_vec()).await,
        }
    }

    /// Which chunks are here, unread: names and lengths can lie, [`ChunkStore::get`] does not.
    pub(crate) async fn held(&self) -> HashSet<ChunkHash> {
        match &self.place {
            Place::Memory(memory) => memory.borrow().held(),
            Place::Opfs(folder) => {
                let names = folder.names(CHUNKS).await.unwrap_or_default();
                names.iter().filter_map(|name| unhex(name)).collect()
            }
        }
    }

    /// The manifest of a model, if it is here and sound.
    pub(crate) async fn manifest(&self, model: &ModelId) -> Option<Manifest> {
        let bytes = self.record(MANIFESTS, &model.to_string()).await.ok()??;
        Manifest::decode_for(&bytes, model).ok()
    }

    /// Every manifest that is sound and can be read, and whether a person brought the model here.
    pub(crate) async fn manifests(&self) -> Result<Vec<(Manifest, bool)>, StoreError> {
        self.list(|_, _| Ok(())).await
    }

    /// The same; `unreadable` decides about a manifest that is there and cannot be read.
    async fn list(
        &self,
        unreadable: impl Fn(&ModelId, StoreError) -> Result<(), StoreError>,
    ) -> Result<Vec<(Manifest, bool)>, StoreError> {
        // While somebody writes one, half of it is there.
        let _nobody_writes = match &self.place {
            Place::Memory(_) => None,
            Place::Opfs(_) => Some(WriterLock::take().await),
        };
        let own = self.names(OWN).await?;
        let mut found = Vec::new();
        for name in self.names(MANIFESTS).await? {
            let Ok(id) = name.parse::<ModelId>() else { continue };
            match self.record(MANIFESTS, &name).await {
                Ok(bytes) => found.extend(
                    Manifest::decode_for(&bytes.unwrap_or_default(), &id)
                        .map(|manifest| (manifest, own.contains(&name))),
                ),
                Err(error) => unreadable(&id, error)?,
            }
        }
        Ok(found)
    }

    /// Whether a person brought this model here.
    pub(crate) async fn is_own(&self, model: &ModelId) -> bool {
        matches!(self.record(OWN, &model.to_string()).await, Ok(Some(_)))
    }

    /// Keeps a manifest; `own` where a person brought the model here.
    pub(crate) async fn put_manifest(&self, manifest: &Manifest, own: bool) -> Result<(), StoreError> {
        let name = manifest.id().to_string();
        self.put_record(MANIFESTS, &name, &manifest.encode()).await?;
        if own {
            self.put_record(OWN, &name, &[]).await?;
        }
        Ok(())
    }

    /// Deletes a model: its manifest, and every chunk that no other model needs.
    pub(crate) async fn delete(&self, model: &ModelId) -> Result<(), StoreError> {
        self.parts.clear();
        // What the others need cannot be told where one cannot be read: then nothing is deleted.
        let others = |id: &ModelId, error| if id == model { Ok(()) } else { Err(error) };
        self.list(others).await?;
        let name = model.to_string();
        let chunks = self.manifest(model).await.iter().flat_map(hashes).collect();
        // The manifest goes first: chunks without one are litter, a manifest without chunks is a promise.
        for folder_name in [OWN, MANIFESTS] {
            self.remove(folder_name, vec![name.clone()]).await?;
        }
        self.delete_unneeded(chunks).await
    }

    /// Deletes those of `chunks` that no model needs.
    pub(crate) async fn delete_unneeded(&self, chunks: Vec<ChunkHash>) -> Result<(), StoreError> {
        let manifests = self.list(|_, error| Err(error)).await?;
        let needed: HashSet<ChunkHash> = manifests
            .iter()
            .flat_map(|(manifest, _)| hashes(manifest))
            .collect();
        let unneeded: Vec<ChunkHash> = chunks.into_iter().filter(|hash| !needed.contains(hash)).collect();
        match &self.place {
            Place::Memory(memory) => {
                memory.borrow_mut().delete(&unneeded);
                Ok(())
            }
            Place::Opfs(_) => {
                self.remove(CHUNKS, unneeded.iter().map(|hash| hex(hash)).collect())
                    .await
            }
        }
    }

    /// How far an unfinished download had come: the hashes of its chunks in order.
    pub(crate) async fn journal(&self, name: &str) -> Vec<ChunkHash> {
        let bytes = self
            .record(JOURNALS, name)
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        bytes.as_chunks::<32>().0.to_vec()
    }

    /// Writes down how far a download has come; with nothing, that it has ended.
    pub(crate) async fn put_journal(&self, name: &str, chunks: &[ChunkHash]) -> Result<(), StoreError> {
        if chunks.is_empty() {
            return self.remove(JOURNALS, vec![name.to_owned()]).await;
        }
        self.put_record(JOURNALS, name, chunks.as_flattened()).await
    }

    async fn record(&self, folder_name: &str, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.place {
            Place::Memory(memory) => Ok(memory.borrow().record(folder_name, name)),
            Place::Opfs(folder) => folder.read(folder_name, name, MAX_RECORD_BYTES).await,
        }
    }

    async fn put_record(
        &self,
        folder_name: &'static str,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        match &self.place {
            Place::Memory(memory) => {
                memory.borrow_mut().put_record(folder_name, name, bytes);
                Ok(())
            }
            Place::Opfs(folder) => folder.write(folder_name, name.to_owned(), bytes.to_vec()).await,
        }
    }

    async fn remove(&self, folder_name: &'static str, names: Vec<String>) -> Result<(), StoreError> {
        match &self.place {
            Place::Memory(memory) => {
                memory.borrow_mut().remove_records(folder_name, &names);
                Ok(())
            }
            Place::Opfs(folder) => folder.remove(folder_name, names).await,
        }
    }

    async fn names(&self, folder_name: &str) -> Result<HashSet<String>, StoreError> {
        match &self.place {
            Place::Memory(memory) => Ok(memory.borrow().names(folder_name)),
            Place::Opfs(folder) => Ok(folder.names(folder_name).await?.into_iter().collect()),
        }
    }
}

async fn sleep(ms: i32) {
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let timer = js_sys::Promise::new(&mut |resolve, _| {
        // Fails in no worker that runs.
        let _ = scope.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms);
    });
    // A timer does not fail.
    let _ = JsFuture::from(timer).await;
}

/// The hashes of a model's chunks, in order.
pub(crate) fn hashes(manifest: &Manifest) -> impl Iterator<Item = ChunkHash> + '_ {
    (0..manifest.chunk_count()).filter_map(|index| manifest.chunk_sha256(index))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash has the form of a model's id.
pub(crate) fn unhex(name: &str) -> Option<ChunkHash> {
    name.parse::<ModelId>().ok().map(|id| id.0)
}
